//! Queues: the messages that are on their way, by channel. Part of the run's state.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use bevy_ecs::prelude::*;
use corec_core::bus::Cursor;
use corec_core::digest::Saved;
use serde::{Deserialize, Serialize};

use super::outside::Outside;

/// Bytes that a channel keeps for readers that are late; the oldest messages go.
const CHANNEL_BYTES_MAX: usize = 16 << 20;

/// The messages on their way.
#[derive(Resource, Default, Serialize, Deserialize)]
pub struct Channels {
    pub(super) queues: BTreeMap<String, Queue>,
    /// How far each stream of the bus has been read.
    pub(super) cursors: BTreeMap<String, Cursor>,
}

impl Saved for Channels {
    const NAME: &'static str = "channels";
}

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Queue {
    /// The number of the first message that is kept.
    pub(super) first: u64,
    pub(super) messages: VecDeque<Vec<u8>>,
    /// Messages before this number are there to be read.
    pub(super) delivered: u64,
    /// Plugin -> the number of the first message that it has not read.
    pub(super) readers: BTreeMap<String, u64>,
    /// Messages that went before everyone had read them.
    lost: u64,
    bytes: usize,
}

impl Queue {
    fn end(&self) -> u64 {
        self.first + self.messages.len() as u64
    }

    fn push(&mut self, message: Vec<u8>) {
        if self.readers.is_empty() {
            return;
        }
        self.bytes += message.len();
        self.messages.push_back(message);
        while self.bytes > CHANNEL_BYTES_MAX {
            self.drop_first();
            self.lost += 1;
        }
    }

    fn drop_first(&mut self) {
        if let Some(message) = self.messages.pop_front() {
            self.bytes -= message.len();
            self.first += 1;
        }
    }

    /// Makes what was sent readable, and forgets what everyone has read.
    pub(super) fn deliver(&mut self) {
        self.delivered = self.end();
        let read = self.readers.values().copied().min().unwrap_or(self.delivered);
        while self.first < read && !self.messages.is_empty() {
            self.drop_first();
        }
    }
}

impl Channels {
    /// Notes that a plugin reads a channel, from what is sent from now on.
    pub(super) fn subscribe(&mut self, channel: &str, plugin: &str) {
        let queue = self.queues.entry(channel.into()).or_default();
        let end = queue.end();
        queue.readers.entry(plugin.into()).or_insert(end);
    }

    pub(super) fn push(&mut self, channel: &str, message: Vec<u8>) {
        // Without a reader there is nothing to keep.
        if let Some(queue) = self.queues.get_mut(channel) {
            let lost = queue.lost;
            queue.push(message);
            if lost == 0 && queue.lost > 0 {
                tracing::warn!(
                    channel,
                    "messages are lost: a reader is more than {CHANNEL_BYTES_MAX} bytes behind"
                );
            }
        }
    }

    /// What a plugin sends: delivered here in the next tick, and carried to the bus unless others write there.
    pub(crate) fn send(world: &mut World, channel: &'static str, message: Vec<u8>) {
        let mut outside = world.get_resource_or_init::<Outside>();
        if !outside.listened.contains_key(channel) {
            let stream = outside.carried.get(channel).map_or(channel, String::as_str).to_string();
            outside.outgoing.push((stream, message.clone()));
        }
        if let Some(mut channels) = world.get_resource_mut::<Channels>() {
            channels.push(channel, message);
        }
    }

    /// Reads every stream of the bus from its beginning: another bus has taken the place of the run's.
    pub fn begin_anew(world: &mut World) {
        if let Some(mut channels) = world.get_resource_mut::<Channels>() {
            channels.cursors.clear();
        }
    }

    /// Bytes for a stream of the bus, which nobody here reads.
    pub(crate) fn send_raw(world: &mut World, stream: String, data: Vec<u8>) {
        world.get_resource_or_init::<Outside>().outgoing.push((stream, data));
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.queues.iter().map(|(name, queue)| (name, queue.messages.len()))).finish()
    }
}
