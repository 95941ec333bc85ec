//! The bus of a run under test: it can be cut off, and damages what comes in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use corec_bridges::bus::MemoryBus;
use corec_core::bus::{Bus, BusError, BusHealth, Cursor, Kept, OutputId, Polled};

/// Stream -> what is done to its entries.
type Damages = BTreeMap<String, fn(&mut Vec<u8>)>;

/// A bus in memory that a test can cut, and whose entries it can damage on their way in.
#[derive(Clone, Default)]
pub struct TestBus {
    streams: MemoryBus,
    /// Stream -> what is done to its entries.
    damage: Arc<Mutex<Damages>>,
}

impl TestBus {
    fn damages(&self) -> MutexGuard<'_, Damages> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the engine's connection: nothing comes in, and what is published waits.
    pub fn cut(&self) {
        self.streams.cut(true);
    }

    /// Connects it again: what waited goes out in the next tick that reads or says something.
    pub fn mend(&self) {
        self.streams.cut(false);
    }

    /// Damages every entry that the engine reads from a stream from now on.
    pub fn damage(&self, stream: &str, how: fn(&mut Vec<u8>)) {
        self.damages().insert(stream.into(), how);
    }

    /// Writes an entry as someone outside would.
    ///
    /// # Panics
    /// On an entry that is too large for a bus.
    pub fn send(&self, stream: &str, data: &[u8]) {
        self.streams.append(stream, data).expect("an entry that a bus takes");
    }

    /// The ids of what the engine has written to a stream: what a run writes again after a kill has the ids it had.
    pub fn ids(&self, stream: &str) -> Vec<OutputId> {
        self.streams.ids(stream)
    }

    /// Every entry of a stream, whoever wrote it.
    pub fn published(&self, stream: &str) -> Vec<Vec<u8>> {
        self.streams.entries(stream)
    }
}

impl Bus for TestBus {
    fn subscribe(&mut self, stream: &str, from: Cursor) -> Result<(), BusError> {
        self.streams.subscribe(stream, from)
    }

    fn poll(&mut self, stream: &str, max: usize) -> Result<Polled, BusError> {
        let mut polled = self.streams.poll(stream, max)?;
        if let Some(damage) = self.damages().get(stream) {
            polled.entries.iter_mut().for_each(|entry| damage(&mut entry.data));
        }
        Ok(polled)
    }

    fn done(&mut self, stream: &str, cursor: Cursor) -> Result<(), BusError> {
        self.streams.done(stream, cursor)
    }

    fn publish(&mut self, stream: &str, id: OutputId, data: &[u8]) -> Result<(), BusError> {
        self.streams.publish(stream, id, data)
    }

    fn plant(&mut self, stream: &str, data: &[u8]) -> Result<(), BusError> {
        self.streams.plant(stream, data)
    }

    fn keep(&mut self) -> Kept {
        self.streams.keep()
    }

    fn health(&self) -> BusHealth {
        self.streams.health()
    }

    fn close(&mut self, deadline: Duration) -> Result<(), BusError> {
        self.streams.close(deadline)
    }
}
