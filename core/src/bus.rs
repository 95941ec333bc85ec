//! The bus: named streams of entries, as an engine sees them. Implementations are bridges in `corec_systems`.

use bevy_ecs::resource::Resource;
use thiserror::Error;

/// A stream's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the stream: the first is 1, each one more than the last. A gap is what was dropped.
    pub id: u64,
    /// The entry's field `data`.
    pub data: Vec<u8>,
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
}

/// Streams of entries. Calls return at once: a bridge never holds a tick.
pub trait Bus: Send + Sync {
    /// Appends an entry to a stream, which is made if it is not there.
    ///
    /// # Errors
    /// See [`BusError`].
    fn publish(&mut self, stream: &str, data: &[u8]) -> Result<(), BusError>;

    /// The entries of a stream after `after`, oldest first, at most `max`.
    ///
    /// # Errors
    /// See [`BusError`].
    fn read(&mut self, stream: &str, after: u64, max: usize) -> Result<Vec<Entry>, BusError>;
}

/// The run's bus.
#[derive(Resource)]
pub struct RunBus(pub Box<dyn Bus>);
