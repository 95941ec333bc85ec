//! Deliver: takes in what came from outside, and makes what was sent in the last tick readable.
//!
//! Runs in `Phase::Ingest`, with the world to itself. What comes from outside is in the journal before anyone sees it.

use bevy_ecs::prelude::*;
use corec_core::bus::{BusError, Cursor, RunBus};
use corec_core::executor::Reports;
use corec_core::journal::{Input, Journal};
use corec_core::simulation::Ending;
use corec_core::units::Tick;

use super::MESSAGE_BYTES_MAX;
use super::outside::Outside;
use super::queue::Channels;

/// Bytes of messages that go into one record of the journal, but for the last one's.
const RECORD_BYTES: usize = 4 << 20;
/// Messages taken from one stream or source in a tick; the rest waits for the next one.
const MESSAGES_MAX: usize = 10_000;

/// Whether there is a channel or a stream to look at.
pub fn are_any(channels: Option<Res<Channels>>, outside: Option<Res<Outside>>) -> bool {
    channels.is_some() || outside.is_some()
}

/// Ingest: takes what came from outside, and delivers everything that was sent since the last tick.
pub fn deliver(world: &mut World) {
    if let Err(error) = take_in(world) {
        world.resource_mut::<Ending>().fail(error);
    }
    let stopped = world.resource::<Reports>().stopped();
    if let Some(mut channels) = world.get_resource_mut::<Channels>() {
        for queue in channels.queues.values_mut() {
            // What a stopped plugin has not read, nobody will.
            queue.readers.retain(|reader, _| !stopped.contains(reader.as_str()));
            queue.deliver();
        }
    }
}

fn take_in(world: &mut World) -> Result<(), BusError> {
    let tick = world.resource::<Tick>().0;
    let is_messages = |input: &Input| matches!(input, Input::Messages { .. });
    while let Some(Input::Messages { channel, cursor, data }) =
        world.resource_mut::<Journal>().replay(tick, is_messages)
    {
        accept(world, channel, cursor, data);
    }
    if world.resource::<Journal>().is_replaying() {
        return Ok(());
    }
    if world.get_resource::<Outside>().is_some_and(Outside::has_inputs) {
        world.resource_mut::<Journal>().ask(tick);
    }
    let mut came = Vec::new();
    world
        .try_resource_scope(|world, mut outside: Mut<Outside>| -> Result<(), BusError> {
            for (channel, stream) in &outside.listened {
                let channels = world.get_resource::<Channels>();
                let from = channels.and_then(|channels| channels.cursors.get(stream).copied());
                let from = from.unwrap_or(Cursor::START);
                let polled = world.resource_mut::<RunBus>().poll(stream, from, MESSAGES_MAX)?;
                if polled.lost > 0 {
                    let lost = polled.lost;
                    tracing::warn!(lost, stream, "entries were dropped before they could be read");
                }
                let entries = polled.entries.into_iter();
                let messages = entries.map(|entry| (Some((stream.clone(), entry.cursor)), entry.data));
                came.extend(records(channel, messages));
            }
            for (channel, source) in &mut outside.sources {
                came.extend(records(channel, source.poll().into_iter().map(|data| (None, data))));
            }
            Ok(())
        })
        .transpose()?;
    for Came { channel, cursor, data } in came {
        let mut journal = world.resource_mut::<Journal>();
        journal.record(
            tick,
            &Input::Messages { channel: channel.into(), cursor: cursor.clone(), data: data.clone() },
        );
        journal.commit();
        // What is not on disk must be there to be read again.
        if let Some((stream, cursor)) = cursor.as_ref().filter(|_| journal.failure().is_none()) {
            world.resource_mut::<RunBus>().done(stream, *cursor)?;
        }
        accept(world, channel.into(), cursor, data);
    }
    Ok(())
}

/// Messages for one record of the journal.
struct Came {
    channel: &'static str,
    cursor: Option<(String, Cursor)>,
    data: Vec<Vec<u8>>,
}

/// Cuts what came into records of a bounded size, without the messages that are too large.
fn records(
    channel: &'static str,
    messages: impl Iterator<Item = (Option<(String, Cursor)>, Vec<u8>)>,
) -> Vec<Came> {
    let (mut records, mut bytes, mut refused) = (Vec::<Came>::new(), 0, 0u64);
    for (cursor, message) in messages {
        if records.is_empty() || bytes > RECORD_BYTES {
            records.push(Came { channel, cursor: None, data: Vec::new() });
            bytes = 0;
        }
        let Some(record) = records.last_mut() else { continue };
        record.cursor = cursor;
        if message.len() > MESSAGE_BYTES_MAX {
            refused += 1;
            continue;
        }
        bytes += message.len();
        record.data.push(message);
    }
    if refused > 0 {
        tracing::warn!(refused, channel, "messages of more than {MESSAGE_BYTES_MAX} bytes were left out");
    }
    records
}

fn accept(world: &mut World, channel: String, cursor: Option<(String, Cursor)>, data: Vec<Vec<u8>>) {
    let mut channels = world.get_resource_or_init::<Channels>();
    channels.cursors.extend(cursor);
    data.into_iter().for_each(|message| channels.push(&channel, message));
}
