//! The start of a run: its folder and what else is its own, its table, its simulation, its store.
//!
//! Nothing of others is changed, and what a start that fails has made is removed again. The run is there once its manifest is.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use bevy_app::App;
use corec_core::block::Population;
use corec_core::bus::RunBus;
use corec_core::config::{Scenario, redact_url};
use corec_core::file;
use corec_core::journal::Taken;
use corec_core::simulation::Simulation;
use corec_core::snapshot::{About, Place, Snapshot};
use corec_core::stats::Totals;
use corec_core::store::RunRecord;
use corec_core::trace::Trace;
use corec_core::units::{Epoch, RunId, parse_bytes};

use super::between::{Between, Pace};
use super::end::Started;
use super::folder::RunFolder;
use super::input::{open_table, recorded_table};
use super::journal::{Recording, begin_journal};
use super::manifest::{self, Manifest};
use super::options::{self, Options, absolute};
use super::snapshots::{self, Snapshots};
use super::{DIGEST_INTERVAL, JOURNAL, RunError, RunPlan, SNAPSHOTS, SUMMARY, now, refusal};
use crate::CorecPlugin;
use crate::bus;
use crate::recorded::{GoOn, RecordedRun};
use crate::stop::Stop;
use crate::store::{self, StoreWriter};
use crate::telemetry::ack::Ack;
use crate::telemetry::feed::TableInput;
use crate::telemetry::table::is_pipe;

/// Starts a run.
///
/// # Errors
/// What kept it from starting.
pub(super) fn start(mut app: App, mut plan: RunPlan, stop: &Stop) -> Result<(Started, Between), RunError> {
    check_here()?;
    let mut origin = Origin::of(&mut plan)?;
    let options = origin.options(&plan);
    let table = origin.table(&mut plan, &options, stop)?;
    // All that may wait for somebody else has been read, and nothing has been made.
    stop.heed();
    if let Some(signal) = stop.signal() {
        return Err(RunError::Interrupted(signal));
    }
    let bus = bus::open(&plan.scenario.bus).map_err(RunError::Usage)?;
    store::parse(&plan.scenario.store).map_err(|e| RunError::Usage(e.to_string()))?;
    if !app.is_plugin_added::<CorecPlugin>() {
        app.add_plugins(CorecPlugin);
    }
    let ticks =
        if table.is_some() { options.ticks } else { Some(options.ticks.unwrap_or(plan.scenario.ticks)) };
    if let Some(table) = table {
        app.insert_resource(table);
    }
    app.insert_resource(RunBus(bus));
    let record = record(&plan.scenario);
    let mut manifest = origin.manifest(&mut plan, &record);
    let (store, memory_max) = (plan.scenario.store.clone(), plan.scenario.snapshot_memory_max.clone());
    let simulation = match &origin.snapshot {
        None => Simulation::new(app, plan.scenario),
        Some(snapshot) => Simulation::restore(app, plan.scenario, snapshot),
    };
    let mut simulation = simulation.map_err(refusal)?;

    let mut folder = origin.folder(plan.out)?;
    let out = folder.path().to_path_buf();
    let id = origin.goes_on().and_then(|run| run.manifest().id).map_or_else(new_id, Ok)?;
    (manifest.id, manifest.folder, manifest.input) =
        (Some(id), Some(absolute(&out)), origin.input.as_deref().map(absolute));
    let recording = origin.recording(id, &options, &out);
    let place = claim(&mut folder, &options, &recording)?;
    for (path, option) in [(&options.ack, "--ack"), (&plan.profile, "--profile")] {
        path.as_ref().map_or(Ok(()), |path| folder.check_beside(path, option))?;
    }
    if let Some(mut table) = simulation.world_mut().get_resource_mut::<TableInput>() {
        let ack = options.ack.as_ref().map(|path| Ack::open(path, id, recording.sync)).transpose();
        (table.ack, table.kill_in) = (ack.map_err(|e| RunError::Usage(format!("--ack: {e}")))?, plan.kill_in);
    }
    // Opened before the first tick: a run should not end with its profile lost for want of a folder.
    let profile = plan.profile.map(|path| open_profile(&path).map(|file| (path, file))).transpose()?;
    let profile = profile.map(|(path, file)| (path, file, simulation.record_trace()));
    let taken = begin_journal(simulation.world_mut(), &recording)?;
    let about = About {
        id: Some(id),
        run: absolute(&out).display().to_string(),
        scenario: manifest.settings.to_string(),
        journal_sequence: 0,
    };
    let memory_max = parse_bytes(&memory_max).unwrap_or(0);
    let snapshots =
        Snapshots::new(options.snapshot_interval, place, about, simulation.world(), memory_max)
            .map_err(|e| RunError::Failed(format!("the thread for snapshots could not start: {e}")))?;
    // Last of all but the manifest: a run that is refused has left no row in a database of others.
    let entities = simulation.world().resource::<Population>().live();
    let is_old = origin.goes_on().is_some_and(|run| run.manifest().id.is_none());
    let record =
        RunRecord { id: Some(id), entities, continues: origin.goes_on().is_some(), is_old, ..record };
    let opened = store::open(&store, &out).map_err(|e| RunError::Usage(e.to_string()))?;
    let writer = StoreWriter::start(opened, &record).map_err(|e| RunError::Failed(e.to_string()))?;
    simulation.world_mut().insert_resource(writer);

    (manifest.threads, manifest.epoch) = (simulation.threads(), simulation.world().resource::<Epoch>().0);
    manifest.options = options.clone().with_paths(|path| options::recorded(path, &out));
    let start = now();
    manifest.startup_seconds = (start - plan.started).as_secs_f64();
    manifest
        .write(&out)
        .map_err(|e| RunError::Failed(format!("{}: {e}", out.join(manifest::FILE).display())))?;
    let (out, locks) = folder.keep();
    manifest::reserve(&out, manifest::FILE);
    manifest::reserve(&out, SUMMARY);
    if let Some(table) = simulation.world().get_resource::<TableInput>() {
        table.acknowledge().map_err(RunError::Failed)?;
    }

    let first_tick = simulation.tick();
    let restored_at = origin.restored_at();
    if restored_at.is_some() && ticks.is_some_and(|ticks| first_tick >= ticks) {
        tracing::warn!("the run is at tick {first_tick} and was to do no more: --ticks N for a later end");
    }
    let Taken { digest_count, digest, .. } = taken;
    let between = Between {
        of: ticks,
        first_tick,
        pace: Pace { start, told: start, tick_rate: options.tick_rate },
        snapshots,
        digest_interval: options.digest_interval.unwrap_or(DIGEST_INTERVAL),
        kill_at: plan.kill_at,
        digest_count,
        digest,
    };
    let first_updates = simulation.world().resource::<Totals>().entity_updates;
    let started =
        Started { simulation, manifest, store, out, _locks: locks, profile, restored_at, first_updates };
    Ok((started, between))
}

