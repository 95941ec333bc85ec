//! A run from start to summary: folder, input, bridges, simulation, loop.
//!
//! The one place, beside the profiler, that looks at a clock: to pace a run and to say how fast it was. Nothing it
//! reads there reaches a result.

mod between;
mod folder;
mod journal;
pub mod manifest;
pub mod options;
mod snapshots;
mod summary;

pub use crate::stop::Stop;
pub use crate::telemetry::feed::InputChanged;
pub(crate) use journal::copy_log;
pub use options::Options;
pub use snapshots::{Every, SnapshotReport};
pub(crate) use summary::per_second;
pub use summary::{PluginSummary, Summary, SystemSummary, peak_rss_bytes, rss_bytes};

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use between::{Between, Pace, fail_with_journal};
use bevy_app::App;
use corec_core::block::Population;
use corec_core::config::{ConfigError, Scenario, redact_url};
use corec_core::journal::{Input, Inputs, Journal, LogError};
use corec_core::populate::PopulateError;
use corec_core::simulation::{Ending, Simulation, SimulationError};
use corec_core::snapshot::About;
use corec_core::stats::Totals;
use corec_core::store::RunRecord;
use corec_core::trace::Trace;
use corec_core::units::{Epoch, RunId, parse_bytes};
use folder::RunFolder;
use journal::{Place, begin_journal};
use manifest::{Manifest, PluginRecord, Status};
use options::absolute;
use snapshots::Snapshots;
use summary::summarise;
use thiserror::Error;

use crate::CorecPlugin;
use crate::bus;
use crate::lock::Lock;
use crate::recorded::{GoOn, RecordedRun};
use crate::store::{self, StoreWriter};
use crate::telemetry::ack::Ack;
use crate::telemetry::feed::TableInput;
use crate::telemetry::table::{TableError, TableReader, is_pipe};
use crate::telemetry::windows::Windows;

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
    let (mut run, mut between) = start(app, plan, stop)?;
    let ran = run.simulation.run_while(|world| between.look(world, stop, progress));
    Ok(run.end(between, ran, stop.signal()))
}

/// A run that has been started.
struct Started {
    simulation: Simulation,
    manifest: Manifest,
    store: String,
    out: PathBuf,
    /// What holds the run for this process.
    _locks: Vec<Lock>,
    profile: Option<(PathBuf, fs::File, Trace)>,
    restored_at: Option<u64>,
    first_updates: u64,
}

