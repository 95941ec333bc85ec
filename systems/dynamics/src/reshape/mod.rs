//! Reshape: fuses blocks that fail with fit ones, splits crowded ones and grows idle ones, every `sync_interval`.
//!
//! Reads `Stats`, ids, `Health`, `Signal`. Changes blocks, ends the alerts of those that retire, mutates the `Trait` of those who are born. Runs in
//! `Phase::Repair` after everything else there, with the world to itself. Blocks of recycled kinds only: the rows of others stay where they are.
//!
//! The old program's rules (its `sincronización`): a block with a fitness below 0.2 is fused with one above 0.5 of the same channel and kind, of
//! whose entities together the fittest live on, as many as fit; a load above 0.8 splits a block of more than 500 entities; a load below 0.2 grows one of
//! fewer than 1000, by copies of the fittest of four, with a small mutation. A block is changed in one way at a time, fusing first.

mod settings;

mod plan;

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;
use bevy_ecs::system::SystemState;
use corec_core::alert::{Alerts, ToldSignals};
use corec_core::block::{Block, BlockId, Population};
use corec_core::blocks::Blocks;
use corec_core::column::{Health, Signal, StableId, Trait};
use corec_core::config::BLOCK_ROWS_MAX;
use corec_core::digest::Saved;
use corec_core::flags::Flags;
use corec_core::reshape::{Change, ReshapeError, Reshaped, reshape as change_blocks};
use corec_core::rng::Draws;
use corec_core::section::{GroupSettings, ScenarioSettings};
use corec_core::simulation::{Ending, RunScenario};
use corec_core::stats::{BlockStats, Stats};
use corec_core::team;
use corec_core::units::{Tick, seconds_to_ticks};
use serde::{Deserialize, Serialize};

use plan::{Decision, Facts, change, decide, ranks};

use crate::audit::Auditor;
use crate::inherit::{MUTATION, mutated};

pub use settings::{Reshape, ReshapePolicy, SyncInterval};

/// The built-in kind whose blocks are reshaped. Those of a plugin's kind live and die as the plugin says, unless their group asks for more.
pub const COLONY: &str = "colony";

/// What reshaping has done since the run's first tick.
#[derive(Resource, Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReshapeTotals {
    /// Blocks that have retired into others.
    pub fused: u64,
    /// Blocks that were split.
    pub split: u64,
    /// Blocks that have grown.
    pub grown: u64,
    /// Entities that have died in it.
    pub died: u64,
    /// Entities that were born in it.
    pub born: u64,
    /// Entities that were not born in it, for the run may have no more memory.
    pub refused: u64,
}

impl Saved for ReshapeTotals {
    const NAME: &'static str = "reshapes";
    const SINCE: u16 = 4;

    fn is_part(&self) -> bool {
        *self != Self::default()
    }
}

/// The draws of growth: by block and birth, draw 0 chooses candidates; by entity, draw 1 mutates.
#[derive(Resource, Clone, Copy)]
pub struct ReshapeDraws(Draws);

impl FromWorld for ReshapeDraws {
    fn from_world(world: &mut World) -> Self {
        Self(Draws::new(world.resource::<RunScenario>().0.seed, "reshape"))
    }
}

/// Whether blocks are reshaped in this tick.
pub fn is_due(
    tick: Res<Tick>,
    scenario: Res<RunScenario>,
    interval: Res<ScenarioSettings<SyncInterval>>,
) -> bool {
    let SyncInterval(seconds) = interval.0.unwrap_or_default();
    seconds > 0.0 && (tick.0 + 1).is_multiple_of(seconds_to_ticks(seconds, scenario.0.tick_seconds))
}

