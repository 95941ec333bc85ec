//! Wait: the clock that bridges go by, and the pauses before a server that is away is tried again.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Now.
#[expect(clippy::disallowed_methods, reason = "how long the outside takes; no result depends on it")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970 by our clock.
#[expect(clippy::disallowed_methods, reason = "compared with others' clocks; no result depends on it")]
#[cfg_attr(
    not(any(feature = "redis", feature = "postgres")),
    allow(dead_code, reason = "only servers are compared with it")
)]
pub(crate) fn our_clock() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

/// A share of 0.75 to 1.25, another each time: those who wait for one server do not all come back to it at once.
pub(crate) fn jitter() -> f64 {
    // The system's randomness, by way of what the standard library has of it.
    0.75 + 0.5 * f64::from(RandomState::new().hash_one(()) as u32) / f64::from(u32::MAX)
}

/// Pauses that grow until something goes well again.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses from `first` to `longest`, each twice the one before.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// How long to wait now.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause.mul_f64(jitter())
    }

    /// It went well.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_begin_anew() {
        let milliseconds = Duration::from_millis;
        let mut backoff = Backoff::new(milliseconds(100), milliseconds(500));
        for expected in [100, 200, 400, 500, 500] {
            let pause = backoff.pause();
            let about = milliseconds(expected * 3 / 4)..=milliseconds(expected * 5 / 4);
            assert!(about.contains(&pause), "{pause:?}, about {expected} ms");
        }
        backoff.reset();
        assert!(backoff.pause() <= milliseconds(125));
        assert!((0..10).any(|_| jitter() != jitter()), "not always the same");
    }
}
