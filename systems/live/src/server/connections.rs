//! Connections: how many there may be, and which goes when there are too many.
//!
//! A run needs its files: whoever opens thousands of connections must not take them. Where there are as many as there may be, a new one
//! takes the place of the oldest that has said nothing yet, else of the oldest that is no viewer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

/// What a connection has been good for so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Worth(Arc<AtomicU8>);

const SILENT: u8 = 0;
const ASKED: u8 = 1;
const VIEWER: u8 = 2;

impl Worth {
    /// A request has come on it.
    pub fn asked(&self) {
        self.0.fetch_max(ASKED, Ordering::Relaxed);
    }

    /// Somebody watches the stream on it.
    pub fn watches(&self) {
        self.0.store(VIEWER, Ordering::Relaxed);
    }

    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

type Open = VecDeque<(u64, Worth, AbortHandle)>;

/// The connections that are open, oldest first.
#[derive(Debug)]
pub(super) struct Connections {
    open: Mutex<Open>,
    max: usize,
}

impl Connections {
    pub fn new(max: usize) -> Self {
        Self { open: Mutex::default(), max }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for one more. Whether another had to go for it.
    pub fn make_room(&self) -> bool {
        let mut open = self.lock();
        if open.len() < self.max {
            return false;
        }
        let oldest = |worth: u8| open.iter().position(|(_, of, _)| of.get() <= worth);
        let at = oldest(SILENT).or_else(|| oldest(ASKED)).unwrap_or(0);
        if let Some((.., handle)) = open.remove(at) {
            handle.abort();
        }
        true
    }

    pub fn add(&self, id: u64, worth: Worth, handle: AbortHandle) {
        self.lock().push_back((id, worth, handle));
    }

    pub fn remove(&self, id: u64) {
        self.lock().retain(|(other, ..)| *other != id);
    }

    pub fn count(&self) -> u64 {
        self.lock().len() as u64
    }
}
