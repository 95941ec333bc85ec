//! Inbox: what a plugin reads of a channel.

use std::marker::PhantomData;

use bevy_ecs::prelude::*;
use bevy_ecs::system::{Deferred, SystemBuffer, SystemMeta, SystemParam};
use bevy_ecs::world::DeferredWorld;
use corec_core::plugin::NamedPlugin;

use super::Channel;
use super::queue::Channels;

/// What the plugin `P` has not read yet of the channel of `T`. One system of a plugin reads a channel: what it has
/// seen, another one of the same plugin does not see again.
#[derive(SystemParam)]
pub struct Inbox<'w, 's, P: NamedPlugin, T: Channel> {
    /// The first inbox made them.
    channels: Res<'w, Channels>,
    read: Deferred<'s, Read<P, T>>,
}

/// A message that is not what its channel carries.
#[derive(Debug, thiserror::Error)]
#[error("channel '{channel}': found a message that can't be read: {message}")]
pub struct UnreadableMessage {
    /// The channel.
    pub channel: &'static str,
    /// What is wrong with it.
    pub message: String,
}

impl<P: NamedPlugin, T: Channel> Inbox<'_, '_, P, T> {
    /// The messages since the last call, oldest first.
    pub fn read(&mut self) -> impl Iterator<Item = Result<T, UnreadableMessage>> {
        self.read_bytes().map(|message| {
            let channel = T::NAME;
            serde_json::from_slice(message).map_err(|e| UnreadableMessage { channel, message: e.to_string() })
        })
    }

    /// As [`Inbox::read`], as they came: for a plugin that reads them by its own rules.
    pub fn read_bytes(&mut self) -> impl Iterator<Item = &[u8]> {
        let queue = self.channels.queues.get(T::NAME);
        let from = queue.map_or(0, |queue| queue.readers.get(P::NAME).copied().unwrap_or(queue.delivered));
        self.read.until = queue.map(|queue| queue.delivered);
        queue.into_iter().flat_map(move |queue| {
            // What came since in one tick may have driven out more than what was there to be read.
            let ready = queue.messages.iter().take(queue.delivered.saturating_sub(queue.first) as usize);
            ready.skip(from.saturating_sub(queue.first) as usize).map(Vec::as_slice)
        })
    }
}

/// How far an inbox has been read.
pub(crate) struct Read<P, T> {
    until: Option<u64>,
    of: PhantomData<fn() -> (P, T)>,
}

impl<P: NamedPlugin, T: Channel> FromWorld for Read<P, T> {
    fn from_world(world: &mut World) -> Self {
        world.get_resource_or_init::<Channels>().subscribe(T::NAME, P::NAME);
        Self { until: None, of: PhantomData }
    }
}

impl<P: NamedPlugin, T: Channel> SystemBuffer for Read<P, T> {
    fn queue(&mut self, _: &SystemMeta, mut world: DeferredWorld) {
        let Some(until) = self.until.take() else { return };
        if let Some(queue) = world.resource_mut::<Channels>().queues.get_mut(T::NAME) {
            queue.readers.insert(P::NAME.into(), until);
        }
    }
}
