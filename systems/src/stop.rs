//! Stop: the signal that ends a run, seen by whoever waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of the signal that has come, shared by those who wait for something else.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicUsize>);

impl Stop {
    /// Tells of a signal. The first one counts.
    pub fn set(&self, signal: usize) {
        _ = self.0.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The signal that has come.
    pub fn signal(&self) -> Option<usize> {
        Some(self.0.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
    }

    /// Whether one has come.
    pub fn is_set(&self) -> bool {
        self.signal().is_some()
    }
}
