//! Ingest: applies the messages that wait on the input stream.
//!
//! A record v1 names an entity by the low 32 bits of its stable id and sets its value and whether it is active. A frame v2, as another
//! instance publishes its blocks, sets the values of all its entities that live here. One that can't be read, names no live entity or
//! carries no number is counted and left out. Runs in `Phase::Ingest`, with the world to itself, and only when the scenario names an
//! `input_stream`.

use bevy_ecs::prelude::*;
use corec_core::bus::{BusError, Cursor, Entry, Polled, RunBus};
use corec_core::column::{Health, Signal, StableId};
use corec_core::digest::Saved;
use corec_core::journal::{Input, Journal};
use corec_core::message::{Frame, RECORD_BYTES, Record};
use corec_core::rows::Rows;
use corec_core::simulation::{Ending, RunScenario};
use corec_core::stats::Totals;
use corec_core::units::Tick;
use serde::{Deserialize, Serialize};

/// Messages taken in one tick at most: the rest waits for the next one.
const MESSAGES_MAX: usize = 100_000;
/// Bytes of a message: several times what a frame of ours has.
const ENTRY_BYTES_MAX: usize = 4 << 20;
/// Bytes of messages in one record of the journal, below what that may have.
const PART_BYTES_MAX: usize = 8 << 20;

/// How far the input stream has been read.
#[derive(Resource, Default, Serialize, Deserialize)]
pub struct InputCursor(Cursor);

impl Saved for InputCursor {
    const NAME: &'static str = "input_cursor";
}

/// Applies the messages that wait.
pub fn ingest(world: &mut World) {
    let Some(stream) = world.resource::<RunScenario>().0.input_stream.clone() else { return };
    let tick = world.resource::<Tick>().0;
    let is_entries: fn(&Input) -> bool = |input| matches!(input, Input::Entries { .. });
    let mut is_recorded = world.resource::<Journal>().is_replaying();
    while let Some(Input::Entries { last, lost, data }) =
        world.resource_mut::<Journal>().replay(tick, is_entries)
    {
        is_recorded = true;
        apply_all(world, &stream, &Part { last, lost, data });
    }
    if is_recorded {
        return;
    }
    match read(world, &stream) {
        Ok(parts) => parts.iter().for_each(|part| apply_all(world, &stream, part)),
        Err(error) => world.resource_mut::<Ending>().fail(error),
    }
}

/// What is one record of the journal: the cursor of its last entry, how many were lost before it, and the data of those that were not.
struct Part {
    last: Cursor,
    lost: u64,
    data: Vec<Vec<u8>>,
}

/// Takes what waits on the stream, and records it before anything is applied.
fn read(world: &mut World, stream: &str) -> Result<Vec<Part>, BusError> {
    let (from, tick) = (world.resource::<InputCursor>().0, world.resource::<Tick>().0);
    world.resource_mut::<Journal>().ask(tick);
    let Polled { entries, last, lost } = world.resource_mut::<RunBus>().poll(stream, from, MESSAGES_MAX)?;
    if entries.is_empty() && lost == 0 {
        return Ok(Vec::new());
    }
    let mut parts = vec![Part { last, lost, data: Vec::new() }];
    let mut bytes = 0;
    for Entry { cursor, mut data } in entries {
        // What is no message can't be applied: the journal need not have all of it, and a flood must not fill it.
        if data.len() > ENTRY_BYTES_MAX || (data.len() > RECORD_BYTES && !Frame::is_one(&data)) {
            data.truncate(RECORD_BYTES + 1);
        }
        bytes += data.len() + size_of::<u64>();
        if bytes > PART_BYTES_MAX {
            bytes = data.len();
            parts.push(Part { last, lost: 0, data: Vec::new() });
        }
        let part = parts.last_mut().expect("there is one from the start");
        part.last = cursor;
        part.data.push(data);
    }
    let mut journal = world.resource_mut::<Journal>();
    for Part { last, lost, data } in &parts {
        journal.record(tick, Input::Entries { last: *last, lost: *lost, data: data.clone() });
    }
    journal.commit();
    // What is not on disk must be there to be read again.
    if journal.failure().is_none() {
        world.resource_mut::<RunBus>().done(stream, last)?;
    }
    Ok(parts)
}

/// Applies what was read, and counts it.
fn apply_all(world: &mut World, stream: &str, part: &Part) {
    world.resource_mut::<InputCursor>().0 = part.last;
    let total = part.data.len() as u64;
    let mut rows = Rows::new(world);
    let (mut applied, mut faults) = (0, 0);
    for data in &part.data {
        let is_fault =
            if Frame::is_one(data) { apply_frame(&mut rows, data) } else { apply(&mut rows, data) };
        applied += u64::from(is_fault.is_some());
        faults += u64::from(is_fault == Some(true));
    }
    drop(rows);
    let mut totals = world.resource_mut::<Totals>();
    totals.messages += total;
    totals.faults += faults;
    totals.messages_refused += total - applied;
    totals.messages_lost += part.lost;
    if part.lost > 0 {
        tracing::warn!(lost = part.lost, stream, "entries were dropped before they could be read");
    }
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

/// Applies a frame: its entities that live here show what it says they do. None if it can't be read, or none of them is here.
fn apply_frame(rows: &mut Rows, data: &[u8]) -> Option<bool> {
    let frame = Frame::decode(data).ok()?;
    let column = |name: &str, size: u16| {
        frame.columns.iter().find(|column| column.name == name && column.size == size).map(|c| &c.bytes[..])
    };
    let (ids, values) = (column("StableId", 8)?.as_chunks::<8>().0, column("value", 4)?.as_chunks::<4>().0);
    let mut applied = None;
    for (id, value) in ids.iter().zip(values) {
        let value = f32::from_le_bytes(*value);
        let Ok(mut row) = rows.get(StableId(u64::from_le_bytes(*id))) else { continue };
        if value.is_finite() && row.set(Signal { value }).is_ok() {
            applied = Some(false);
        }
    }
    applied
}