fn start(mut app: App, mut plan: RunPlan, stop: &Stop) -> Result<(Started, Between), RunError> {
    check_here()?;
    let GoOn { run: source, snapshot } = plan.restore.take().unwrap_or(GoOn { run: None, snapshot: None });
    let goes_on = source.as_ref().filter(|_| plan.out.is_none());
    let held = goes_on.map(|run| RunFolder::go_on_in(run.folder().into())).transpose()?;
    if let Some(run) =
        goes_on.filter(|run| Manifest::read(run.folder()).ok().as_ref() != Some(run.manifest()))
    {
        let shown = run.folder().display();
        let who = held.as_ref().map_or("another process", RunFolder::had_before);
        let message = format!("--restore: {shown} was gone on with by {who} just now: try again");
        return Err(RunError::Usage(message));
    }
    let options = options_of(&plan, source.as_ref(), goes_on.is_some());
    let mut scenario = plan.scenario;
    if let Some(run) = goes_on {
        check_copy(run, &plan.options, &scenario)?;
    }
    let restored_at = snapshot.as_ref().map(|snapshot| snapshot.head().tick);
    check_ticks(&plan.options, restored_at)?;

    if source.is_none()
        && snapshot.is_some()
        && (scenario.telemetry.is_some() || scenario.input_stream.is_some())
    {
        let message = "--restore: the run of this snapshot is not here, and its journal has the run's inputs: name its folder";
        return Err(RunError::Usage(message.into()));
    }
    let input = match &source {
        Some(run) if !plan.is_input_recorded => run.input(plan.input.as_deref())?,
        _ => plan.input,
    };
    // A run that goes on may have had its journal moved; one that begins elsewhere has another.
    let moved = plan.options.journal.clone().filter(|_| goes_on.is_some());
    let source_journal = source.as_ref().map(|run| moved.unwrap_or_else(|| run.journal()));
    let table = match (&source_journal, plan.is_input_recorded) {
        (Some(journal), true) => recorded_table(journal)?,
        (journal, _) => {
            let windows = options.windows.as_deref();
            open_table(&mut scenario, input.as_deref(), windows, journal.as_deref(), stop)?
        }
    };
    let sequence = snapshot.as_ref().map_or(0, |snapshot| snapshot.head().journal_sequence);
    // Elsewhere a run goes on from the state; where there is none, or what came cannot come again, from all that the journal has.
    let takes_all = snapshot.is_none() || input.as_deref().is_some_and(is_pipe);
    let table = match (table, &source_journal) {
        (Some(mut table), Some(journal)) if journal.is_dir() && !plan.is_input_recorded => {
            let sequence = if goes_on.is_some() || takes_all { u64::MAX } else { sequence };
            table.catch_up(journal, sequence, plan.input_changed).map_err(RunError::Usage)?;
            Some(table)
        }
        (table, _) => table,
    };
    match (&options.ack, &table) {
        (Some(_), None) => return Err(RunError::Usage("--ack: needs a table: --input FILE".into())),
        (Some(_), Some(table)) if table.is_read() && !table.has_sequence() => {
            let message = "--ack: the table has no column 'sequence', must have one that numbers its rows";
            return Err(RunError::Usage(message.into()));
        }
        _ => {}
    }
    let bus = bus::open(&scenario.bus).map_err(RunError::Usage)?;
    store::parse(&scenario.store).map_err(|e| RunError::Usage(e.to_string()))?;
    if !app.is_plugin_added::<CorecPlugin>() {
        app.add_plugins(CorecPlugin);
    }
    let has_table = table.is_some();
    if let Some(table) = table {
        app.insert_resource(table);
    }
    app.insert_resource(corec_core::bus::RunBus(bus));
    let of = if has_table { options.ticks } else { Some(options.ticks.unwrap_or(scenario.ticks)) };
    let record = record(&scenario);
    let snapshot_memory_max = parse_bytes(&scenario.snapshot_memory_max).unwrap_or(0);
    let mut manifest = Manifest::new(&scenario, plan.scenario_given, &record.settings);
    manifest.plugins = plan.plugins;
    if let Some(run) = goes_on {
        // What is known of it stays known, should this process be killed.
        let known = run.manifest();
        (manifest.tick, manifest.digest, manifest.digest_count) =
            (known.tick, known.digest.clone(), known.digest_count);
    }
    let store_url = scenario.store.clone();
    let simulation = match &snapshot {
        None => Simulation::new(app, scenario),
        Some(snapshot) => Simulation::restore(app, scenario, snapshot),
    };
    let mut simulation = simulation.map_err(refusal)?;
    let entities = simulation.world().resource::<Population>().live();

    let mut folder = held.map_or_else(|| RunFolder::make(plan.out), Ok)?;
    let out = folder.path().to_path_buf();
    let id = goes_on.and_then(|run| run.manifest().id).map_or_else(new_id, Ok)?;
    let had_journal = source_journal.as_deref().is_some_and(Path::is_dir);
    let place = Place {
        had_journal,
        copied_to: if takes_all { u64::MAX } else { sequence },
        run: id,
        folder: options.journal.clone().unwrap_or_else(|| out.join(JOURNAL)),
        is_own: options.journal.is_none(),
        source: source_journal,
        sequence,
        sync: options.journal_sync.unwrap_or(false),
    };
    folder.claim(&place.folder, "--journal")?;
    let snapshots_in = options.snapshot.clone().unwrap_or_else(|| out.join(SNAPSHOTS));
    if is_blocked(&snapshots_in) {
        // The run is worth more than its snapshots: what can't be made is told of, and at its end again.
        tracing::error!("--snapshot: {}: can't be a folder", snapshots_in.display());
    } else {
        folder.claim(&snapshots_in, "--snapshot")?;
    }
    if let Some(mut table) = simulation.world_mut().get_resource_mut::<TableInput>() {
        let ack = options.ack.as_ref().map(|path| Ack::open(path, id, place.sync)).transpose();
        (table.ack, table.kill_in) = (ack.map_err(|e| RunError::Usage(format!("--ack: {e}")))?, plan.kill_in);
    }

    // Opened before the first tick: a run should not end with its profile lost for want of a folder.
    let profile = plan.profile.map(|path| open_profile(&path).map(|file| (path, file))).transpose()?;
    let profile = profile.map(|(path, file)| (path, file, simulation.record_trace()));
    let store = store::open(&store_url, &out).map_err(|e| RunError::Usage(e.to_string()))?;
    let is_old = goes_on.is_some_and(|run| run.manifest().id.is_none());
    let record = RunRecord { id: Some(id), entities, continues: goes_on.is_some(), is_old, ..record };
    let writer = StoreWriter::start(store, &record);
    simulation.world_mut().insert_resource(writer.map_err(|e| RunError::Failed(e.to_string()))?);

    let taken = begin_journal(simulation.world_mut(), &place)?;
    if let Some(table) = simulation.world().get_resource::<TableInput>() {
        table.acknowledge().map_err(RunError::Failed)?;
    }

    let world = simulation.world();
    let about = About {
        id: Some(id),
        run: absolute(&out).display().to_string(),
        scenario: manifest.settings.to_string(),
        journal_sequence: 0,
    };
    let is_own = options.snapshot.is_none();
    let keep = options.snapshot_keep.unwrap_or(snapshots::KEEP);
    let place = corec_core::snapshot::Place { folder: snapshots_in, is_own, keep };
    let snapshots = Snapshots::new(options.snapshot_interval, place, about, world, snapshot_memory_max)
        .map_err(|e| RunError::Failed(format!("the thread for snapshots could not start: {e}")))?;
    (manifest.threads, manifest.epoch) = (simulation.threads(), world.resource::<Epoch>().0);
    (manifest.id, manifest.folder) = (Some(id), Some(absolute(&out)));
    manifest.input = input.map(|path| absolute(&path));
    let (of_run, interval) = (options.clone(), options.digest_interval.unwrap_or(DIGEST_INTERVAL));
    manifest.options = of_run.with_paths(|path| options::recorded(path, &out));
    manifest.restored_from = snapshot.as_ref().map(|snapshot| snapshot.path().to_path_buf());
    let start = now();
    manifest.startup_seconds = (start - plan.started).as_secs_f64();
    manifest
        .write(&out)
        .map_err(|e| RunError::Failed(format!("{}: {e}", out.join(manifest::FILE).display())))?;
    let (out, locks) = folder.keep();
    manifest::reserve(&out, manifest::FILE);
    manifest::reserve(&out, SUMMARY);

    let tick = simulation.tick();
    if restored_at.is_some() && of.is_some_and(|of| tick >= of) {
        tracing::warn!("the run is at tick {tick} and was to do no more: --ticks N for a later end");
    }
    let between = Between {
        of,
        first_tick: tick,
        pace: Pace { start, told: start, tick_rate: options.tick_rate },
        snapshots,
        digest_interval: interval,
        kill_at: plan.kill_at,
        digest_count: taken.digest_count,
        digest: taken.digest,
    };
    let first_updates = simulation.world().resource::<Totals>().entity_updates;
    let started = Started {
        simulation,
        manifest,
        store: store_url,
        out,
        _locks: locks,
        profile,
        restored_at,
        first_updates,
    };
    Ok((started, between))
}

