//! Pace: so many rows a second at most, evenly, and not all at once what an outage has held up.

use std::time::{Duration, Instant};

use corec_core::stop::Stop;

use crate::clock::now;

/// Rows that are sent together at most.
const ROWS_MAX: usize = 1000;
/// What is sent together is that of a tenth of a second at most.
const SHARE: f64 = 0.1;
/// How long a wait may go on when a signal has come.
const SLICE: Duration = Duration::from_millis(20);

/// How long it may take until a signal is heard of.
const HEARD: Duration = Duration::from_millis(50);

/// When the next rows are due.
pub(super) struct Pace {
    rate: Option<f64>,
    due: Instant,
}

impl Pace {
    /// At most `rate` rows a second.
    pub fn new(rate: Option<f64>) -> Self {
        Self { rate, due: now() }
    }

    /// How many rows may be sent together.
    pub fn rows_max(&self) -> usize {
        self.rate.map_or(ROWS_MAX, |rate| ((rate * SHARE) as usize).clamp(1, ROWS_MAX))
    }

    /// Waits until rows are due, or `stop` is set.
    pub fn wait(&self, stop: &Stop) {
        pause(self.due.saturating_duration_since(now()), stop);
    }

    /// So many rows were sent.
    pub fn sent(&mut self, rows: usize) {
        if let Some(rate) = self.rate {
            self.due = self.due.max(now() - Duration::from_secs_f64(SHARE))
                + Duration::from_secs_f64(rows as f64 / rate);
        }
    }
}

/// Whether a call that has failed did so for a signal, which may be heard of a moment later.
pub(crate) fn is_stopped(stop: &Stop) -> bool {
    pause(HEARD, stop);
    stop.is_set()
}

/// Waits, or until `stop` is set.
pub(crate) fn pause(time: Duration, stop: &Stop) {
    let until = now() + time;
    while !stop.is_set() {
        let left = until.saturating_duration_since(now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(SLICE));
    }
}
