//! The limits say how often and how much to ask, and when to leave the server alone.
//!
//! All four take the time since the client's start as an argument, so that tests need no clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::error::ChatError;
use super::settings::ChatSettings;

/// A token bucket: full at the start, refilled evenly.
#[derive(Debug)]
pub(super) struct RateLimiter {
    capacity: f64,
    filled: f64,
    at_seconds: f64,
}

impl RateLimiter {
    pub(super) fn new(requests_per_minute_max: u32) -> Self {
        let capacity = f64::from(requests_per_minute_max);
        Self { capacity, filled: capacity, at_seconds: 0.0 }
    }

    /// Takes one request if the wait for it is within `patience`, and says how long to wait; else the wait it would take.
    pub(super) fn take(&mut self, now: Duration, patience: Duration) -> Result<Duration, ChatError> {
        let now = now.as_secs_f64().max(self.at_seconds);
        let refilled = (now - self.at_seconds) * self.capacity / 60.0;
        (self.filled, self.at_seconds) = ((self.filled + refilled).min(self.capacity), now);
        let wait_seconds = ((1.0 - self.filled) * 60.0 / self.capacity).max(0.0);
        if wait_seconds > patience.as_secs_f64() {
            return Err(ChatError::RateLimited(wait_seconds));
        }
        // Below zero while the wait lasts: the next one waits longer.
        self.filled -= 1.0;
        Ok(Duration::from_secs_f64(wait_seconds))
    }
}

/// A circuit breaker: after failures in a row it lets nothing through, then one probe.
#[derive(Debug)]
pub(super) struct CircuitBreaker {
    failures_max: u32,
    pause: Duration,
    failures: u32,
    opened: Option<Duration>,
}

/// What the breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BreakerState {
    /// A question with its retries.
    Closed,
    /// One question, one try. Its outcome decides.
    HalfOpen,
}

impl CircuitBreaker {
    pub(super) fn new(settings: &ChatSettings) -> Self {
        let pause = Duration::from_secs_f64(settings.breaker_pause_seconds);
        Self { failures_max: settings.breaker_failures, pause, failures: 0, opened: None }
    }

    pub(super) fn pass(&self, now: Duration) -> Result<BreakerState, ChatError> {
        match self.opened {
            None => Ok(BreakerState::Closed),
            Some(opened) if now.saturating_sub(opened) >= self.pause => Ok(BreakerState::HalfOpen),
            Some(_) => Err(ChatError::BreakerOpen(self.failures)),
        }
    }

    pub(super) fn succeeded(&mut self) {
        (self.failures, self.opened) = (0, None);
    }

    pub(super) fn failed(&mut self, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.failures_max {
            self.opened = Some(now);
        }
    }
}

/// The cost limit of a run.
#[derive(Debug)]
pub(super) struct TokenBudget {
    max: u64,
    used: Arc<AtomicU64>,
}

impl TokenBudget {
    pub(super) fn new(max: u64, used: Arc<AtomicU64>) -> Self {
        Self { max, used }
    }

    /// Whether a question that may take `wanted` tokens still fits.
    pub(super) fn fits(&self, wanted: u64) -> Result<(), ChatError> {
        let used = self.used.load(Ordering::Relaxed);
        if used.saturating_add(wanted) <= self.max {
            return Ok(());
        }
        Err(ChatError::TokensSpent { used, wanted, max: self.max })
    }

    pub(super) fn add(&self, tokens: u64) {
        let used = self.used.load(Ordering::Relaxed);
        // One thread writes: no update is lost between the load and the store.
        self.used.store(used.saturating_add(tokens), Ordering::Relaxed);
    }
}

