//! Repair: puts a failing block back to work.
//!
//! Reads `BlockStats`, `RepairPolicy`, `Flags`. Writes `Health`, `Signal`, `Trait`, `Repairs`; the replaced get their ids of the engine, right
//! after it. Runs in `Phase::Repair`, once every block has been measured and audited. Never spawns or despawns.
//!
//! In a block with too many faults or too little fitness, every inactive entity comes back. After its first failure
//! it inherits: it keeps its id and takes the `Trait` of the fittest of four active entities drawn from its block,
//! with a small mutation, and the block's mean as its value. After its second it is replaced by a fresh one.
//! A block that an auditor has flagged is renewed, as often as [`renewal`](crate::renewal) lets it: its active entities too inherit, from each
//! other, and begin at their new targets.

mod kernel;

use std::sync::Mutex;

use bevy_ecs::prelude::*;
use corec_core::block::{BlockId, Directory, GroupId};
use corec_core::blocks::Blocks;
use corec_core::column::{Health, Signal, StableId, Trait};
use corec_core::flags::Flags;
use corec_core::repairs::{RepairCause, RepairRecord, RepairedEntity, Repairs};
use corec_core::replace::{Replaced, Replacements};
use corec_core::section::GroupSettings;
use corec_core::simulation::RunScenario;
use corec_core::stats::{BlockStats, Stats, Totals};
use corec_core::units::Tick;

use crate::audit::Auditor;
use crate::birth::BirthDraws;
use crate::inherit::RepairDraws;
use crate::renewal::Renewals;
use crate::settings::Repair;

pub use kernel::{BlockRows, RepairKernel};

/// The share of a block's entities whose repair makes it another block, for an auditor.
const SHAKING: f32 = 0.1;

/// What repair judges by.
type Judged<'w> = (Res<'w, GroupSettings<Repair>>, Res<'w, Stats>, Res<'w, Flags>, Res<'w, RunScenario>);
/// What it makes up new entities from.
type Drawn<'w> = (Res<'w, RepairDraws>, Res<'w, BirthDraws>, Res<'w, Tick>, Res<'w, Directory>);
/// Whom it tells of it.
type Told<'w> = (ResMut<'w, Totals>, ResMut<'w, Replacements>, ResMut<'w, Repairs>, ResMut<'w, Auditor>);

/// Repairs every block that needs it.
pub fn repair(
    mut blocks: Blocks<(&StableId, &mut Health, &mut Signal, Option<&mut Trait>)>,
    (settings, stats, flags, scenario): Judged,
    (draws, births, tick, directory): Drawn,
    (mut totals, mut replacements, mut repairs, mut auditor): Told,
    mut renewals: ResMut<Renewals>,
    mut first_ids: Local<Vec<u64>>,
) {
    repairs.0.clear();
    let population = blocks.population();
    let renewed = renewals.admit(&flags, population, &stats, &settings, scenario.0.tick_seconds, tick.0);
    let cause = |block: BlockId, group: GroupId| {
        if renewed.binary_search(&block).is_ok() {
            return Some(RepairCause::Flag);
        }
        due(&settings, &stats.of(block), group)
    };
    if !population.blocks().any(|b| cause(b.id(), b.group()).is_some()) {
        return;
    }
    number(&mut first_ids, &mut blocks, directory.next_id(), &cause);
    let told = Mutex::new((Vec::new(), &mut replacements.0));
    blocks.par_fold_blocks(&mut first_ids, |next_id, view, (ids, healths, signals, traits)| {
        let Some(cause) = cause(view.id(), view.group_id()) else { return };
        let mean = stats.of(view.id()).mean;
        let (mut entities, mut replaced) = (Vec::new(), Vec::new());
        let mut new_id = || {
            *next_id += 1;
            StableId(*next_id - 1)
        };
        let mut tell = |row: u32, entity: RepairedEntity| {
            entities.push(entity);
            if let Some(old) = entity.replaced {
                let (kind, row) = (view.group.kind(), view.block.start() + row);
                replaced.push(Replaced { kind, row, old: StableId(old), new: StableId(entity.entity) });
            }
        };
        let rows = BlockRows { ids, healths, signals, traits };
        let mut kernel = RepairKernel { rows, mean, draws: &draws, births: &births, tick: tick.0 };
        kernel.repair(cause == RepairCause::Flag, &mut new_id, &mut tell);
        if entities.is_empty() {
            return;
        }
        let mut told = told.lock().expect("nothing panics while it holds the lock");
        told.0.push(RepairRecord { tick: tick.0, block: view.id().0, cause, entities });
        told.1.append(&mut replaced);
    });
    let (records, _) = told.into_inner().expect("nothing panics while it holds the lock");
    repairs.0 = records;
    repairs.0.sort_unstable_by_key(|record| record.block);
    for record in &repairs.0 {
        totals.repairs += record.entities.len() as u64;
        let block = BlockId(record.block);
        if record.cause == RepairCause::Flag {
            auditor.renewed(block, tick.0);
        } else if record.entities.len() as f32 >= SHAKING * stats.of(block).live as f32 {
            auditor.shaken(block, tick.0);
        }
    }
}

/// Why a block's inactive entities come back in this tick; none if they don't.
fn due(settings: &GroupSettings<Repair>, stats: &BlockStats, group: GroupId) -> Option<RepairCause> {
    let policy = settings.of(group).0.filter(|_| stats.active < stats.live)?;
    if stats.fault_ratio > policy.fault_ratio_max {
        Some(RepairCause::Faults)
    } else if stats.fitness < policy.fitness_min {
        Some(RepairCause::Fitness)
    } else {
        None
    }
}

/// New ids are numbered in block and row order: count first, then each block knows where its own begin.
fn number(
    first_ids: &mut Vec<u64>,
    blocks: &mut Blocks<(&StableId, &mut Health, &mut Signal, Option<&mut Trait>)>,
    next: StableId,
    cause: &(impl Fn(BlockId, GroupId) -> Option<RepairCause> + Sync),
) {
    first_ids.clear();
    first_ids.resize(blocks.population().block_count(), 0);
    blocks.reborrow().par_fold_blocks(first_ids, |count, view, (_, healths, ..)| {
        if cause(view.id(), view.group_id()).is_some() {
            *count = healths.iter().filter(|health| kernel::is_replaced(**health)).count() as u64;
        }
    });
    let mut next = next.0;
    for first in first_ids.iter_mut() {
        next += std::mem::replace(first, next);
    }
}
