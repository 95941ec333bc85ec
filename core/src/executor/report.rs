//! What systems did: how often and how long each ran, and which failed.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use bevy_ecs::component::ComponentId;
use bevy_ecs::query::InvertibleComponentIdSet;
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemAccess;

use crate::phase::{Owner, Phase};
use crate::team;
use crate::trace::{SpanLabel, Trace, now};

/// The reports of all schedules of a run. Clones share one list.
#[derive(Resource, Clone, Default)]
pub struct Reports(Arc<Inner>);

#[derive(Default)]
struct Inner {
    schedules: Mutex<Vec<Arc<Mutex<ScheduleReport>>>>,
    failures: Mutex<Vec<Failure>>,
    stopped: Mutex<BTreeSet<&'static str>>,
    /// How many have been stopped: rises with `stopped`.
    stops: AtomicUsize,
    max_failures: AtomicU64,
    trace: OnceLock<Trace>,
}

/// What is told of one schedule. Never locked while it runs: a system may ask for it.
#[derive(Default)]
pub(super) struct ScheduleReport {
    pub timings: Arc<[TimingCell]>,
    pub ambiguities: Vec<Ambiguity>,
    /// Systems that would write the tick.
    pub tick_writers: Vec<String>,
    /// What each system can write and read.
    pub touched: Vec<Touched>,
}

/// What a system can write and read, resources and columns alike.
#[derive(Clone)]
pub(crate) struct Touched {
    pub system: Arc<str>,
    pub owner: Option<Owner>,
    /// None for all there is.
    pub writes: Option<BTreeSet<ComponentId>>,
    /// What it reads or writes, as far as it names it.
    pub uses: BTreeSet<ComponentId>,
}

impl Touched {
    pub fn of(system: Arc<str>, owner: Option<Owner>, access: &SystemAccess) -> Self {
        let (writes, uses) = match access {
            SystemAccess::None => (Some(BTreeSet::new()), BTreeSet::new()),
            SystemAccess::Exclusive => (None, BTreeSet::new()),
            SystemAccess::Shared(access) => {
                let access = access.combined_access();
                let ids = |of: &InvertibleComponentIdSet| -> Option<BTreeSet<ComponentId>> {
                    of.as_finite_set().map(|ids| ids.iter().collect())
                };
                let (reads, writes) = (ids(access.reads()), ids(access.writes()));
                let uses = reads.into_iter().flatten().chain(writes.iter().flatten().copied()).collect();
                (writes, uses)
            }
        };
        Self { system, owner, writes, uses }
    }
}

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

/// A system that is running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The system's function.
    pub system: String,
    /// The number of the team's thread that it is on.
    pub thread: usize,
}

/// A system that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The system's function.
    pub system: String,
    /// Who it belongs to; none for a plain Bevy plugin's.
    pub owner: Option<Owner>,
    /// How it failed.
    pub kind: FailureKind,
    /// What it said.
    pub message: String,
    /// Whether it will not run again.
    pub stopped: bool,
    /// Whether it can write what others read: rows of a kind or a resource that is not its plugin's.
    pub writes: bool,
}

/// How a system failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It returned an error.
    Error,
    /// It panicked.
    Panic,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.kind {
            FailureKind::Error => "returned an error",
            FailureKind::Panic => "panicked",
        };
        write!(f, "system '{}' {how}: {}", self.system, self.message)
    }
}

/// Two systems of one owner that conflict and have no declared order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguity {
    /// The schedule they are in.
    pub schedule: String,
    /// One system.
    pub first: String,
    /// The other.
    pub second: String,
    /// What both access, at least one of them writing.
    pub shared: String,
    /// Whether it is an error; between systems of plain Bevy plugins it is a warning, and the order is that of adding.
    pub is_error: bool,
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schedule, first, second, shared, .. } = self;
        write!(
            f,
            "{schedule}: systems '{first}' and '{second}' both use {shared} and have no declared order: add .before() or .after(), or \
             .ambiguous_with_all() where it does not matter (.ambiguous_with(set) is not seen by this check)"
        )
    }
}

impl Reports {
    /// Stops a system at its `n`-th error.
    pub fn set_max_failures(&self, n: u32) {
        self.0.max_failures.store(n.into(), Ordering::Relaxed);
    }

    /// Stops all systems of a plugin from the next run of their schedules on.
    pub fn stop(&self, plugin: &'static str) {
        if lock(&self.0.stopped).insert(plugin) {
            self.0.stops.fetch_add(1, Ordering::Release);
        }
    }

