//! Bus: named streams of entries, as a run sees them. Its implementations are bridges.
//!
//! A run reads a stream with a cursor of its own, from where its state says, and tells the bus when what it has read is in the
//! journal. What it sends goes into a lane: an outage of the far side is a state ([`BusHealth`]), not an error that ends a run.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use bevy_ecs::resource::Resource;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::units::{Epoch, Tick};

/// A place in a stream: 16 bytes, ordered, their meaning the bus's own. In memory it is `(0, number of the entry)`, in Redis
/// `(milliseconds, sequence)`. An entry's cursor is the place right after it.
///
/// It is written as one number of 128 bits, so that the cursors of versions that had 64 bits are read as they are.
///
/// ```
/// use corec_core::bus::Cursor;
/// assert!(Cursor::START < Cursor(0, 1) && Cursor(0, 9) < Cursor(1, 0));
/// assert_eq!(postcard::to_allocvec(&Cursor(0, 300)), postcard::to_allocvec(&300u64));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Cursor(pub u64, pub u64);

impl Cursor {
    /// Before the first entry.
    pub const START: Self = Self(0, 0);
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u128(u128::from(self.0) << 64 | u128::from(self.1))
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let whole = u128::deserialize(from)?;
        Ok(Self((whole >> 64) as u64, whole as u64))
    }
}

/// What an output is known by, beside its instance: a replay gives the same one again, so that duplicates can be told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct OutputId {
    /// The history.
    pub epoch: u32,
    /// The tick that says it.
    pub tick: u64,
    /// Its number among all that goes to the bus in this tick, from 0; of what a run says at its end, from 2^63.
    pub sequence: u64,
}

impl OutputId {
    /// What says which of two comes first: what a run says at its end comes before what one that goes on says in the same tick.
    pub fn order(self) -> (u32, u64, bool, u64) {
        (self.epoch, self.tick, self.sequence < AT_THE_END, self.sequence)
    }
}

/// A stream's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the stream goes on after it.
    pub cursor: Cursor,
    /// The entry's field `data`.
    pub data: Vec<u8>,
}

/// What a stream had for its reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// Entries, oldest first.
    pub entries: Vec<Entry>,
    /// Where the next call goes on: after the last entry, or after what could not be given.
    pub last: Cursor,
    /// Entries that were gone before they could be read, as far as the bus can tell.
    pub lost: u64,
}

/// How it is with a bus, and how it has been.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BusHealth {
    /// Why the far side can't be reached; none while it can.
    pub away: Option<String>,
    /// How often it could not be.
    pub outages: u64,
    /// For how long in all, seconds.
    pub away_seconds: f64,
    /// Entries that the far side has.
    pub sent: u64,
    /// Entries that wait on disk.
    pub spooled: u64,
    /// Bytes of the files that they wait in.
    pub spool_bytes: u64,
    /// Entries on their way out.
    pub waiting: u64,
    /// Entries that its policy has let go.
    pub dropped: u64,
    /// Entries of the streams that are read which have not been given yet, as far as the bus knows.
    pub lag: u64,
    /// Entries that were given, and that the journal has not been said to have.
    pub pending: u64,
    /// Entries that the far side has lost: before they could be read, or of those that were sent.
    pub lost: u64,
}

/// Why a bus could not do as asked.
#[derive(Debug, Error)]
pub enum BusError {
    /// The entry is larger than the bus takes.
    #[error("stream '{stream}': found an entry of {bytes} bytes, must be at most {bytes_max}")]
    TooLarge {
        /// The stream.
        stream: String,
        /// The entry's size.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// A stream is read that nobody has subscribed to.
    #[error("stream '{0}': is polled, must be subscribed to first")]
    NotSubscribed(String),
    /// An entry is to be put on a stream in the name of someone outside.
    #[error("bus: takes entries in the name of others only in memory")]
    NotPlanted,
    /// The lane's limits are reached: what is sent can't be kept any longer.
    #[error("bus: {0}")]
    Lane(String),
}

/// Waits until what was sent is kept. May be called on another thread.
///
/// # Errors
/// A lane that has failed, or takes too long: a text.
pub type Kept = Box<dyn FnOnce() -> Result<(), String> + Send>;

/// Streams of entries. But for [`Bus::close`] calls return at once, unless a lane's policy is to let the tick wait.
pub trait Bus: Send + Sync {
    /// Reads `stream` from the entry after `from` on. Once for each stream: a bridge may read ahead from here.
    ///
    /// # Errors
    /// See [`BusError`].
    fn subscribe(&mut self, stream: &str, from: Cursor) -> Result<(), BusError>;

    /// What has come on a stream since the last call, at most `max` entries.
    ///
    /// # Errors
    /// See [`BusError`].
    fn poll(&mut self, stream: &str, max: usize) -> Result<Polled, BusError>;

