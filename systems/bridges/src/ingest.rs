//! Ingest: applies the messages that wait on the input stream.
//!
//! A record v1 names an entity by the low 32 bits of its stable id and sets its value and whether it is active. A frame, as another
//! instance publishes its blocks, sets the values of all its entities that live here. One that can't be read, names no live entity or
//! carries no number is counted and left out, and the first of a tick are told of on the stream `INPUT_dead`; many in one tick raise the alert `messages_refused`, which ends when
//! it has been calm for a while. Runs in `Phase::Ingest`, with the world to itself, and only when the scenario names an `input_stream`.

use bevy_ecs::prelude::*;
use corec_core::alert::Alerts;
use corec_core::bus::{BusError, Cursor, Entry, Planted, Polled, RunBus};
use corec_core::column::{Health, Signal, StableId};
use corec_core::digest::Saved;
use corec_core::journal::{Input, Journal};
use corec_core::message::{Frame, RECORD_BYTES, Record};
use corec_core::rows::{RowError, Rows};
use corec_core::simulation::{Ending, RunScenario};
use corec_core::stats::Totals;
use corec_core::units::{Epoch, Tick};
use serde::{Deserialize, Serialize};

/// Messages taken in one tick at most: the rest waits for the next one.
const MESSAGES_MAX: usize = 100_000;
/// Bytes of a message: several times what a frame of ours has.
const ENTRY_BYTES_MAX: usize = 4 << 20;
/// Messages that could not be applied of which others are told, in each part of a tick's: a flood is counted, and not passed on.
const LETTERS_MAX: usize = 10;
/// Bytes of such a message that they see.
const LETTER_BYTES: usize = 64;
/// Bytes of messages in one record of the journal, below what that may have.
const PART_BYTES_MAX: usize = 8 << 20;

/// The alert of a flood of messages that could not be applied.
pub const REFUSED_ALERT: &str = "messages_refused";
/// So many in a tick are a flood: some bad ones come on any stream, and are told of on `INPUT_dead`.
const FLOOD_MIN: u64 = 100;
/// Ticks without a flood after which it is over, so that one that comes in gusts is one event.
const CALM_TICKS: u64 = 10;
/// How urgent it is.
const FLOOD_SEVERITY: u8 = 2;

/// The flood of refused messages that is going on.
#[derive(Resource, Default, Serialize, Deserialize)]
pub struct RefusedFlood {
    /// The last tick that had too many; none while the alert is not up.
    last: Option<u64>,
}

impl Saved for RefusedFlood {
    const NAME: &'static str = "refused_flood";
    const SINCE: u16 = 4;

    fn is_part(&self) -> bool {
        self.last.is_some()
    }
}

/// How far the input stream has been read.
#[derive(Resource, Default, Serialize, Deserialize)]
pub struct InputCursor(Cursor);

impl Saved for InputCursor {
    const NAME: &'static str = "input_cursor";
}

/// Applies the messages that wait.
pub fn ingest(world: &mut World) {
    let Some(stream) = world.resource::<RunScenario>().0.input_stream.clone() else { return };
    let refused_before = world.resource::<Totals>().messages_refused;
    take_in(world, &stream);
    let refused = world.resource::<Totals>().messages_refused - refused_before;
    tell_of_flood(world, &stream, refused);
}

/// Applies what the journal has of this tick, or else what waits on the stream.
fn take_in(world: &mut World, stream: &str) {
    let planted = std::mem::take(&mut world.resource_mut::<Planted>().0);
    let tick = world.resource::<Tick>().0;
    let is_entries: fn(&Input) -> bool = |input| matches!(input, Input::Entries { .. });
    let mut is_recorded = world.resource::<Journal>().is_replaying();
    while let Some(part) = world.resource_mut::<Journal>().replay(tick, is_entries) {
        is_recorded = true;
        apply_all(world, stream, &part);
    }
    if is_recorded {
        // What was planted in this tick is in the journal.
        return;
    }
    match plant(world, stream, &planted).and_then(|()| read(world, stream)) {
        Ok(parts) => parts.iter().for_each(|part| apply_all(world, stream, part)),
        Err(error) => world.resource_mut::<Ending>().fail(error),
    }
}

/// Puts entries on the stream that someone outside could have.
fn plant(world: &mut World, stream: &str, entries: &[Vec<u8>]) -> Result<(), BusError> {
    let from = world.resource::<InputCursor>().0;
    let mut bus = world.resource_mut::<RunBus>();
    entries.iter().try_for_each(|entry| bus.plant(stream, from, entry))
}

/// Raises the alert of a flood of `refused` messages, and ends it when it has been calm.
fn tell_of_flood(world: &mut World, stream: &str, refused: u64) {
    let (tick, last) = (world.resource::<Tick>().0, world.resource::<RefusedFlood>().last);
    let next = match last {
        _ if refused >= FLOOD_MIN => {
            let (value, severity) = (refused as f64, FLOOD_SEVERITY);
            let mut alerts = world.resource_mut::<Alerts>();
            alerts.publish("", REFUSED_ALERT, stream, value, severity, tick);
            Some(tick)
        }
        Some(last) if tick - last >= CALM_TICKS => {
            world.resource_mut::<Alerts>().clear("", REFUSED_ALERT, stream, refused as f64, tick);
            None
        }
        other => other,
    };
    if next != last {
        world.resource_mut::<RefusedFlood>().last = next;
    }
}

