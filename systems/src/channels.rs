//! Channels: typed messages between plugins, and between plugins and the outside, by name.
//!
//! A message that a plugin sends in one tick is delivered in the next, in the order of the systems that sent it. What
//! comes from outside (a stream of the bus, a source of the plugin's own) is written to the journal before anyone sees
//! it. Messages on their way are part of the run's state, so a restored run delivers what the killed one had sent.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::marker::PhantomData;

use bevy_app::App;
use bevy_ecs::prelude::*;
use bevy_ecs::system::{Deferred, SystemBuffer, SystemMeta, SystemParam};
use bevy_ecs::world::DeferredWorld;
use corec_core::bus::{BusError, RunBus};
use corec_core::digest::{SaveResource, Saved};
use corec_core::executor::Reports;
use corec_core::journal::Input;
pub use corec_core::journal::Journal;
use corec_core::plugin::NamedPlugin;
use corec_core::simulation::Ending;
use corec_core::units::Tick;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Bytes of a message, as JSON.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Bytes that a channel keeps for readers that are late; the oldest messages go.
const CHANNEL_BYTES_MAX: usize = 16 << 20;
/// Bytes of messages that go into one record of the journal, but for the last one's.
const RECORD_BYTES: usize = 4 << 20;
/// Messages taken from one stream or source in a tick; the rest waits for the next one.
const MESSAGES_MAX: usize = 10_000;

/// A message with a channel of its own. On the bus it is JSON.
///
/// ```
/// use corec_systems::prelude::*;
///
/// /// How tired a block is.
/// #[derive(Serialize, Deserialize)]
/// struct Tired {
///     block: u32,
///     mean: f32,
/// }
///
/// impl Channel for Tired {
///     const NAME: &'static str = "tired";
/// }
/// ```
pub trait Channel: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The channel's name; also its stream on the bus.
    const NAME: &'static str;
}

/// What brings messages in from outside, beside the bus: a plugin's own connection.
///
/// Asked in Ingest of every tick, but not while a run is replayed: what it gave then is in the journal.
pub trait Source: Send + Sync {
    /// What has come since it was asked last, as JSON, at most [`MESSAGE_BYTES_MAX`] each. Returns at once.
    fn poll(&mut self) -> Vec<Vec<u8>>;
}

/// Connects channels to the outside.
pub trait AddChannel {
    /// Takes what others write on a stream of the bus as messages of `T`. What plugins here send on `T` stays here.
    fn listen<T: Channel>(&mut self, stream: impl Into<String>) -> &mut Self;

    /// Sends the messages of `T` on the bus under another name than the channel's.
    fn carry<T: Channel>(&mut self, stream: impl Into<String>) -> &mut Self;

    /// Takes what `source` gives as messages of `T`.
    fn add_source<T: Channel>(&mut self, source: impl Source + 'static) -> &mut Self;
}

impl AddChannel for App {
    fn listen<T: Channel>(&mut self, stream: impl Into<String>) -> &mut Self {
        outside(self).listened.insert(T::NAME, stream.into());
        self
    }

    fn carry<T: Channel>(&mut self, stream: impl Into<String>) -> &mut Self {
        outside(self).carried.insert(T::NAME, stream.into());
        self
    }

    fn add_source<T: Channel>(&mut self, source: impl Source + 'static) -> &mut Self {
        outside(self).sources.push((T::NAME, Box::new(source)));
        self
    }
}

fn outside(app: &mut App) -> Mut<'_, Outside> {
    app.world_mut().get_resource_or_init::<Outside>()
}

/// Where channels meet the outside.
#[derive(Resource, Default)]
pub(crate) struct Outside {
    listened: BTreeMap<&'static str, String>,
    carried: BTreeMap<&'static str, String>,
    sources: Vec<(&'static str, Box<dyn Source>)>,
    /// (stream, message) to send in Publish.
    outgoing: Vec<(String, Vec<u8>)>,
}

/// The messages on their way.
#[derive(Resource, Default, Serialize, Deserialize)]
pub(crate) struct Channels {
    channels: BTreeMap<String, Queue>,
    /// How far each stream of the bus has been read.
    cursors: BTreeMap<String, u64>,
}

impl Saved for Channels {
    const NAME: &'static str = "channels";
}

#[derive(Default, Serialize, Deserialize)]
struct Queue {
    /// The number of the first message that is kept.
    first: u64,
    messages: VecDeque<Vec<u8>>,
    /// Messages before this number are there to be read.
    delivered: u64,
    /// Plugin -> the number of the first message that it has not read.
    readers: BTreeMap<String, u64>,
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
    fn deliver(&mut self) {
        self.delivered = self.end();
        let read = self.readers.values().copied().min().unwrap_or(self.delivered);
        while self.first < read && !self.messages.is_empty() {
            self.drop_first();
        }
    }
}

impl Channels {
    /// Notes that a plugin reads a channel, from what is sent from now on.
    fn subscribe(&mut self, channel: &str, plugin: &str) {
        let queue = self.channels.entry(channel.into()).or_default();
        let end = queue.end();
        queue.readers.entry(plugin.into()).or_insert(end);
    }

