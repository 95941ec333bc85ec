//! Ingest: applies the messages that wait on the input stream.
//!
//! A record v1 names an entity by the low 32 bits of its stable id and sets its value and whether it is active. One
//! that can't be read, names no live entity or carries no number is counted and left out. Runs in `Phase::Ingest`,
//! with the world to itself, and only when the scenario names an `input_stream`.

use bevy_ecs::prelude::*;
use corec_core::bus::{BusError, Cursor, Polled, RunBus};
use corec_core::column::{Health, Signal, StableId};
use corec_core::digest::Saved;
use corec_core::journal::{Input, Journal};
use corec_core::message::{RECORD_BYTES, Record};
use corec_core::rows::Rows;
use corec_core::simulation::{Ending, RunScenario};
use corec_core::stats::Totals;
use corec_core::units::Tick;
use serde::{Deserialize, Serialize};

/// Messages taken in one tick at most: the rest waits for the next one.
const MESSAGES_MAX: usize = 100_000;

/// How far the input stream has been read.
#[derive(Resource, Default, Serialize, Deserialize)]
pub struct InputCursor(Cursor);

impl Saved for InputCursor {
    const NAME: &'static str = "input_cursor";
}

/// Whether the scenario names an input stream.
pub fn has_input_stream(scenario: Res<RunScenario>) -> bool {
    scenario.0.input_stream.is_some()
}

/// Applies the messages that wait.
pub fn ingest(world: &mut World) {
    let Some(stream) = world.resource::<RunScenario>().0.input_stream.clone() else { return };
    let tick = world.resource::<Tick>().0;
    let recorded =
        world.resource_mut::<Journal>().replay(tick, |input| matches!(input, Input::Entries { .. }));
    let entries = match recorded {
        Some(Input::Entries { last, lost, data }) => Some((last, lost, data)),
        _ if world.resource::<Journal>().is_replaying() => None,
        _ => match read(world, &stream) {
            Ok(entries) => entries,
            Err(error) => return world.resource_mut::<Ending>().fail(error),
        },
    };
    let Some((last, lost, entries)) = entries else { return };
    world.resource_mut::<InputCursor>().0 = last;
    let total = entries.len() as u64;
    let mut rows = Rows::new(world);
    let (mut applied, mut faults) = (0, 0);
    for is_fault in entries.iter().filter_map(|data| apply(&mut rows, data)) {
        applied += 1;
        faults += u64::from(is_fault);
    }
    drop(rows);
    let mut totals = world.resource_mut::<Totals>();
    totals.messages += total;
    totals.faults += faults;
    totals.messages_refused += total - applied;
    totals.messages_lost += lost;
    if lost > 0 {
        tracing::warn!(lost, stream, "entries were dropped before they could be read");
    }
}

/// The cursor of the last entry that waits, how many were lost before it, and the data of those that were not.
type Entries = (Cursor, u64, Vec<Vec<u8>>);

/// Takes what waits on the stream, and records it before anything is applied.
fn read(world: &mut World, stream: &str) -> Result<Option<Entries>, BusError> {
    let (from, tick) = (world.resource::<InputCursor>().0, world.resource::<Tick>().0);
    world.resource_mut::<Journal>().ask(tick);
    let Polled { entries, last, lost } = world.resource_mut::<RunBus>().poll(stream, from, MESSAGES_MAX)?;
    if entries.is_empty() && lost == 0 {
        return Ok(None);
    }
    // What is longer than a record can't be applied: the journal need not have all of it, and a flood must not fill it.
    let kept = |mut data: Vec<u8>| {
        data.truncate(RECORD_BYTES + 1);
        data
    };
    let data: Vec<Vec<u8>> = entries.into_iter().map(|entry| kept(entry.data)).collect();
    let mut journal = world.resource_mut::<Journal>();
    journal.record(tick, Input::Entries { last, lost, data: data.clone() });
    journal.commit();
    // What is not on disk must be there to be read again.
    if journal.failure().is_none() {
        world.resource_mut::<RunBus>().done(stream, last)?;
    }
    Ok(Some((last, lost, data)))
}

/// Applies a message; says whether its entity became inactive by it. None if it can't be applied.
fn apply(rows: &mut Rows, data: &[u8]) -> Option<bool> {
    let record = Record::decode(data).ok()?;
    let mut row = rows.get(StableId(u64::from(record.id))).ok()?;
    let mut health: Health = row.value().ok()?;
    if !record.value.is_finite() {
        return None;
    }
    let is_fault = health.is_active() && !record.is_active;
    health.state = if record.is_active { Health::ACTIVE } else { Health::INACTIVE };
    // As everywhere: what is inactive has the value 0.
    let value = if record.is_active { record.value } else { 0.0 };
    row.set(Signal { value }).ok()?.set(health).ok()?;
    Some(is_fault)
}
