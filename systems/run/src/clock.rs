//! The clock on the wall: to pace a run and to say how fast it was. Nothing that is read here reaches a result.

use std::time::{Instant, SystemTime};

/// Now.
#[expect(clippy::disallowed_methods, reason = "a run paces and times itself; no result depends on it")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// What the clock on the wall says.
#[expect(
    clippy::disallowed_methods,
    reason = "a watcher is told when a run was started and a picture drawn; no result depends on it"
)]
pub fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// A number on average over `seconds`: always finite, 0 for none.
pub(crate) fn per_second(n: u64, seconds: f64) -> f64 {
    // What a clock tells apart.
    n as f64 / seconds.max(1e-9)
}
