//! What all parts of the server share.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use corec_run::view::{View, Watch};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use super::connections::Connections;
use super::events::Events;
use super::token::Token;
use crate::metrics::HttpCounts;
use crate::process::folder_bytes;

/// How old a picture may be that answers a request.
const AGE_MAX: Duration = Duration::from_millis(150);
/// How long a request waits for a newer one: a run in a long tick has none to give.
const PATIENCE: Duration = Duration::from_millis(250);

/// Pauses between two looks for a new picture: short at first, for most ticks are; a long one is not waited for at the cost of ticks.
pub(super) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(Duration::from_millis(1))
    }
}

impl Pause {
    pub async fn wait(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(Duration::from_millis(32));
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    pub watch: Watch,
    pub token: Token,
    pub address: SocketAddr,
    pub connections: Connections,
    pub events: watch::Receiver<Events>,
    pub viewers: AtomicU64,
    pub requests: AtomicU64,
    pub refused: AtomicU64,
    pub came: Notify,
    /// When it was started.
    pub started: SystemTime,
    /// When something was asked for last, milliseconds since then.
    pub asked_at: AtomicU64,
    /// Since when no picture has come to those who asked.
    pub stuck_since: Mutex<Option<Instant>>,
    pub is_over: watch::Receiver<bool>,
}

impl Shared {
    /// A picture of now, or the newest there is.
    pub async fn fresh(&self) -> Arc<View> {
        let mut pause = Pause::default();
        let (asked, is_new) = (Instant::now(), |view: &View| {
            view.ended.is_some() || view.made.is_some_and(|made| made.elapsed() < AGE_MAX)
        });
        loop {
            let view = self.watch.view();
            if is_new(&view) {
                *self.stuck_since() = None;
                return view;
            }
            if asked.elapsed() >= PATIENCE || self.is_over() {
                self.stuck_since().get_or_insert(asked);
                return view;
            }
            pause.wait().await;
        }
    }

    fn stuck_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.stuck_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long the run has given no picture to those who asked.
    pub fn stuck(&self) -> Duration {
        self.stuck_since().map_or(Duration::ZERO, |since| since.elapsed())
    }

    pub fn counts(&self) -> HttpCounts {
        HttpCounts {
            started: Some(self.started),
            stuck: self.stuck(),
            viewers: self.viewers(),
            connections: self.connections.count(),
            requests: self.requests.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// Notes that something is asked for.
    pub fn ask(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.asked_at.store(self.age(), Ordering::Relaxed);
    }

    /// Whether something was asked for in the last second.
    pub fn is_asked(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0 && self.age() - self.asked_at.load(Ordering::Relaxed) < 1000
    }

    fn age(&self) -> u64 {
        self.started.elapsed().map_or(0, |age| age.as_millis() as u64)
    }

    pub fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub fn journal_bytes(&self, view: &View) -> u64 {
        folder_bytes(&view.run.journal)
    }

    pub fn viewers(&self) -> u64 {
        self.viewers.load(Ordering::Relaxed)
    }

    pub fn tell_viewer_came(&self) {
        self.came.notify_one();
    }

    pub async fn viewer_came(&self) {
        self.came.notified().await;
    }

    pub fn is_over(&self) -> bool {
        *self.is_over.borrow()
    }

    /// Waits until the server is to end.
    pub async fn over(&self) {
        // Who would say so is gone: it is over too.
        _ = self.is_over.clone().wait_for(|is_over| *is_over).await;
    }
}