    /// The plugins that were stopped.
    pub fn stopped(&self) -> BTreeSet<&'static str> {
        lock(&self.0.stopped).clone()
    }

    /// How many plugins have been stopped.
    pub(super) fn stops(&self) -> usize {
        self.0.stops.load(Ordering::Acquire)
    }

    /// The failures since the last call, ordered by system.
    pub fn take_failures(&self) -> Vec<Failure> {
        let mut failures = std::mem::take(&mut *lock(&self.0.failures));
        failures.sort_by(|a, b| a.system.cmp(&b.system));
        failures
    }

    /// Every system's timing, schedule by schedule, in the order they run.
    pub fn timings(&self) -> Vec<SystemTiming> {
        let schedules = lock(&self.0.schedules).clone();
        let timings = schedules.iter().map(|report| Arc::clone(&lock(report).timings));
        timings.flat_map(|cells| cells.iter().map(TimingCell::timing).collect::<Vec<_>>()).collect()
    }

    /// The systems that run just now. For any thread.
    pub fn running(&self) -> Vec<Running> {
        let schedules = lock(&self.0.schedules).clone();
        let timings = schedules.iter().map(|report| Arc::clone(&lock(report).timings));
        timings.flat_map(|cells| cells.iter().filter_map(TimingCell::running).collect::<Vec<_>>()).collect()
    }

    /// Pairs of systems of one owner that conflict and have no declared order.
    pub fn ambiguities(&self) -> Vec<Ambiguity> {
        let schedules = lock(&self.0.schedules).clone();
        schedules.iter().flat_map(|report| lock(report).ambiguities.clone()).collect()
    }

    /// Systems that would write the tick, which is the engine's.
    pub fn tick_writers(&self) -> Vec<String> {
        let schedules = lock(&self.0.schedules).clone();
        schedules.iter().flat_map(|report| lock(report).tick_writers.clone()).collect()
    }

    /// What every system can write and read.
    pub(crate) fn touched(&self) -> Vec<Touched> {
        let schedules = lock(&self.0.schedules).clone();
        schedules.iter().flat_map(|report| lock(report).touched.clone()).collect()
    }

    /// Keeps when each system runs, from now on; the first trace stays.
    pub fn set_trace(&self, trace: Trace) {
        _ = self.0.trace.set(trace);
    }

    pub(super) fn trace(&self) -> Option<&Trace> {
        self.0.trace.get()
    }

    pub(super) fn add_schedule(&self) -> Arc<Mutex<ScheduleReport>> {
        let report = Arc::default();
        lock(&self.0.schedules).push(Arc::clone(&report));
        report
    }

    pub(super) fn add_failure(&self, failure: Failure) {
        lock(&self.0.failures).push(failure);
    }

    pub(super) fn max_failures(&self) -> u64 {
        self.0.max_failures.load(Ordering::Relaxed).max(1)
    }
}

/// Locks, whatever happened to another holder: the data behind these locks is whole between any two statements.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A thread that has nothing to run. A system's time is from there to its end: what is between two small systems is no more than a
/// reading of the clock would be.
#[derive(Clone, Copy)]
pub(super) struct Free {
    thread: usize,
    since: Instant,
}

impl Free {
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
    /// the trace if there is one. Gives from when on the thread is free again.
    pub fn time(&self, trace: Option<&Trace>, start: Free) -> Free {
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
        Free { since: end, ..start }
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

    fn running(&self) -> Option<Running> {
        let thread = self.thread.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Running { system: self.name.to_string(), thread })
    }

    fn timing(&self) -> SystemTiming {
        SystemTiming {
            name: self.name.to_string(),
            phase: self.phase.to_string(),
            owner: self.owner,
            calls: self.calls.load(Ordering::Relaxed),
            seconds: self.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9,
        }
    }
}

/// A system's name as a person would say it: without the engine's crates and without a module named as the function.
pub(super) fn display_name(path: &str) -> String {
    let path =
        path.strip_prefix("corec_systems::").or_else(|| path.strip_prefix("corec_core::")).unwrap_or(path);
    match path.rsplit_once("::") {
        Some((module, function)) if module == function => function.to_string(),
        _ => path.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_timed_stands_for_those_before_it_that_are_not() {
        let cell = TimingCell::new("s".into(), None, "Update", None);
        for call in 1..=20u64 {
            let start = Free::now();
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