/// Manifests have whole paths, in JSON.
fn check_here() -> Result<(), RunError> {
    match std::env::current_dir() {
        Ok(here) if here.to_str().is_none() => Err(RunError::Usage(format!(
            "the current folder: found {here:?}, must be UTF-8: it is written into JSON"
        ))),
        _ => Ok(()),
    }
}

/// What was asked for, then what the run that is gone on with had: all of it in its folder, without its places elsewhere.
fn options_of(plan: &RunPlan, source: Option<&RecordedRun>, goes_on: bool) -> Options {
    let recorded = source.map(RecordedRun::options).unwrap_or_default();
    plan.options.clone().or(if goes_on { recorded } else { recorded.without_places() })
}

/// A copy of a run whose original is there still may not write to what both have.
fn check_copy(run: &RecordedRun, given: &Options, scenario: &Scenario) -> Result<(), RunError> {
    let Some(original) = run.original() else { return Ok(()) };
    let recorded = &run.manifest().options;
    let is_apart = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| path.is_absolute());
    let is_same = |given: &Option<PathBuf>, recorded: &Option<PathBuf>| {
        given.as_ref().is_none_or(|given| Some(absolute(given)) == *recorded)
    };
    let store = match store::parse(&scenario.store) {
        Ok(store::StoreUrl::Sqlite(path)) => path.is_absolute() && scenario.store == run.scenario().store,
        _ => false,
    };
    let shared = [
        ("--store", store),
        ("--journal", is_same(&given.journal, &recorded.journal) && is_apart(&recorded.journal)),
        ("--snapshot", is_same(&given.snapshot, &recorded.snapshot) && is_apart(&recorded.snapshot)),
        ("--ack", is_same(&given.ack, &recorded.ack) && is_apart(&recorded.ack)),
    ];
    match shared.iter().find(|(_, is_shared)| *is_shared) {
        None => Ok(()),
        Some((option, _)) => Err(RunError::Usage(format!(
            "--restore: {} is a copy of {}, which is there still and has the same {option}, must have one of its own: \
             give another {option}, or --out NEW_FOLDER to go on as a run of its own",
            run.folder().display(),
            original.display()
        ))),
    }
}

