//! A run from start to summary: folder, input, bridges, simulation, loop.
//!
//! The one place, beside the profiler, that looks at a clock: to pace a run and to say how fast it was. Nothing it
//! reads there reaches a result.

mod between;
mod folder;
mod journal;
pub mod manifest;
mod snapshots;
mod summary;

pub use folder::folder_of;
pub(crate) use journal::copy_log;
pub use snapshots::{Every, SnapshotPlan, SnapshotReport};
pub(crate) use summary::per_second;
pub use summary::{PluginSummary, Summary, SystemSummary, peak_rss_bytes, rss_bytes};

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use between::{Between, Pace, fail_with_journal};
use bevy_app::App;
use corec_core::block::Population;
use corec_core::config::{ConfigError, Scenario, redact_url};
use corec_core::journal::Journal;
use corec_core::populate::PopulateError;
use corec_core::simulation::{Ending, Simulation, SimulationError};
use corec_core::snapshot::{About, Snapshot};
use corec_core::stats::Totals;
use corec_core::store::RunRecord;
use corec_core::trace::Trace;
use corec_core::units::{Epoch, parse_bytes};
use journal::{Place, begin_journal};
use manifest::{Manifest, PluginRecord, Status};
use snapshots::Snapshots;
use summary::summarise;
use thiserror::Error;

use crate::CorecPlugin;
use crate::bus;
use crate::store::{self, StoreWriter};
use crate::telemetry::detection::Windows;
use crate::telemetry::follow::TableInput;
use crate::telemetry::table::{TableError, TableReader};

/// The journal's folder in a run's.
pub const JOURNAL: &str = "journal";

/// Ticks between two recorded digests, unless asked otherwise.
pub const DIGEST_INTERVAL: u64 = 10;