/// Takes what waits on the stream, and records it before anything is applied. Each part is one record of the journal: `lost` are before it.
fn read(world: &mut World, stream: &str) -> Result<Vec<Input>, BusError> {
    let (from, tick) = (world.resource::<InputCursor>().0, world.resource::<Tick>().0);
    world.resource_mut::<Journal>().ask(tick);
    let Polled { entries, last, lost } = world.resource_mut::<RunBus>().poll(stream, from, MESSAGES_MAX)?;
    if entries.is_empty() && lost == 0 {
        return Ok(Vec::new());
    }
    let (mut parts, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut of_part = from;
    for Entry { cursor, mut data } in entries {
        // What is no message can't be applied: the journal need not have all of it, and a flood must not fill it.
        if data.len() > ENTRY_BYTES_MAX || (data.len() > RECORD_BYTES && !Frame::is_one(&data)) {
            data.truncate(RECORD_BYTES + 1);
        }
        bytes += data.len() + size_of::<u64>();
        if bytes > PART_BYTES_MAX {
            bytes = data.len();
            parts.push((of_part, std::mem::take(&mut part)));
        }
        of_part = cursor;
        part.push(data);
    }
    parts.push((if part.is_empty() { last } else { of_part }, part));
    let lost_before = std::iter::once(lost).chain(std::iter::repeat(0));
    let entry = |((last, data), lost)| Input::Entries { last, lost, data };
    let parts: Vec<Input> = parts.into_iter().zip(lost_before).map(entry).collect();
    let mut journal = world.resource_mut::<Journal>();
    parts.iter().for_each(|part| journal.record(tick, part));
    journal.commit();
    // What is not on disk must be there to be read again.
    if journal.failure().is_none() {
        world.resource_mut::<RunBus>().done(stream, last)?;
    }
    Ok(parts)
}

/// Applies what was read, and counts it.
fn apply_all(world: &mut World, stream: &str, part: &Input) {
    let Input::Entries { last, lost, data: all } = part else { unreachable!("only entries are asked for") };
    world.resource_mut::<InputCursor>().0 = *last;
    let total = all.len() as u64;
    let mut rows = Rows::new(world);
    let (mut refused, mut faults, mut letters) = (0, 0, Vec::new());
    for data in all {
        let applied = if Frame::is_one(data) { apply_frame(&mut rows, data) } else { apply(&mut rows, data) };
        match applied {
            Ok(is_fault) => faults += u64::from(is_fault),
            Err(cause) => {
                refused += 1;
                if letters.len() < LETTERS_MAX {
                    letters.push(dead_letter(&cause, data));
                }
            }
        }
    }
    drop(rows);
    let (tick, epoch) = (*world.resource::<Tick>(), *world.resource::<Epoch>());
    for letter in letters {
        let sent = world.resource_mut::<RunBus>().publish(&format!("{stream}_dead"), epoch, tick, &letter);
        sent.unwrap_or_else(|error| world.resource_mut::<Ending>().fail(error));
    }
    let mut totals = world.resource_mut::<Totals>();
    totals.messages += total;
    totals.faults += faults;
    totals.messages_refused += refused;
    totals.messages_lost += lost;
    if *lost > 0 {
        tracing::warn!(lost, stream, "entries were dropped before they could be read");
    }
}

/// A message that could not be applied, as whoever looks after them is told: JSON.
fn dead_letter(cause: &str, data: &[u8]) -> Vec<u8> {
    let start: String = data.iter().take(LETTER_BYTES).map(|byte| format!("{byte:02x}")).collect();
    let letter = serde_json::json!({ "cause": cause, "bytes": data.len(), "data": start });
    serde_json::to_vec(&letter).expect("a letter is text and numbers")
}

/// Applies a record; says whether its entity became inactive by it, or why it can't be applied.
fn apply(rows: &mut Rows, data: &[u8]) -> Result<bool, String> {
    let record = Record::decode(data).map_err(|e| e.to_string())?;
    if !record.value.is_finite() {
        return Err(format!("record: found the value {}, must be a number", record.value));
    }
    let set = |rows: &mut Rows| {
        let mut row = rows.get(StableId(u64::from(record.id)))?;
        let mut health: Health = row.value()?;
        let is_fault = health.is_active() && !record.is_active;
        health.state = if record.is_active { Health::ACTIVE } else { Health::INACTIVE };
        // As everywhere: what is inactive has the value 0.
        let value = if record.is_active { record.value } else { 0.0 };
        row.set(Signal { value })?.set(health)?;
        Ok(is_fault)
    };
    set(rows).map_err(|e: RowError| e.to_string())
}

/// Applies a frame: its entities that live here show what it says they do; says why none does.
fn apply_frame(rows: &mut Rows, data: &[u8]) -> Result<bool, String> {
    let frame = Frame::decode(data).map_err(|e| e.to_string())?;
    let column = |name: &str, size: u16| {
        let found = frame.columns.iter().find(|column| column.name == name && column.size == size);
        found.map(|c| &c.bytes[..]).ok_or_else(|| format!("frame: found no column '{name}' of {size} bytes"))
    };
    let (ids, values) = (column("StableId", 8)?.as_chunks::<8>().0, column("value", 4)?.as_chunks::<4>().0);
    let mut live = 0;
    for (id, value) in ids.iter().zip(values) {
        let value = f32::from_le_bytes(*value);
        let Ok(mut row) = rows.get(StableId(u64::from_le_bytes(*id))) else { continue };
        live += u64::from(value.is_finite() && row.set(Signal { value }).is_ok());
    }
    if live == 0 && !ids.is_empty() {
        return Err("frame: found none of its entities here, must be some with their ids".into());
    }
    Ok(false)
}
