//! Chaos: injects faults by seed, to see who notices and what heals.
//!
//! What goes wrong when is drawn before the first tick ([`plan`]) and depends on nothing that happens in the run; the [`Ledger`] keeps it, and
//! whom it still afflicts. [`flood`] runs in `Phase::Ingest`, [`inject`] in `Phase::Process` after the dynamics, [`heal`] in `Phase::Repair` once
//! the repairs are done: who was repaired, or replaced, is afflicted no longer. Only in a run with the section `chaos`.

mod settings;

mod plan;

mod kernel;
mod ledger;

use bevy_ecs::prelude::*;
use corec_core::block::{BlockId, Population};
use corec_core::blocks::Blocks;
use corec_core::bus::Planted;
use corec_core::column::{Health, Signal, StableId};
use corec_core::repairs::Repairs;
use corec_core::rng::Draws;
use corec_core::section::ScenarioSettings;
use corec_core::simulation::RunScenario;
use corec_core::stats::Totals;
use corec_core::units::Tick;

pub use kernel::{AfflictedRows, begin, go_on};
pub use ledger::{Entry, Ledger};
pub use plan::{Event, EventKind, plan};
pub use settings::Chaos;

/// The kinds whose blocks are afflicted where no groups are named: what plugins add to a run changes nothing then.
const KINDS: [&str; 2] = ["cell", "full"];
/// A message of a flood: longer than a record, and no frame.
const BAD_MESSAGE: &[u8] = b"not a record";

/// The draws of chaos in its run: draw 0 chooses the dead, draw 1 is noise.
#[derive(Resource, Clone, Copy)]
pub struct ChaosDraws(Draws);

/// The events of the run of `world`, which is populated: those of its ledger, or of a run that has not begun those that it will have.
pub fn events(world: &World) -> Vec<Event> {
    if let Some(ledger) = world.get_resource::<Ledger>() {
        return ledger.events().copied().collect();
    }
    let Some(settings) = world.get_resource::<ScenarioSettings<Chaos>>().and_then(|of| of.0.as_ref()) else {
        return Vec::new();
    };
    let population = world.resource::<Population>();
    let is_wanted = |group: &str, kind: &str| match &settings.groups[..] {
        [] => KINDS.contains(&kind),
        named => named.iter().any(|name| name == group),
    };
    let blocks = population.blocks().filter(|block| {
        let group = population.group(block.group());
        let kind = &population.kinds()[usize::from(group.kind().0)];
        block.live() > 0 && is_wanted(group.name(), kind.name())
    });
    let blocks: Vec<u32> = blocks.map(|block| block.id().0).collect();
    plan(settings, world.resource::<RunScenario>().0.seed, &blocks)
}

/// Draws the events of a run that has any. To be called in `Startup`.
pub(crate) fn prepare(world: &mut World) {
    let seed = world.resource::<RunScenario>().0.seed;
    world.insert_resource(ChaosDraws(Draws::new(seed, "chaos")));
    let events = events(world);
    if !events.is_empty() {
        world.insert_resource(Ledger::new(events));
    }
}

/// Whether there are events: a fork may go on without them.
pub fn is_on(ledger: Option<Res<Ledger>>, settings: Res<ScenarioSettings<Chaos>>) -> bool {
    ledger.is_some() && settings.0.is_some()
}

/// Puts the messages of floods on the input stream.
pub fn flood(ledger: Res<Ledger>, tick: Res<Tick>, mut planted: ResMut<Planted>) {
    let messages: u64 = ledger.events().map(|event| event.messages(tick.0)).sum();
    planted.0.extend((0..messages).map(|_| BAD_MESSAGE.to_vec()));
}

/// Begins the events of this tick, and goes on with those that have begun.
pub fn inject(
    blocks: Blocks<(&StableId, &mut Signal, &mut Health)>,
    mut ledger: ResMut<Ledger>,
    draws: Res<ChaosDraws>,
    tick: Res<Tick>,
    mut totals: ResMut<Totals>,
) {
    let is_due = |entry: &&mut Entry| {
        entry.event.block.is_some()
            && entry.event.is_at(tick.0)
            && (entry.event.start == tick.0 || entry.is_open())
    };
    let mut due: Vec<&mut Entry> = ledger.0.iter_mut().filter(is_due).collect();
    if due.is_empty() {
        return;
    }
    let (draws, tick) = (&draws.0, tick.0);
    blocks.for_each_block(|view, (ids, signals, healths)| {
        let own = due.iter_mut().filter(|entry| entry.event.block == Some(view.id().0));
        for entry in own {
            let mut rows = AfflictedRows { ids, signals, healths };
            if entry.event.start == tick {
                entry.entities = begin(&entry.event, &mut rows, draws, tick);
                entry.afflicted = entry.entities.len() as u32;
                if entry.event.kind == EventKind::Dead {
                    totals.faults += u64::from(entry.afflicted);
                }
            } else {
                go_on(&entry.event, &mut rows, &entry.entities, draws, tick);
            }
        }
    });
}

/// Takes out of the ledger who is well again. `dead` afflicts until each of them works again; others end with their last tick.
pub fn heal(
    blocks: Blocks<(&StableId, &Health)>,
    mut ledger: ResMut<Ledger>,
    repairs: Res<Repairs>,
    tick: Res<Tick>,
) {
    let mut open: Vec<&mut Entry> = ledger.0.iter_mut().filter(|entry| entry.is_open()).collect();
    if open.is_empty() {
        return;
    }
    let tick = tick.0;
    let population = blocks.population();
    for entry in &mut open {
        let is_there = entry.event.block.is_some_and(|block| population.block(BlockId(block)).is_some());
        let is_over = entry.event.kind != EventKind::Dead && entry.event.last() <= tick;
        if is_over || !is_there {
            entry.retain(tick, |_| false);
        }
    }
    let of_now = repairs.0.iter().filter(|repair| repair.tick == tick);
    let mut repaired: Vec<u64> = of_now
        .flat_map(|repair| &repair.entities)
        .flat_map(|entity| [Some(entity.entity), entity.replaced])
        .flatten()
        .collect();
    repaired.sort_unstable();
    blocks.for_each_block(|view, (ids, healths)| {
        for entry in open.iter_mut().filter(|entry| entry.is_open() && entry.event.block == Some(view.id().0))
        {
            let is_dead = entry.event.kind == EventKind::Dead;
            let rows = ids.iter().zip(healths).filter(|(_, health)| !is_dead || !health.is_active());
            let mut there: Vec<u64> = rows.map(|(id, _)| id.0).collect();
            there.sort_unstable();
            entry.retain(tick, |id| there.binary_search(&id).is_ok() && repaired.binary_search(&id).is_err());
        }
    });
}
