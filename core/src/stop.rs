//! Stop: the signal that ends a run, seen by whoever waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The number of the signal that has come, shared by those who wait for something else.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    signal: AtomicUsize,
    is_heeded: AtomicBool,
}

impl Stop {
    /// Tells of a signal. The first one counts.
    pub fn set(&self, signal: usize) {
        _ = self.0.signal.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// The signal that has come.
    pub fn signal(&self) -> Option<usize> {
        Some(self.0.signal.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }

    /// From now on somebody looks whether one has come, and ends in good order. Before, there is nothing to end: who only reads, and
    /// may wait for a pipe, is ended by whoever catches the signal.
    pub fn heed(&self) {
        self.0.is_heeded.store(true, Ordering::SeqCst);
    }

    /// Whether somebody looks.
    pub fn is_heeded(&self) -> bool {
        self.0.is_heeded.load(Ordering::SeqCst)
    }

    /// Whether one has come.
    pub fn is_set(&self) -> bool {
        self.signal().is_some()
    }
}