/// A run does not go back.
fn check_ticks(given: &Options, restored_at: Option<u64>) -> Result<(), RunError> {
    match (given.ticks, restored_at) {
        (Some(ticks), Some(tick)) if ticks < tick => Err(RunError::Usage(format!(
            "--ticks: found {ticks}, must be at least {tick}, the tick of the snapshot that the run goes on from"
        ))),
        _ => Ok(()),
    }
}

/// Whether a file is where a folder should be.
fn is_blocked(folder: &Path) -> bool {
    folder.ancestors().find(|path| path.exists()).is_some_and(|path| !path.is_dir())
}

/// A run's id, from the system's randomness.
pub(crate) fn new_id() -> Result<RunId, RunError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| RunError::Failed(format!("no id for the run: {e}")))?;
    Ok(RunId(u128::from_le_bytes(bytes)))
}

/// The input of a run whose rows its journal has.
fn recorded_table(journal: &Path) -> Result<Option<TableInput>, RunError> {
    let fail = |e: LogError| RunError::Usage(format!("journal: {e}"));
    let first = Inputs::of(journal).map_err(fail)?.next_input().map_err(fail)?;
    Ok(match first {
        Some((_, _, Input::Columns(columns))) => Some(TableInput::recorded(columns)),
        _ => None,
    })
}

impl Started {
    /// Closes everything, and says what became of the run.
    fn end(
        mut self,
        mut between: Between,
        ran: Result<(), SimulationError>,
        signal: Option<usize>,
    ) -> Summary {
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
        let (is_sound, is_interrupted) = (is_sound && ended.is_none(), signal.is_some());
        let Between { snapshots, digest: last_digest, digest_count, first_tick, pace, .. } = between;
        let snapshots =
            self.simulation.in_pool_mut(|world| snapshots.finish(is_sound.then_some(world), is_interrupted));
        // Of the state that the ticks have made: what plugins put away in Shutdown is not part of it.
        let digest = self.simulation.check().is_ok().then(|| self.simulation.digest().to_string());
        let closed = self.simulation.shut_down();
        let seconds = pace.start.elapsed().as_secs_f64();
        let traced = self.profile.take().map_or(Ok(()), write_profile);
        let is_unsaved = is_interrupted || snapshots.is_missing;
        let unsaved = snapshots.error.clone().filter(|_| is_unsaved).map(|e| format!("no snapshot: {e}"));
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
        (summary.error, summary.interrupted_by) = (error, signal);

        self.manifest.status = match (&summary.error, summary.interrupted_by) {
            (Some(_), _) => Status::Failed,
            (None, Some(_)) => Status::Interrupted,
            (None, None) => Status::Done,
        };
        (self.manifest.tick, self.manifest.seconds) = (summary.tick, seconds);
        self.manifest.digest = last_digest.map(|(tick, value)| (tick, format!("{value:016x}")));
        self.manifest.digest_count = digest_count;
        let json = serde_json::to_vec_pretty(&summary).expect("a summary is text and numbers");
        let written =
            manifest::replace(&self.out, SUMMARY, &json).and_then(|()| self.manifest.write(&self.out));
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

/// Opens the table of a telemetry scenario and gives its twins their number. `journal` is that of the run that goes on: a pipe that
/// brings nothing more has been recorded there.
pub(crate) fn open_table(
    scenario: &mut Scenario,
    input: Option<&Path>,
    windows: Option<&Path>,
    journal: Option<&Path>,
    stop: &Stop,
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
    let table = TableReader::open_until(path, stop);
    if let Some(signal) = stop.signal() {
        return Err(RunError::Interrupted(signal));
    }
    let table = match (table, journal) {
        (Err(TableError::NoRow { .. }), Some(journal)) if is_pipe(path) => return recorded_table(journal),
        (table, _) => table.map_err(|e: TableError| RunError::Usage(e.to_string()))?,
    };
    let windows = match windows {
        Some(file) => Some(Windows::load(file, &table).map_err(RunError::Usage)?),
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
        id: None,
        entities: 0,
        settings: serde_json::to_string(&shown).expect("a scenario is text and numbers"),
        continues: false,
        is_old: false,
    }
}

#[expect(clippy::disallowed_methods, reason = "the run loop paces and times itself; no result depends on it")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