/// What a run comes from: nothing, or a run that has been, or its snapshot alone.
struct Origin {
    run: Option<RecordedRun>,
    snapshot: Option<Snapshot>,
    /// Whether the run goes on in its own folder; else it begins in another.
    is_in_place: bool,
    /// That folder, until the run takes it.
    held: Option<RunFolder>,
    /// The journal of `run`.
    journal: Option<PathBuf>,
    /// The table.
    input: Option<PathBuf>,
}

impl Origin {
    /// Looks at what the plan goes on from, and takes its folder.
    fn of(plan: &mut RunPlan) -> Result<Self, RunError> {
        let GoOn { run, snapshot } = plan.restore.take().unwrap_or(GoOn { run: None, snapshot: None });
        let in_place = run.as_ref().filter(|_| plan.out.is_none());
        let held = in_place.map(|run| RunFolder::go_on_in(run.folder().into())).transpose()?;
        if let (Some(run), Some(held)) = (in_place, &held) {
            if Manifest::read(run.folder()).ok().as_ref() != Some(run.manifest()) {
                let (shown, who) = (run.folder().display(), held.had_before());
                return Err(RunError::Usage(format!(
                    "--restore: {shown} was gone on with by {who} just now: try again"
                )));
            }
            check_copy(run, &plan.options, &plan.scenario)?;
        }
        let has_input = plan.scenario.telemetry.is_some() || plan.scenario.input_stream.is_some();
        if run.is_none() && snapshot.is_some() && has_input {
            let message = "--restore: the run of this snapshot is not here, and its journal has the run's inputs: name its folder";
            return Err(RunError::Usage(message.into()));
        }
        let restored_at = snapshot.as_ref().map(|snapshot| snapshot.head().tick);
        if let (Some(ticks), Some(tick)) = (plan.options.ticks, restored_at)
            && ticks < tick
        {
            return Err(RunError::Usage(format!(
                "--ticks: found {ticks}, must be at least {tick}, the tick of the snapshot that the run goes on from"
            )));
        }
        let input = match &run {
            Some(run) if !plan.is_input_recorded => run.input(plan.input.as_deref())?,
            _ => plan.input.take(),
        };
        // A run that goes on may have had its journal moved; one that begins elsewhere has another.
        let moved = plan.options.journal.clone().filter(|_| held.is_some());
        let journal = run.as_ref().map(|run| moved.unwrap_or_else(|| run.journal()));
        Ok(Self { is_in_place: held.is_some(), run, snapshot, held, journal, input })
    }

    /// The run that goes on in its own folder.
    fn goes_on(&self) -> Option<&RecordedRun> {
        self.run.as_ref().filter(|_| self.is_in_place)
    }

    fn restored_at(&self) -> Option<u64> {
        self.snapshot.as_ref().map(|snapshot| snapshot.head().tick)
    }

    /// What was asked for, then what the run was asked for: all of it in its folder, without its places elsewhere.
    fn options(&self, plan: &RunPlan) -> Options {
        let recorded = self.run.as_ref().map(RecordedRun::options).unwrap_or_default();
        let recorded = if self.is_in_place { recorded } else { recorded.without_places() };
        plan.options.clone().or(recorded)
    }