/// Exponential backoff with full jitter (M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
///
/// The wait before retry `retry` (from 0): what the server asked for, else anything up to `first * 2^retry`, at most
/// `max`. `None`: the server asks for more patience than there is, so the question fails. `random` is in 0..=1.
pub(super) fn backoff(
    settings: &ChatSettings,
    retry: u32,
    retry_after: Option<Duration>,
    random: f64,
) -> Option<Duration> {
    let max = settings.backoff_seconds_max;
    if let Some(wanted) = retry_after {
        return (wanted.as_secs_f64() <= max).then_some(wanted);
    }
    let ceiling = (settings.backoff_seconds * f64::from(1_u32 << retry.min(16))).min(max);
    Some(Duration::from_secs_f64(ceiling * random.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_rate_limiter_gives_its_fill_at_once_and_then_one_by_one() {
        let mut rate_limiter = RateLimiter::new(2);
        assert_eq!(rate_limiter.take(s(0), s(0)), Ok(s(0)));
        assert_eq!(rate_limiter.take(s(0), s(0)), Ok(s(0)));
        assert_eq!(rate_limiter.take(s(0), s(20)), Err(ChatError::RateLimited(30.0)));
        assert_eq!(rate_limiter.take(s(0), s(30)), Ok(s(30)), "a wait within patience is taken");
        assert_eq!(rate_limiter.take(s(30), s(60)), Ok(s(30)), "and the next one comes after it");
        assert_eq!(rate_limiter.take(s(3600), s(0)), Ok(s(0)));
        assert_eq!(rate_limiter.take(s(0), s(0)), Ok(s(0)), "a clock that goes back fills nothing");
        assert!(rate_limiter.take(s(3600), s(29)).is_err(), "an idle hour fills two, not 120");
    }

    #[test]
    fn the_breaker_opens_after_failures_in_a_row_and_lets_one_probe_through() {
        let settings =
            ChatSettings { breaker_failures: 2, breaker_pause_seconds: 10.0, ..Default::default() };
        let mut breaker = CircuitBreaker::new(&settings);
        breaker.failed(s(0));
        breaker.succeeded();
        breaker.failed(s(1));
        assert_eq!(breaker.pass(s(1)), Ok(BreakerState::Closed), "the success between them broke the row");
        breaker.failed(s(2));
        assert_eq!(breaker.pass(s(11)), Err(ChatError::BreakerOpen(2)));
        assert_eq!(breaker.pass(s(12)), Ok(BreakerState::HalfOpen));
        breaker.failed(s(12));
        assert_eq!(breaker.pass(s(21)), Err(ChatError::BreakerOpen(3)), "a failed probe opens it anew");
        assert_eq!(breaker.pass(s(22)), Ok(BreakerState::HalfOpen));
        breaker.succeeded();
        assert_eq!(breaker.pass(s(22)), Ok(BreakerState::Closed));
    }

    #[test]
    fn the_cost_limit_counts_what_a_question_may_take() {
        let cost = TokenBudget::new(100, Arc::default());
        assert_eq!(cost.fits(100), Ok(()));
        cost.add(40);
        assert_eq!(cost.fits(60), Ok(()));
        assert_eq!(cost.fits(61), Err(ChatError::TokensSpent { used: 40, wanted: 61, max: 100 }));
        cost.add(u64::MAX);
        assert!(cost.fits(0).is_err());
    }

    #[test]
    fn backoff_doubles_up_to_its_limit_and_jitter_takes_any_part() {
        let settings = ChatSettings { backoff_seconds: 1.0, backoff_seconds_max: 5.0, ..Default::default() };
        let ceilings: Vec<_> = (0..4).map(|retry| backoff(&settings, retry, None, 1.0)).collect();
        assert_eq!(ceilings, [Some(s(1)), Some(s(2)), Some(s(4)), Some(s(5))]);
        assert_eq!(backoff(&settings, 3, None, 0.0), Some(s(0)));
        assert_eq!(backoff(&settings, u32::MAX, None, 2.0), Some(s(5)));
    }

    #[test]
    fn retry_after_is_honoured_up_to_the_limit() {
        let settings = ChatSettings { backoff_seconds_max: 5.0, ..Default::default() };
        assert_eq!(backoff(&settings, 0, Some(s(5)), 0.5), Some(s(5)));
        assert_eq!(backoff(&settings, 0, Some(s(6)), 0.5), None);
    }
}
