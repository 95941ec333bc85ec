//! The report: tells what each system can touch, how long it ran, and which of them failed or have no declared order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use bevy_ecs::component::ComponentId;
use bevy_ecs::query::InvertibleComponentIdSet;
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemAccess;

use super::timing::{Running, SystemTiming, TimingCell};
use crate::phase::Owner;
use crate::trace::Trace;

/// The reports of all schedules of a run. Clones share one list.
#[derive(Resource, Clone, Default)]
pub struct Reports(Arc<Inner>);

#[derive(Default)]
struct Inner {
    schedules: Mutex<Vec<Arc<Mutex<ScheduleReport>>>>,
    failures: Mutex<Vec<Failure>>,
    stopped: Mutex<BTreeSet<&'static str>>,
    paused: Mutex<BTreeSet<&'static str>>,
    /// Rises whenever `stopped` or `paused` changes.
    holds: AtomicUsize,
    errors: Mutex<BTreeMap<&'static str, PluginErrors>>,
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

/// The failures of a plugin's systems.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginErrors {
    /// How many.
    pub count: u64,
    /// The last one, for people.
    pub last: String,
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
            self.0.holds.fetch_add(1, Ordering::Release);
        }
    }

    /// The plugins that were stopped.
    pub fn stopped(&self) -> BTreeSet<&'static str> {
        lock(&self.0.stopped).clone()
    }

    /// Holds the systems of these plugins, and of no others, from the next run of their schedules on.
    pub fn set_paused(&self, plugins: BTreeSet<&'static str>) {
        let mut paused = lock(&self.0.paused);
        if *paused != plugins {
            *paused = plugins;
            self.0.holds.fetch_add(1, Ordering::Release);
        }
    }

    /// The plugins that are paused.
    pub fn paused(&self) -> BTreeSet<&'static str> {
        lock(&self.0.paused).clone()
    }

    /// How often what is stopped or paused has changed.
    pub(super) fn holds(&self) -> usize {
        self.0.holds.load(Ordering::Acquire)
    }

    /// The failures since the last call, ordered by system.
    pub fn take_failures(&self) -> Vec<Failure> {
        let mut failures = std::mem::take(&mut *lock(&self.0.failures));
        failures.sort_by(|a, b| a.system.cmp(&b.system));
        for failure in &failures {
            let Some(Owner::Plugin(plugin)) = failure.owner else { continue };
            let mut errors = lock(&self.0.errors);
            let of_plugin = errors.entry(plugin).or_default();
            (of_plugin.count, of_plugin.last) = (of_plugin.count + 1, failure.to_string());
        }
        failures
    }

    /// The failures of each plugin that has had any in this process, as far as they were taken.
    pub fn errors(&self) -> BTreeMap<&'static str, PluginErrors> {
        lock(&self.0.errors).clone()
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

/// Crates whose names say nothing of a system.
const OWN_CRATES: [&str; 6] =
    ["corec_api", "corec_bridges", "corec_core", "corec_dynamics", "corec_run", "corec_telemetry"];

/// A system's name as a person would say it: without the engine's crates and without a module named as the function.
pub(super) fn display_name(path: &str) -> String {
    let (owner, rest) = path.split_once("::").unwrap_or(("", path));
    let path = if OWN_CRATES.contains(&owner) { rest } else { path };
    match path.rsplit_once("::") {
        Some((module, function)) if module == function => function.to_string(),
        _ => path.to_string(),
    }
}