/// What a run is made of.
pub struct RunPlan {
    /// The scenario, with everything a flag changed.
    pub scenario: Scenario,
    /// Ticks to run; none for all rows of the input.
    pub ticks: Option<u64>,
    /// The run's folder; none for the next `runs/NNNN`.
    pub out: Option<PathBuf>,
    /// The plugins that were built into the app, for the manifest.
    pub plugins: Vec<PluginRecord>,
    /// The table to replay.
    pub input: Option<PathBuf>,
    /// Where its anomalies are, as NAB has them.
    pub windows: Option<PathBuf>,
    /// Ticks a second at most; none for as fast as it goes.
    pub tick_rate: Option<f64>,
    /// Where to write which thread ran what and when; none keeps no trace.
    pub profile: Option<PathBuf>,
    /// Which snapshots are made.
    pub snapshots: SnapshotPlan,
    /// The snapshot to go on from, and the folder it was found in.
    pub restore: Option<Snapshot>,
    /// The folder of a run that was killed before its first snapshot, to begin again with its journal.
    pub resume: Option<PathBuf>,
    /// Ticks between two recorded digests; 0 records none.
    pub digest_interval: u64,
    /// Where the journal is; none for `journal` in the run's folder.
    pub journal: Option<PathBuf>,
    /// Where the sequence of the last row that the journal has is written.
    pub ack: Option<PathBuf>,
    /// Whether what the journal has committed also survives a loss of power.
    pub journal_sync: bool,
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
        let ticks = scenario.telemetry.is_none().then_some(scenario.ticks);
        Self {
            scenario,
            ticks,
            out: None,
            plugins: Vec::new(),
            input: None,
            windows: None,
            tick_rate: None,
            profile: None,
            snapshots: SnapshotPlan::default(),
            restore: None,
            resume: None,
            digest_interval: DIGEST_INTERVAL,
            journal: None,
            ack: None,
            journal_sync: false,
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
}

impl RunError {
    /// The exit status that tells of it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
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
    /// Ticks done by this process.
    pub ticks: u64,
    /// Ticks to do, where that is known.
    pub of: Option<u64>,
    /// Seconds since the first tick began.
    pub seconds: f64,
}

/// Runs a scenario with what `app` has been given: plugins, kinds, systems.
///
/// `signal` ends the run after the tick in hand once it is not 0; `progress` is called at most every 100 ms, on a
/// thread of the pool. The summary also tells of a run that failed on its way.
///
/// # Errors
/// Only what kept the run from starting.
pub fn run(
    app: App,
    plan: RunPlan,
    signal: &AtomicUsize,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Summary, RunError> {
    let (mut run, mut between) = start(app, plan)?;
    let ran = run.simulation.run_while(|world| between.look(world, signal, progress));
    Ok(run.end(between, ran, signal.load(Ordering::Relaxed)))
}

/// A run that has been started.
struct Started {
    simulation: Simulation,
    manifest: Manifest,
    store: String,
    out: PathBuf,
    profile: Option<(PathBuf, fs::File, Trace)>,
    restored_at: Option<u64>,
    first_updates: u64,
}

fn start(mut app: App, plan: RunPlan) -> Result<(Started, Between), RunError> {
    let RunPlan {
        mut scenario,
        ticks,
        out,
        plugins,
        input,
        windows,
        tick_rate,
        profile,
        snapshots,
        restore,
        started,
        ..
    } = plan;
    let table = open_table(&mut scenario, input.as_deref(), windows.as_deref())?;
    if plan.ack.is_some() && table.as_ref().is_some_and(|table| !table.has_sequence()) {
        let message = "--ack: the table has no column 'sequence', must have one that numbers its rows";
        return Err(RunError::Usage(message.into()));
    }
    let bus = bus::open(&scenario.bus).map_err(RunError::Usage)?;
    store::parse(&scenario.store).map_err(|e| RunError::Usage(e.to_string()))?;
    if !app.is_plugin_added::<CorecPlugin>() {
        app.add_plugins(CorecPlugin);
    }
    if let Some(table) = table {
        app.insert_resource(table);
    }
    app.insert_resource(corec_core::bus::RunBus(bus));
    let of = match &input {
        Some(_) => ticks,
        None => Some(ticks.unwrap_or(scenario.ticks)),
    };
    let record = record(&scenario);
    let snapshot_memory_max = parse_bytes(&scenario.snapshot_memory_max).unwrap_or(0);
    let mut manifest = Manifest::new(&scenario, plan.scenario_given, &record.settings);
    manifest.plugins = plugins;
    let store_url = scenario.store.clone();
    let simulation = match &restore {
        None => Simulation::new(app, scenario),
        Some(snapshot) => Simulation::restore(app, scenario, snapshot),
    };
    let mut simulation = simulation.map_err(refusal)?;
    let entities = simulation.world().resource::<Population>().live();

    let source = plan.resume.or_else(|| restore.as_ref().and_then(folder_of));
    let (out, continues) = match (&out, &source) {
        (None, Some(folder)) => (folder.clone(), true),
        _ => (folder::make(out)?, false),
    };
    let store = store::open(&store_url, &out).map_err(|e| RunError::Usage(e.to_string()))?;
    let writer = StoreWriter::start(store, &RunRecord { entities, continues, ..record });
    simulation.world_mut().insert_resource(writer.map_err(|e| RunError::Failed(e.to_string()))?);

    // Opened before the first tick: a run should not end with its profile lost for want of a folder.
    let profile = profile.map(|path| open_profile(&path).map(|file| (path, file))).transpose()?;
    let profile = profile.map(|(path, file)| (path, file, simulation.record_trace()));

    let place = Place {
        folder: plan.journal.clone().unwrap_or_else(|| out.join(JOURNAL)),
        source: source.map(|source| plan.journal.unwrap_or_else(|| source.join(JOURNAL))),
        sequence: restore.as_ref().map_or(0, |snapshot| snapshot.head().journal_sequence),
        sync: plan.journal_sync,
    };
    manifest.digests = begin_journal(simulation.world_mut(), &place)?;
    if let Some(mut table) = simulation.world_mut().get_resource_mut::<TableInput>() {
        (table.ack, table.kill_in) = (plan.ack, plan.kill_in);
    }

    let world = simulation.world();
    let about = About {
        run: out.display().to_string(),
        scenario: manifest.settings.to_string(),
        journal_sequence: 0,
    };
    let snapshots = Snapshots::new(&snapshots, out.join("snapshots"), about, world, snapshot_memory_max)
        .map_err(|e| RunError::Failed(format!("the thread for snapshots could not start: {e}")))?;
    (manifest.threads, manifest.epoch, manifest.input) =
        (simulation.threads(), world.resource::<Epoch>().0, input);
    manifest.restored_from = restore.as_ref().map(|snapshot| snapshot.path().to_path_buf());
    let start = now();
    manifest.startup_seconds = (start - started).as_secs_f64();
    manifest
        .write(&out)
        .map_err(|e| RunError::Failed(format!("{}: {e}", out.join(manifest::FILE).display())))?;

    let between = Between {
        of,
        first_tick: simulation.tick(),
        pace: Pace { start, told: start, tick_rate },
        snapshots,
        digest_interval: plan.digest_interval,
        kill_at: plan.kill_at,
        digests: std::mem::take(&mut manifest.digests),
    };
    let restored_at = restore.map(|snapshot| snapshot.head().tick);
    let first_updates = simulation.world().resource::<Totals>().entity_updates;
    Ok((
        Started { simulation, manifest, store: store_url, out, profile, restored_at, first_updates },
        between,
    ))
}

impl Started {
    /// Closes everything, and says what became of the run.
    fn end(mut self, mut between: Between, ran: Result<(), SimulationError>, signal: usize) -> Summary {
        let is_sound = ran.is_ok();
        self.simulation.in_pool_mut(|world| {
            // The last tick may have ended the run by itself. A failed one may have left no rows to digest.
            if is_sound {
                between.note_digest(world, true);
            }
            world.resource_mut::<Journal>().commit();
            fail_with_journal(world);
        });
        let ended = self.simulation.world().resource::<Ending>().failure.clone();
        let (is_sound, is_interrupted) = (is_sound && ended.is_none(), signal != 0);
        let Between { snapshots, digests, first_tick, pace, .. } = between;
        let snapshots =
            self.simulation.in_pool(|world| snapshots.finish(is_sound.then_some(world), is_interrupted));
        // Of the state that the ticks have made: what plugins put away in Shutdown is not part of it.
        let digest = self.simulation.check().is_ok().then(|| self.simulation.digest().to_string());
        let closed = self.simulation.shut_down();
        let seconds = pace.start.elapsed().as_secs_f64();
        let traced = self.profile.take().map_or(Ok(()), write_profile);
        let unsaved = snapshots.error.clone().filter(|_| is_interrupted);
        let error = ran.err().or(closed.err()).map(|e| e.to_string()).or(ended).or(traced.err()).or(unsaved);
        let mut summary = summarise(&mut self.simulation, seconds, self.manifest.startup_seconds);
        summary.state_digest = digest;
        summary.ticks = summary.tick - first_tick;
        summary.ticks_per_second = per_second(summary.ticks, seconds);
        summary.entity_updates_per_second = per_second(summary.entity_updates - self.first_updates, seconds);
        for plugin in &mut summary.plugins {
            plugin.ms_per_tick /= summary.ticks.max(1) as f64;
        }
        warn_of_budgets(&summary.plugins);
        (summary.restored_at, summary.snapshots) = (self.restored_at, snapshots);
        (summary.scenario, summary.seed) = (self.manifest.scenario.clone(), self.manifest.seed);
        (summary.store, summary.out) = (redact_url(&self.store), self.out.clone());
        (summary.error, summary.interrupted_by) = (error, Some(signal).filter(|signal| *signal != 0));

        self.manifest.status = match (&summary.error, summary.interrupted_by) {
            (Some(_), _) => Status::Failed,
            (None, Some(_)) => Status::Interrupted,
            (None, None) => Status::Done,
        };
        (self.manifest.tick, self.manifest.seconds, self.manifest.digests) = (summary.tick, seconds, digests);
        let json = serde_json::to_vec_pretty(&summary).expect("a summary is text and numbers");
        let written =
            fs::write(self.out.join("summary.json"), json).and_then(|()| self.manifest.write(&self.out));
        if let Err(e) = written {
            summary.error.get_or_insert(format!("{}: {e}", self.out.display()));
        }
        summary
    }
}

/// Says which plugins took more time than their configs allow.
fn warn_of_budgets(plugins: &[PluginSummary]) {
    for PluginSummary { name, ms_per_tick, budget_ms, .. } in plugins {
        if let Some(budget) = budget_ms.filter(|budget| ms_per_tick > budget) {
            tracing::warn!("plugin '{name}' took {ms_per_tick:.3} ms a tick, its budget_ms is {budget}");
        }
    }
}

fn write_profile((path, file, trace): (PathBuf, fs::File, Trace)) -> Result<(), String> {
    if trace.left_out() > 0 {
        tracing::warn!("{}: {} spans at the end were left out", path.display(), trace.left_out());
    }
    trace.write(io::BufWriter::new(file)).map_err(|e| format!("{}: {e}", path.display()))
}

/// Opens the table of a telemetry scenario and gives its twins their number.
pub(crate) fn open_table(
    scenario: &mut Scenario,
    input: Option<&Path>,
    windows: Option<&Path>,
) -> Result<Option<TableInput>, RunError> {
    let usage = |text: String| Err(RunError::Usage(text));
    match (&scenario.telemetry, input) {
        (None, Some(_)) => {
            return usage(format!(
                "--input: scenario '{}' takes no table: corec run telemetry --input FILE.csv",
                scenario.name
            ));
        }
        (Some(_), None) => {
            return usage(
                "--input: missing, must be a table: corec run telemetry --input FILE.csv[.gz]".into(),
            );
        }
        (None, None) if windows.is_some() => return usage("--windows: needs --input FILE.csv[.gz]".into()),
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {}
    }
    let path = input.unwrap_or(Path::new(""));
    let table = TableReader::open(path).map_err(|e: TableError| RunError::Usage(e.to_string()))?;
    let windows = match windows {
        Some(_) if !table.has_time() => {
            return usage(format!("--windows: {} has no time column to find windows by", path.display()));
        }
        Some(file) => Some(Windows::load(file, path).map_err(RunError::Usage)?),
        None => None,
    };
    for group in scenario.blocks.iter_mut().filter(|g| g.kind == "twin") {
        group.entities = table.width() as u64 * u64::from(group.replicas);
    }
    if let Some(group) = scenario.blocks.iter().find(|g| g.entities == 0) {
        return usage(format!(
            "{}: group '{}': found 0 entities, must be at least 1",
            scenario.name, group.id
        ));
    }
    Ok(Some(TableInput::new(table, windows)))
}

/// What a simulation refuses before it starts is the user's to change, but for what the machine lacks.
pub(crate) fn refusal(error: SimulationError) -> RunError {
    match error {
        SimulationError::Populate(PopulateError::Kind(_)) => RunError::Failed(error.to_string()),
        SimulationError::Config(_)
        | SimulationError::Populate(_)
        | SimulationError::Memory { .. }
        | SimulationError::Threads { .. } => RunError::Usage(error.to_string()),
        other => RunError::Failed(other.to_string()),
    }
}

fn open_profile(path: &Path) -> Result<fs::File, RunError> {
    fs::File::create(path).map_err(|e| RunError::Usage(format!("--profile: {}: {e}", path.display())))
}

fn record(scenario: &Scenario) -> RunRecord {
    let shown =
        Scenario { bus: redact_url(&scenario.bus), store: redact_url(&scenario.store), ..scenario.clone() };
    RunRecord {
        scenario: scenario.name.clone(),
        instance: scenario.instance_id.clone(),
        seed: scenario.seed,
        entities: 0,
        settings: serde_json::to_string(&shown).expect("a scenario is text and numbers"),
        continues: false,
    }
}

#[expect(clippy::disallowed_methods, reason = "the run loop paces and times itself; no result depends on it")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
