//! The watchdog: a thread that looks whether a tick comes to its end, and says what it hangs in.
//!
//! It changes nothing in the run. A tick that takes longer than it should is told of once; one that does not end after a signal
//! ends the process, for nothing else would.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use corec_core::executor::{Reports, Running};
use corec_core::stop::Stop;
use crossbeam::channel::{RecvTimeoutError, Sender, bounded};

use crate::clock::now;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(100);
/// How long a tick may go on after a signal.
const AFTER_SIGNAL: Duration = Duration::from_secs(10);
/// What stands for no tick in hand.
const NONE: u64 = u64::MAX;

/// Where a run is: no lock, so that nothing the run does can hold the watchdog up.
struct Beats {
    /// The tick in hand.
    tick: AtomicU64,
    /// Rises with every tick that begins or ends.
    count: AtomicU64,
}

/// Looks until it is dropped.
pub(crate) struct Watchdog {
    beats: Arc<Beats>,
    /// Dropped first: it ends the thread.
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Watches a run whose systems tell `reports`; a tick should take at most `at_most`.
    ///
    /// # Errors
    /// What the system says if it has no thread to give.
    pub fn start(reports: Reports, stop: Stop, at_most: Duration) -> std::io::Result<Self> {
        let beats = Arc::new(Beats { tick: AtomicU64::new(NONE), count: AtomicU64::new(0) });
        let (seen, (over, is_over)) = (Arc::clone(&beats), bounded::<()>(0));
        let look = move || {
            let (mut count, mut since, mut signalled, mut is_told) = (0, now(), None, false);
            while is_over.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let (found, tick) = (seen.count.load(Ordering::Acquire), seen.tick.load(Ordering::Relaxed));
                if found != count {
                    (count, since, signalled) = (found, now(), None);
                }
                if tick == NONE {
                    continue;
                }
                let took = since.elapsed();
                if took > at_most && !is_told {
                    is_told = true;
                    tracing::warn!(
                        "tick {tick} has taken {} s, more than tick_seconds_max: {}",
                        took.as_secs(),
                        list(&reports.running())
                    );
                }
                let Some(signal) = stop.signal() else { continue };
                if signalled.get_or_insert_with(now).elapsed() > AFTER_SIGNAL {
                    tracing::error!(
                        "ended by signal {signal}: tick {tick} did not end in {} s: {}; --restore goes on from the last snapshot",
                        AFTER_SIGNAL.as_secs(),
                        list(&reports.running())
                    );
                    std::process::exit(128 + signal as i32);
                }
            }
        };
        let thread = std::thread::Builder::new().name("corec-watchdog".into()).spawn(look)?;
        Ok(Self { beats, over: Some(over), thread: Some(thread) })
    }

    /// The tick in hand from now on; none between two.
    pub fn beat(&self, tick: Option<u64>) {
        self.beats.tick.store(tick.unwrap_or(NONE), Ordering::Relaxed);
        self.beats.count.fetch_add(1, Ordering::Release);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.over = None;
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

fn list(running: &[Running]) -> String {
    if running.is_empty() {
        return "no system runs".into();
    }
    let names: Vec<String> =
        running.iter().map(|r| format!("'{}' on thread corec-{}", r.system, r.thread)).collect();
    format!("{} running", names.join(", "))
}