    fn push(&mut self, channel: &str, message: Vec<u8>) {
        // Without a reader there is nothing to keep.
        if let Some(queue) = self.channels.get_mut(channel) {
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
    pub(crate) fn begin_anew(world: &mut World) {
        if let Some(mut channels) = world.get_resource_mut::<Channels>() {
            channels.cursors.clear();
        }
    }

    /// Bytes for a stream of the bus, which nobody here reads.
    pub(crate) fn send_raw(world: &mut World, stream: String, data: Vec<u8>) {
        world.get_resource_or_init::<Outside>().outgoing.push((stream, data));
    }
}

/// Whether there is a channel or a stream to look at.
pub(crate) fn are_any(channels: Option<Res<Channels>>, outside: Option<Res<Outside>>) -> bool {
    channels.is_some() || outside.is_some()
}

/// Ingest: takes what came from outside, and delivers everything that was sent since the last tick.
pub(crate) fn deliver(world: &mut World) {
    if let Err(error) = take_in(world) {
        world.resource_mut::<Ending>().fail(error);
    }
    let stopped = world.resource::<Reports>().stopped();
    if let Some(mut channels) = world.get_resource_mut::<Channels>() {
        for queue in channels.channels.values_mut() {
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
    let mut came = Vec::new();
    world
        .try_resource_scope(|world, mut outside: Mut<Outside>| -> Result<(), BusError> {
            for (channel, stream) in &outside.listened {
                let channels = world.get_resource::<Channels>();
                let cursor = channels.and_then(|channels| channels.cursors.get(stream).copied()).unwrap_or(0);
                let entries = world.resource_mut::<RunBus>().0.read(stream, cursor, MESSAGES_MAX)?;
                let lost = entries.last().map_or(0, |last| last.id - cursor - entries.len() as u64);
                if lost > 0 {
                    tracing::warn!(lost, stream, "entries were dropped before they could be read");
                }
                let messages =
                    entries.into_iter().map(|entry| (Some((stream.clone(), entry.id)), entry.data));
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
            Input::Messages { channel: channel.into(), cursor: cursor.clone(), data: data.clone() },
        );
        journal.commit();
        accept(world, channel.into(), cursor, data);
    }
    Ok(())
}

/// Messages for one record of the journal.
struct Came {
    channel: &'static str,
    cursor: Option<(String, u64)>,
    data: Vec<Vec<u8>>,
}

/// Cuts what came into records of a bounded size, without the messages that are too large.
fn records(
    channel: &'static str,
    messages: impl Iterator<Item = (Option<(String, u64)>, Vec<u8>)>,
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

fn accept(world: &mut World, channel: String, cursor: Option<(String, u64)>, data: Vec<Vec<u8>>) {
    let mut channels = world.get_resource_or_init::<Channels>();
    channels.cursors.extend(cursor);
    data.into_iter().for_each(|message| channels.push(&channel, message));
}

/// What the plugin `P` reads from outside in `Startup`: a log, a model. It is `live` the first time, and in the journal for a
/// run that is done again, whatever became of the file since.
///
/// # Errors
/// What `live` says.
pub fn recorded<P: NamedPlugin>(
    world: &mut World,
    live: impl FnOnce() -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let tick = world.resource::<Tick>().0;
    let mut journal = world.resource_mut::<Journal>();
    if let Some(Input::Messages { channel, data, .. }) =
        journal.replay(tick, |input| matches!(input, Input::Messages { .. }))
    {
        if channel != P::NAME {
            let (found, name) = (channel.escape_debug(), P::NAME);
            return Err(format!(
                "journal: found what '{found}' has read, must be of '{name}': the run had other plugins"
            )
            .into());
        }
        return Ok(data.concat());
    }
    let bytes = live()?;
    journal
        .record(tick, Input::Messages { channel: P::NAME.into(), cursor: None, data: vec![bytes.clone()] });
    journal.commit();
    Ok(bytes)
}

/// Publish: sends on the bus what plugins have said. A run without a tick may have no bus yet.
pub(crate) fn carry(
    outside: Option<ResMut<Outside>>,
    bus: Option<ResMut<RunBus>>,
    mut ending: ResMut<Ending>,
) {
    let Some((mut outside, mut bus)) = outside.zip(bus) else { return };
    for (stream, message) in outside.outgoing.drain(..) {
        if let Err(error) = bus.0.publish(&stream, &message) {
            ending.fail(error);
        }
    }
}

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
        let queue = self.channels.channels.get(T::NAME);
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
        if let Some(queue) = world.resource_mut::<Channels>().channels.get_mut(T::NAME) {
            queue.readers.insert(P::NAME.into(), until);
        }
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.channels.iter().map(|(name, queue)| (name, queue.messages.len())))
            .finish()
    }
}

/// Makes channels part of the state of runs that have any.
pub(crate) fn prepare(app: &mut App) {
    app.save_resource::<Channels>();
}