type RowsToRank = Blocks<'static, 'static, (&'static StableId, &'static Health, &'static Signal)>;
type WhatToPlanBy = (RowsToRank, Res<'static, GroupSettings<Reshape>>, Res<'static, Stats>);
type RowsToMutate = Blocks<'static, 'static, (&'static StableId, &'static mut Trait)>;

/// Reshapes all blocks that need it.
pub fn reshape(
    world: &mut World,
    rows: &mut SystemState<WhatToPlanBy>,
    heirs: &mut SystemState<RowsToMutate>,
) {
    let (draws, tick) = (world.resource::<ReshapeDraws>().0, world.resource::<Tick>().0);
    let changes = match rows.get(world) {
        Ok((blocks, settings, stats)) => plan(blocks, &settings, &stats, &draws, tick),
        Err(error) => return world.resource_mut::<Ending>().fail(error),
    };
    if changes.is_empty() {
        return;
    }
    let population = world.resource::<Population>();
    let gone = changes.iter().filter_map(|change| match change {
        Change::Fuse { from, .. } => Some((*from, population.block_name(*from))),
        _ => None,
    });
    let gone: BTreeMap<BlockId, String> = gone.collect();
    let reshaped = match carry_out(world, changes) {
        Ok(reshaped) => reshaped,
        Err(error) => return world.resource_mut::<Ending>().fail(error),
    };
    say_goodbye(world, &gone, tick);
    let changed = reshaped.fused.iter().chain(&reshaped.retired).copied();
    let changed = changed.chain(reshaped.split.iter().flat_map(|(old, new)| [*old, *new]));
    let changed = changed.chain(reshaped.grown.iter().map(|(block, _)| *block));
    world.resource_mut::<Auditor>().reshaped(changed, tick);
    match heirs.get_mut(world) {
        Ok(blocks) => mutate(blocks, &reshaped, &draws, tick),
        Err(error) => world.resource_mut::<Ending>().fail(error),
    }
}

/// What is to be changed, in the order of the rules.
fn plan(
    mut blocks: Blocks<(&StableId, &Health, &Signal)>,
    settings: &GroupSettings<Reshape>,
    stats: &Stats,
    draws: &Draws,
    tick: u64,
) -> Vec<Change> {
    let population = blocks.population();
    let facts: Vec<Facts> =
        population.blocks().filter_map(|block| facts(population, settings, stats, block)).collect();
    let decisions = decide(&facts);
    let mut wanted = vec![false; population.block_count()];
    for decision in &decisions {
        match decision {
            Decision::Fuse { into, from } => {
                (wanted[into.0 as usize], wanted[from.0 as usize]) = (true, true);
            }
            Decision::Grow(block, _) => wanted[block.0 as usize] = true,
            Decision::Split(_) => {}
        }
    }
    let mut rows = vec![Vec::new(); wanted.len()];
    blocks.reborrow().par_fold_blocks(&mut rows, |rows, view, (ids, healths, signals)| {
        if wanted[view.id().0 as usize] {
            *rows = ranks(ids, healths, signals);
        }
    });
    let capacity = |block| blocks.population().block(block).map_or(0, Block::capacity);
    let mut changes: Vec<Option<Change>> = vec![None; decisions.len()];
    team::for_each(decisions.into_iter().zip(&mut changes), |(decision, to)| {
        *to = Some(change(decision, &rows, capacity, draws, tick));
    });
    changes.into_iter().flatten().collect()
}

/// A block as the rules see it; none for one that they are not for.
fn facts(
    population: &Population,
    settings: &GroupSettings<Reshape>,
    stats: &Stats,
    block: &Block,
) -> Option<Facts> {
    let group = population.group(block.group());
    let kind = &population.kinds()[usize::from(group.kind().0)];
    let policy = settings.of(block.group()).policy(kind.name() == COLONY)?;
    let stats = stats.of(block.id());
    if !kind.is_recycled() || stats.is_measured == 0 {
        return None;
    }
    let row: usize = kind.columns().iter().map(|column| column.size()).sum();
    let of_bytes = group.settings().block_bytes_max.map_or(u64::MAX, |bytes| bytes / row as u64);
    Some(Facts {
        id: block.id(),
        group: block.group(),
        kind: group.kind(),
        channel: group.settings().channel.0,
        load: group.settings().load,
        live: block.live(),
        active: stats.active,
        entities_max: of_bytes.min(BLOCK_ROWS_MAX.into()) as u32,
        fitness: stats.fitness,
        policy,
    })
}

/// Makes the changes; without births if they would need more memory than there may be.
fn carry_out(world: &mut World, mut changes: Vec<Change>) -> Result<Reshaped, ReshapeError> {
    let mut refused = 0;
    let done = match change_blocks(world, &changes) {
        Err(ReshapeError::MemoryMax { .. } | ReshapeError::TableFull(_)) => {
            changes.retain(|change| match change {
                Change::Grow { parents, .. } => {
                    refused += parents.len() as u64;
                    false
                }
                _ => true,
            });
            change_blocks(world, &changes)
        }
        done => done,
    };
    let reshaped = done?;
    let mut totals = world.resource_mut::<ReshapeTotals>();
    totals.fused += reshaped.retired.len() as u64;
    totals.split += reshaped.split.len() as u64;
    totals.grown += reshaped.grown.len() as u64;
    totals.died += reshaped.died;
    totals.born += reshaped.born;
    totals.refused += refused;
    Ok(reshaped)
}

/// Ends what was said of blocks that are gone: nobody else would.
fn say_goodbye(world: &mut World, gone: &BTreeMap<BlockId, String>, tick: u64) {
    world.resource_scope(|world, mut alerts: Mut<Alerts>| {
        for (block, name) in gone {
            world.resource_mut::<Flags>().retire(&mut alerts, *block, name, tick);
            alerts.retire(world.resource::<ToldSignals>(), *block, name, tick);
        }
    });
    // Whoever looks at it in this tick still would find it as it was last measured.
    let stats = &mut world.resource_mut::<Stats>().blocks;
    gone.keys().for_each(|block| stats[block.0 as usize] = BlockStats::default());
}

/// Makes every new entity a little different from its parent.
fn mutate(blocks: Blocks<(&StableId, &mut Trait)>, reshaped: &Reshaped, draws: &Draws, tick: u64) {
    let first_new: BTreeMap<BlockId, u32> = reshaped.grown.iter().copied().collect();
    blocks.par_for_each_block(|view, (ids, traits)| {
        let Some(first) = first_new.get(&view.id()) else { return };
        let first = *first as usize;
        for (id, inherited) in ids[first..].iter().zip(&mut traits[first..]) {
            *inherited = mutated(*inherited, draws.words(id.0, tick, 1), MUTATION);
        }
    });
}
