//! Repair: puts a failing block back to work.
//!
//! Reads `BlockStats`, `RepairPolicy`. Writes `Health`, `Signal`, `Trait`; the replaced get their ids of the engine, right after it.
//! Runs in `Phase::Repair`, once every block has been measured. Never spawns or despawns.
//!
//! In a block with too many faults or too little fitness, every inactive entity comes back. After its first failure
//! it inherits: it keeps its id and takes the `Trait` of the fittest of four active entities drawn from its block,
//! with a small mutation, and the block's mean as its value. After its second it is replaced by a fresh one.

use std::sync::Mutex;

use bevy_ecs::prelude::*;
use corec_core::block::{Directory, GroupId};
use corec_core::blocks::Blocks;
use corec_core::column::{Health, Signal, StableId, Trait};
use corec_core::replace::{Replaced, Replacements};
use corec_core::rng::{Draws, below, unit};
use corec_core::section::GroupSettings;
use corec_core::simulation::RunScenario;
use corec_core::stats::{BlockStats, Stats, Totals};
use corec_core::units::Tick;

use crate::birth::{BirthDraws, GAIN};
use crate::settings::Repair;

/// Candidates of which the fittest becomes the parent.
const CANDIDATES: usize = 4;
/// Largest mutation of a target and of a gain: at most a fortieth of the range of births, so that an heir stays near its parent.
const TARGET_MUTATION: f32 = 0.02;
const GAIN_MUTATION: f32 = 0.005;
/// Failures after which an entity is replaced.
const FAILURES_MAX: u16 = 2;

/// The draws of repair: draw 0 chooses candidates, draw 1 mutates.
#[derive(Resource, Clone, Copy)]
pub struct RepairDraws(Draws);

impl FromWorld for RepairDraws {
    fn from_world(world: &mut World) -> Self {
        Self(Draws::new(world.resource::<RunScenario>().0.seed, "repair"))
    }
}

/// Repairs every block that needs it.
#[expect(clippy::too_many_arguments, reason = "each is a resource the system declares that it uses")]
pub fn repair(
    mut blocks: Blocks<(&StableId, &mut Health, &mut Signal, Option<&mut Trait>)>,
    settings: Res<GroupSettings<Repair>>,
    draws: Res<RepairDraws>,
    births: Res<BirthDraws>,
    tick: Res<Tick>,
    stats: Res<Stats>,
    directory: Res<Directory>,
    mut totals: ResMut<Totals>,
    mut replacements: ResMut<Replacements>,
    mut first_ids: Local<Vec<u64>>,
) {
    let needs = |stats: &BlockStats, group: GroupId| {
        settings.of(group).0.is_some_and(|policy| {
            stats.active < stats.live
                && (stats.fault_ratio > policy.fault_ratio_max || stats.fitness < policy.fitness_min)
        })
    };
    let population = blocks.population();
    if !population.blocks().any(|b| needs(&stats.of(b.id()), b.group())) {
        return;
    }
    // New ids are numbered in block and row order: count first, then each block knows where its own begin.
    first_ids.clear();
    first_ids.resize(population.block_count(), 0);
    blocks.reborrow().par_fold_blocks(&mut first_ids, |count, view, (_, healths, ..)| {
        if needs(&stats.of(view.id()), view.group_id()) {
            let fresh = healths.iter().filter(|h| !h.is_active() && h.failures >= FAILURES_MAX).count();
            *count = fresh as u64;
        }
    });
    let mut next = directory.next_id().0;
    for first in first_ids.iter_mut() {
        next += std::mem::replace(first, next);
    }
    let repairs = Mutex::new((&mut totals.repairs, &mut replacements.0));
    blocks.par_fold_blocks(&mut first_ids, |next_id, view, (ids, healths, signals, traits)| {
        let stats = stats.of(view.id());
        if !needs(&stats, view.group_id()) {
            return;
        }
        let mut rows = BlockRows { ids, healths, signals, traits };
        let mut told = Vec::new();
        let count = repair_kernel(
            &mut rows,
            stats.mean,
            &draws.0,
            &births,
            tick.0,
            &mut || {
                *next_id += 1;
                StableId(*next_id - 1)
            },
            &mut |row, old, new| {
                told.push(Replaced { kind: view.group.kind(), row: view.block.start() + row, old, new });
            },
        );
        let mut repairs = repairs.lock().expect("nothing panics while it holds the lock");
        *repairs.0 += u64::from(count);
        repairs.1.append(&mut told);
    });
}

/// The rows of one block.
pub struct BlockRows<'w> {
    /// Stable ids.
    pub ids: &'w [StableId],
    /// Health.
    pub healths: &'w mut [Health],
    /// Values.
    pub signals: &'w mut [Signal],
    /// Traits, if the kind has them.
    pub traits: Option<&'w mut [Trait]>,
}

/// Brings every inactive row of a block back; gives how many. `new_id` is asked for each that is replaced,
/// `replaced` is told.
pub fn repair_kernel(
    rows: &mut BlockRows,
    mean: f32,
    draws: &Draws,
    births: &BirthDraws,
    tick: u64,
    new_id: &mut dyn FnMut() -> StableId,
    replaced: &mut dyn FnMut(u32, StableId, StableId),
) -> u32 {
    let active: Vec<u32> =
        (0..rows.healths.len() as u32).filter(|&i| rows.healths[i as usize].is_active()).collect();
    let mut count = 0;
    for row in 0..rows.healths.len() {
        let health = rows.healths[row];
        if health.is_active() {
            continue;
        }
        count += 1;
        if health.failures >= FAILURES_MAX || active.is_empty() {
            // A block that died out entirely starts anew under the ids it has.
            let mut id = rows.ids[row];
            if health.failures >= FAILURES_MAX {
                let old = std::mem::replace(&mut id, new_id());
                replaced(row as u32, old, id);
            }
            rows.healths[row] = Health::FRESH;
            let (signal, inherited) = births.fresh(id);
            rows.signals[row] = signal;
            if let Some(traits) = &mut rows.traits {
                traits[row] = inherited;
            }
            continue;
        }
        let id = rows.ids[row].0;
        if let Some(traits) = &mut rows.traits {
            let words = draws.words(id, tick, 0);
            let candidate = |k: usize| active[below(words[k], active.len() as u32) as usize] as usize;
            let fitter = |a: usize, b: usize| {
                let (va, vb) = (rows.signals[a].value, rows.signals[b].value);
                // Ties go to the lower id.
                if vb > va || (vb == va && rows.ids[b] < rows.ids[a]) { b } else { a }
            };
            let parent = (1..CANDIDATES).fold(candidate(0), |best, k| fitter(best, candidate(k)));
            let [gain, target, ..] = draws.words(id, tick, 1).map(|word| unit(word) * 2.0 - 1.0);
            traits[row] = Trait {
                gain: (traits[parent].gain + GAIN_MUTATION * gain).clamp(GAIN.start, GAIN.end),
                target: (traits[parent].target + TARGET_MUTATION * target).clamp(0.0, 1.0),
            };
        }
        rows.signals[row].value = mean;
        rows.healths[row].state = Health::ACTIVE;
    }
    count
}