    /// The last record of the run's journal that this run takes along: all of them in its own folder, and where there is no
    /// state to go on from, or what came can't come again; else those that the state has taken in.
    fn taken_along(&self) -> u64 {
        let takes_all =
            self.is_in_place || self.snapshot.is_none() || self.input.as_deref().is_some_and(is_pipe);
        if takes_all { u64::MAX } else { self.sequence() }
    }

    /// The last record that the state has taken in.
    fn sequence(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.head().journal_sequence)
    }

    /// The run's table, after the rows that were taken.
    fn table(
        &self,
        plan: &mut RunPlan,
        options: &Options,
        stop: &Stop,
    ) -> Result<Option<TableInput>, RunError> {
        let journal = self.journal.as_deref().filter(|journal| journal.is_dir());
        if let (true, Some(journal)) = (plan.is_input_recorded, journal) {
            return recorded_table(journal);
        }
        let (input, windows) = (self.input.as_deref(), options.windows.as_deref());
        let mut table = open_table(&mut plan.scenario, input, windows, journal, stop)?;
        if let (Some(table), Some(journal)) = (&mut table, journal) {
            table.catch_up(journal, self.taken_along(), plan.input_changed).map_err(RunError::Usage)?;
        }
        match (&options.ack, &table) {
            (Some(_), None) => Err(RunError::Usage("--ack: needs a table: --input FILE".into())),
            (Some(_), Some(table)) if table.is_read() && !table.has_sequence() => Err(RunError::Usage(
                "--ack: the table has no column 'sequence', must have one that numbers its rows".into(),
            )),
            _ => Ok(table),
        }
    }

    /// A manifest with all that is known before the run has a folder.
    fn manifest(&self, plan: &mut RunPlan, record: &RunRecord) -> Manifest {
        let given = std::mem::take(&mut plan.scenario_given);
        let mut manifest = Manifest::new(&plan.scenario, given, &record.settings);
        manifest.plugins = std::mem::take(&mut plan.plugins);
        manifest.restored_from = self.snapshot.as_ref().map(|snapshot| snapshot.path().to_path_buf());
        if let Some(run) = self.goes_on() {
            // What is known of it stays known, should this process be killed.
            let known = run.manifest();
            (manifest.tick, manifest.digest, manifest.digest_count) =
                (known.tick, known.digest.clone(), known.digest_count);
        }
        manifest
    }

    /// The folder: the run's own, or a new one.
    fn folder(&mut self, out: Option<PathBuf>) -> Result<RunFolder, RunError> {
        self.held.take().map_or_else(|| RunFolder::make(out), Ok)
    }

    fn recording(&self, id: RunId, options: &Options, out: &Path) -> Recording {
        let is_there = self.journal.as_deref().is_some_and(Path::is_dir);
        Recording {
            run: id,
            folder: options.journal.clone().unwrap_or_else(|| out.join(JOURNAL)),
            is_own: options.journal.is_none(),
            // What a plugin was told is an input too.
            may_have_input: self.run.as_ref().is_some_and(|run| !run.manifest().plugins.is_empty()),
            source: self.journal.clone(),
            is_source_there: is_there,
            copied_to: self.taken_along(),
            sequence: self.sequence(),
            sync: options.journal_sync.unwrap_or(false),
        }
    }
}

/// Takes the journal's and the snapshots' folders where they are not in the run's own; tells where snapshots go.
fn claim(folder: &mut RunFolder, options: &Options, recording: &Recording) -> Result<Place, RunError> {
    folder.claim(&recording.folder, "--journal")?;
    let snapshots = options.snapshot.clone().unwrap_or_else(|| folder.path().join(SNAPSHOTS));
    if is_blocked(&snapshots) {
        // The run is worth more than its snapshots: what can't be made is told of, and at its end again.
        tracing::error!("--snapshot: {}: can't be a folder", snapshots.display());
    } else {
        folder.claim(&snapshots, "--snapshot")?;
    }
    let (is_own, keep) = (options.snapshot.is_none(), options.snapshot_keep.unwrap_or(snapshots::KEEP));
    Ok(Place { folder: snapshots, is_own, keep })
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

/// Begins a profile, in a new file or over an older one.
fn open_profile(path: &Path) -> Result<fs::File, RunError> {
    let fail = |message: String| RunError::Usage(format!("--profile: {}: {message}", path.display()));
    if path.is_file() {
        let mut start = Vec::new();
        let read =
            file::open(path).and_then(|file| file.take(Trace::START.len() as u64).read_to_end(&mut start));
        read.map_err(|e| fail(e.to_string()))?;
        if !start.is_empty() && start != Trace::START.as_bytes() {
            return Err(fail(
                "found a file that is no profile, must be a new file or an older profile".into(),
            ));
        }
    }
    fs::File::create(path).map_err(|e| fail(e.to_string()))
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