    /// Says that the journal has a stream's entries up to `cursor`: nobody need keep them for this run.
    ///
    /// # Errors
    /// See [`BusError`].
    fn done(&mut self, stream: &str, cursor: Cursor) -> Result<(), BusError>;

    /// Sends an entry to a stream, which is made if it is not there.
    ///
    /// # Errors
    /// See [`BusError`].
    fn publish(&mut self, stream: &str, id: OutputId, data: &[u8]) -> Result<(), BusError>;

    /// Puts an entry on a stream as someone outside would: it is none of the run's own. Where that can't be had, it is an error.
    ///
    /// # Errors
    /// A bus that takes no entries in the name of others; see [`BusError`].
    fn plant(&mut self, _stream: &str, _data: &[u8]) -> Result<(), BusError> {
        Err(BusError::NotPlanted)
    }

    /// Gives what waits until the far side, or the disk, has all that was sent so far: a snapshot counts on it.
    fn keep(&mut self) -> Kept;

    /// How it is with the bus.
    fn health(&self) -> BusHealth;

    /// Sends what is on its way, for at most `deadline`, and ends the connection.
    ///
    /// # Errors
    /// What could not be sent.
    fn close(&mut self, deadline: Duration) -> Result<(), BusError>;
}

/// The run's bus, the streams that are read of it, and the numbers of what is sent.
#[derive(Resource)]
pub struct RunBus {
    bus: Box<dyn Bus>,
    subscribed: BTreeSet<String>,
    next: OutputId,
    /// Where the numbers of a tick begin.
    first: u64,
}

/// Entries that are put on the run's input stream in the tick in hand as if they came from outside, before it is read: what a run
/// does to itself on purpose. Nothing of them is saved: they come with the tick, or from the journal.
#[derive(Resource, Debug, Default)]
pub struct Planted(pub Vec<Vec<u8>>);

/// Where the numbers begin of what a run says at its end: in the tick that would have been next, which a run that goes on has too.
const AT_THE_END: u64 = 1 << 63;

impl RunBus {
    /// A bus that nothing has been read of.
    pub fn new(bus: Box<dyn Bus>) -> Self {
        let next = OutputId { epoch: 0, tick: 0, sequence: 0 };
        Self { bus, subscribed: BTreeSet::new(), next, first: 0 }
    }

    /// From now on the run says what it has to say at its end.
    pub(crate) fn begin_end(&mut self) {
        (self.first, self.next.sequence) = (AT_THE_END, AT_THE_END);
    }

    /// What has come on a stream, at most `max` entries; the first call reads from the entry after `from` on.
    ///
    /// # Errors
    /// See [`BusError`].
    pub fn poll(&mut self, stream: &str, from: Cursor, max: usize) -> Result<Polled, BusError> {
        self.subscribe(stream, from)?;
        self.bus.poll(stream, max)
    }

    /// As [`Bus::plant`], on a stream that is read from the entry after `from` on.
    ///
    /// # Errors
    /// See [`BusError`].
    pub fn plant(&mut self, stream: &str, from: Cursor, data: &[u8]) -> Result<(), BusError> {
        // First, so that a stream which begins with this goes on with the numbers that the reader has had.
        self.subscribe(stream, from)?;
        self.bus.plant(stream, data)
    }

    fn subscribe(&mut self, stream: &str, from: Cursor) -> Result<(), BusError> {
        if !self.subscribed.contains(stream) {
            self.bus.subscribe(stream, from)?;
            self.subscribed.insert(stream.into());
        }
        Ok(())
    }

    /// As [`Bus::done`].
    ///
    /// # Errors
    /// See [`BusError`].
    pub fn done(&mut self, stream: &str, cursor: Cursor) -> Result<(), BusError> {
        self.bus.done(stream, cursor)
    }

    /// Sends an entry that `tick` of the history `epoch` says, and gives it its number.
    ///
    /// # Errors
    /// See [`BusError`].
    pub fn publish(&mut self, stream: &str, epoch: Epoch, tick: Tick, data: &[u8]) -> Result<(), BusError> {
        if (self.next.epoch, self.next.tick) != (epoch.0, tick.0) {
            self.next = OutputId { epoch: epoch.0, tick: tick.0, sequence: self.first };
        }
        let id = self.next;
        self.next.sequence += 1;
        self.bus.publish(stream, id, data)
    }

    /// As [`Bus::keep`].
    pub fn keep(&mut self) -> Kept {
        self.bus.keep()
    }

    /// As [`Bus::health`].
    pub fn health(&self) -> BusHealth {
        self.bus.health()
    }

    /// As [`Bus::close`].
    ///
    /// # Errors
    /// What could not be sent.
    pub fn close(&mut self, deadline: Duration) -> Result<(), BusError> {
        self.bus.close(deadline)
    }
}
