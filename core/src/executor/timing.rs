//! Timing: counts how often and how long each system runs.
//!
//! A call of a very short system costs less than two readings of the clock: then one call in so many is timed, and stands for the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use crate::phase::{Owner, Phase};
use crate::team;
use crate::trace::{SpanLabel, Trace, now};

/// How often and how long a system ran.
#[derive(Clone, Debug, PartialEq)]
pub struct SystemTiming {
    /// The system's function, without the paths of the engine's own crates.
    pub name: String,
    /// Its phase, or the schedule it is in.
    pub phase: String,
    /// Who it belongs to; none for a plain Bevy plugin's.
    pub owner: Option<Owner>,
    /// Times it ran.
    pub calls: u64,
    /// Seconds it ran, all calls together. Systems may overlap. Reckoned from every 64th call where a run of systems takes less
    /// than 50 us in all.
    pub seconds: f64,
}

impl SystemTiming {
    /// Whether all it does is to run other schedules, whose systems are timed themselves.
    pub fn runs_others(&self) -> bool {
        ["::run_main", "::run_fixed_main", "::run_fixed_main_schedule"]
            .iter()
            .any(|end| self.name.ends_with(end))
    }
}

/// A system that is running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The system's function.
    pub system: String,
    /// The number of the team's thread that it is on.
    pub thread: usize,
}

/// A thread that has nothing to run. A system's time is from there to its end: what is between two small systems is no more than a
/// reading of the clock would be.
#[derive(Clone, Copy)]
pub(super) struct IdleSince {
    thread: usize,
    since: Instant,
}

impl IdleSince {
    /// The thread's number.
    pub fn thread(self) -> usize {
        self.thread
    }

    /// Nanoseconds since another moment of the same thread.
    pub fn nanoseconds_since(self, start: Self) -> u64 {
        self.since.duration_since(start.since).as_nanos() as u64
    }

    /// This thread, now.
    pub fn now() -> Self {
        Self { thread: team::number(), since: now() }
    }
}

/// Short systems are timed in every so many calls: to read the clock takes longer than many of them.
pub(super) const TIME_EVERY: u64 = 64;

/// A system's counters, written by the executor.
pub(super) struct TimingCell {
    pub name: Arc<str>,
    phase: Arc<str>,
    owner: Option<Owner>,
    calls: AtomicU64,
    /// Calls up to the last that was timed: of very short systems not each is.
    reckoned: AtomicU64,
    /// Of those calls: one that was timed stands for those before it.
    nanoseconds: AtomicU64,
    /// The thread that it is running on, counted from 1; 0 while it is not.
    thread: AtomicUsize,
}

impl TimingCell {
    pub fn new(name: String, phase: Option<Phase>, schedule: &str, owner: Option<Owner>) -> Self {
        let phase = phase.map_or(schedule, |phase| phase.name()).into();
        Self {
            name: name.into(),
            phase,
            owner,
            calls: AtomicU64::new(0),
            reckoned: AtomicU64::new(0),
            nanoseconds: AtomicU64::new(0),
            thread: AtomicUsize::new(0),
        }
    }

    /// Calls `f`, and counts the call.
    pub fn count<R>(&self, thread: usize, f: impl FnOnce() -> R) -> R {
        self.thread.store(thread + 1, Ordering::Relaxed);
        let result = f();
        self.thread.store(0, Ordering::Relaxed);
        // A system is called by one thread at a time: others only read.
        self.calls.store(self.calls.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        result
    }

    /// Times the call that was counted last and began at `start`, for itself and for those before it that were not timed, and shows it to
    /// the trace if there is one. Gives from when on the thread is idle again.
    pub fn time(&self, trace: Option<&Trace>, start: IdleSince) -> IdleSince {
        let end = now();
        let calls = self.calls.load(Ordering::Relaxed);
        let stands_for = calls - self.reckoned.load(Ordering::Relaxed);
        self.reckoned.store(calls, Ordering::Relaxed);
        let nanoseconds = end.duration_since(start.since).as_nanos() as u64 * stands_for;
        self.nanoseconds.store(self.nanoseconds.load(Ordering::Relaxed) + nanoseconds, Ordering::Relaxed);
        if let Some(trace) = trace {
            trace.add(
                || SpanLabel::System(Arc::clone(&self.name), Arc::clone(&self.phase)),
                start.since,
                end,
            );
        }
        IdleSince { since: end, ..start }
    }

    /// A cell for the same system in a schedule that was built anew.
    pub fn carried_over(&self) -> Self {
        let counter = |from: &AtomicU64| AtomicU64::new(from.load(Ordering::Relaxed));
        let [calls, reckoned, nanoseconds] = [&self.calls, &self.reckoned, &self.nanoseconds].map(counter);
        Self {
            name: Arc::clone(&self.name),
            phase: Arc::clone(&self.phase),
            owner: self.owner,
            calls,
            reckoned,
            nanoseconds,
            thread: AtomicUsize::new(0),
        }
    }

    /// Whether the next call is one of those that are timed in any case.
    pub fn is_due(&self) -> bool {
        self.calls.load(Ordering::Relaxed).is_multiple_of(TIME_EVERY)
    }

    /// Nanoseconds of all calls so far; none before the first.
    pub fn nanoseconds(&self) -> Option<u64> {
        let is_any = self.calls.load(Ordering::Relaxed) > 0;
        is_any.then(|| self.nanoseconds.load(Ordering::Relaxed))
    }

    /// Whether it is running just now, and where.
    pub fn running(&self) -> Option<Running> {
        let thread = self.thread.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Running { system: self.name.to_string(), thread })
    }

    /// What it has counted so far.
    pub fn timing(&self) -> SystemTiming {
        SystemTiming {
            name: self.name.to_string(),
            phase: self.phase.to_string(),
            owner: self.owner,
            calls: self.calls.load(Ordering::Relaxed),
            seconds: self.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_timed_stands_for_those_before_it_that_are_not() {
        let cell = TimingCell::new("s".into(), None, "Update", None);
        for call in 1..=20u64 {
            let start = IdleSince::now();
            cell.count(0, || std::thread::sleep(std::time::Duration::from_millis(2)));
            if call.is_multiple_of(10) {
                cell.time(None, start);
            }
        }
        let timing = cell.timing();
        assert_eq!(timing.calls, 20);
        assert!(timing.seconds >= 0.04, "20 calls of 2 ms and more: {} s", timing.seconds);
        assert_eq!(cell.running(), None);
    }
}
