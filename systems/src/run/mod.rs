//! A run from start to summary: what it is made of, and its loop.
//!
//! The one place, beside the profiler, that looks at a clock: to pace a run and to say how fast it was. Nothing it
//! reads there reaches a result.

pub mod manifest;
pub mod options;

mod folder;
mod input;
mod journal;
mod snapshots;
mod start;

mod between;
mod end;
mod summary;
mod watchdog;

pub use crate::stop::Stop;
pub use crate::telemetry::feed::InputChanged;
pub use options::Options;
pub use snapshots::{Every, SnapshotReport};
pub(crate) use start::new_id;
pub(crate) use summary::per_second;
pub use summary::{PluginSummary, Summary, SystemSummary, peak_rss_bytes, rss_bytes};

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bevy_app::App;
use corec_core::config::{ConfigError, Scenario};
use corec_core::executor::Reports;
use corec_core::populate::PopulateError;
use corec_core::simulation::SimulationError;
use corec_core::units::Tick;
use manifest::PluginRecord;
use thiserror::Error;
use watchdog::Watchdog;

use crate::recorded::GoOn;

/// The journal's folder in a run's.
pub const JOURNAL: &str = "journal";
/// The snapshots' folder in a run's.
pub const SNAPSHOTS: &str = "snapshots";
/// The summary's file in a run's folder.
pub const SUMMARY: &str = "summary.json";

/// Ticks between two recorded digests, unless asked otherwise.
pub const DIGEST_INTERVAL: u64 = 10;

/// What a run is made of.
pub struct RunPlan {
    /// The scenario, with everything a flag changed.
    pub scenario: Scenario,
    /// What else was asked for. What it leaves open is as the run that is gone on with had it.
    pub options: Options,
    /// The run's folder; none for the next `runs/NNNN`.
    pub out: Option<PathBuf>,
    /// The plugins that were built into the app, for the manifest.
    pub plugins: Vec<PluginRecord>,
    /// The table to replay.
    pub input: Option<PathBuf>,
    /// What to do if the table is not as it was.
    pub input_changed: InputChanged,
    /// Whether rows come from the journal alone, for `corec verify --kill`.
    pub is_input_recorded: bool,
    /// Where to write which thread ran what and when; none keeps no trace.
    pub profile: Option<PathBuf>,
    /// What to go on from.
    pub restore: Option<GoOn>,
    /// Kills the process before this tick, with no time for anything: what `corec verify --kill` survives.
    pub kill_at: Option<u64>,
    /// As `kill_at`, within this tick: its row is in the journal and not applied yet.
    pub kill_in: Option<u64>,
    /// The scenario as it was given, for the manifest.
    pub scenario_given: serde_json::Value,
    /// When the process started.
    pub started: Instant,
}

impl RunPlan {
    /// A scenario as it is, in the next folder, as fast as it goes.
    pub fn new(scenario: Scenario, started: Instant) -> Self {
        Self {
            scenario,
            options: Options::default(),
            out: None,
            plugins: Vec::new(),
            input: None,
            input_changed: InputChanged::default(),
            is_input_recorded: false,
            profile: None,
            restore: None,
            kill_at: None,
            kill_in: None,
            scenario_given: serde_json::Value::Null,
            started,
        }
    }
}

/// Why a run could not start or end well.
#[derive(Debug, Error)]
pub enum RunError {
    /// Bad usage or configuration: nothing has run.
    #[error("{0}")]
    Usage(String),
    /// The run failed.
    #[error("{0}")]
    Failed(String),
    /// A signal came before there was anything to end well.
    #[error("interrupted by signal {0}")]
    Interrupted(usize),
}

impl RunError {
    /// The exit status that tells of it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
            // A shell's convention.
            Self::Interrupted(signal) => 128u8.saturating_add(*signal as u8),
        }
    }
}

impl From<ConfigError> for RunError {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Finished ticks of the run.
    pub ticks: u64,
    /// Those of this process.
    pub ticks_here: u64,
    /// Ticks to do, where that is known.
    pub of: Option<u64>,
    /// Seconds since the first tick began.
    pub seconds: f64,
}

/// Runs a scenario with what `app` has been given: plugins, kinds, systems.
///
/// `stop` ends the run after the tick in hand once it is set; `progress` is called at most every 100 ms, on a
/// thread of the pool. The summary also tells of a run that failed on its way.
///
/// # Errors
/// Only what kept the run from starting. Nothing is left of it then, and nothing else was changed.
pub fn run(
    app: App,
    plan: RunPlan,
    stop: &Stop,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Summary, RunError> {
    let tick_max = Duration::from_secs_f64(plan.scenario.tick_seconds_max);
    let (mut run, mut between) = start::start(app, plan, stop)?;
    let reports = run.simulation.world().resource::<Reports>().clone();
    // A run that nobody watches is a run still.
    let watchdog = Watchdog::start(reports, stop.clone(), tick_max)
        .inspect_err(|e| tracing::warn!("no watchdog, its thread could not start: {e}"))
        .ok();
    let beat = |tick| _ = watchdog.as_ref().map(|watchdog| watchdog.beat(tick));
    let ran = run.simulation.run_while(|world| {
        beat(None);
        let go_on = between.look(world, stop, progress);
        beat(Some(world.resource::<Tick>().0));
        go_on
    });
    drop(watchdog);
    Ok(run.end(between, ran, stop.signal()))
}

/// What a simulation refuses before it starts is the user's to change, but for what the machine lacks.
pub(crate) fn refusal(error: SimulationError) -> RunError {
    match error {
        SimulationError::Populate(PopulateError::Kind(_)) => RunError::Failed(error.to_string()),
        SimulationError::Config(_)
        | SimulationError::Populate(_)
        | SimulationError::Memory { .. }
        | SimulationError::NonSend(_)
        | SimulationError::Threads { .. } => RunError::Usage(error.to_string()),
        other => RunError::Failed(other.to_string()),
    }
}

#[expect(clippy::disallowed_methods, reason = "the run loop paces and times itself; no result depends on it")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
