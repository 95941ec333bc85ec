//! The start of a run: its folder and what else is its own, its table, its simulation, its store.
//!
//! Nothing of others is changed, and what a start that fails has made is removed again. The run is there once its manifest is.

use std::path::Path;

use bevy_app::App;
use corec_bridges::bus::{self, BusOptions, BusUrl};
use corec_bridges::frames::DATA_STREAM;
use corec_bridges::lane::SpoolOptions;
use corec_bridges::store::{self, StoreLane};
use corec_core::block::Population;
use corec_core::bus::RunBus;
use corec_core::config::{Scenario, redact_url};
use corec_core::journal::JournalPrefix;
use corec_core::section::Sections;
use corec_core::simulation::{RunScenario, Simulation};
use corec_core::snapshot::{About, SnapshotFolder};
use corec_core::stats::Totals;
use corec_core::stop::Stop;
use corec_core::store::RunRecord;
use corec_core::units::{Epoch, RunId, parse_bytes};
use corec_telemetry::ack::Ack;
use corec_telemetry::feed::Feed;

use crate::attendants::{Attendants, Digests, KEEP, KillAt, LastTick, Pace, Snapshots, Watched};
use crate::built_in::CorecPlugin;
use crate::chaos;
use crate::clock::{now, wall_clock};
use crate::end::Started;
use crate::error::{RunError, refusal};
use crate::folder::RunFolder;
use crate::input::bus_refusal;
use crate::journal::{Recording, begin_journal};
use crate::manifest::{self, Manifest};
use crate::options::{self, Options, absolute};
use crate::origin::Origin;
use crate::plan::RunPlan;
use crate::profile::Profile;
use crate::view::{Counted, RunInfo};
use crate::{DIGEST_INTERVAL, SNAPSHOTS, SUMMARY};

/// Where a run's folder has what waits for a server, and how much of it for each: an hour of a run that says 300 KB a second.
const SPOOL: &str = "spool";
const SPOOL_BYTES_MAX: u64 = 1 << 30;

/// Starts a run.
///
/// # Errors
/// What kept it from starting.
pub(crate) fn start(mut app: App, mut plan: RunPlan, stop: &Stop) -> Result<(Started, Attendants), RunError> {
    check_here()?;
    if !app.is_plugin_added::<CorecPlugin>() {
        app.add_plugins(CorecPlugin);
    }
    // Before anything is waited for.
    app.world().resource::<Sections>().complete(&mut plan.scenario)?;
    chaos::check(&plan.scenario)?;
    let mut origin = Origin::of(&mut plan)?;
    let options = origin.options(&plan);
    let table = origin.table(&mut plan, &options, stop)?;
    // All that may wait for somebody else has been read, and nothing has been made.
    stop.heed();
    if let Some(signal) = stop.signal() {
        return Err(RunError::Interrupted(signal));
    }
    let last_tick = match &table {
        Some(_) => options.ticks,
        None => Some(options.ticks.unwrap_or(plan.scenario.ticks)),
    };
    let bus = prepare(&mut app, &plan.scenario, table)?;
    let record = record(&plan.scenario);
    let manifest = origin.manifest(&mut plan, &record);
    let urls = [plan.scenario.bus.clone(), plan.scenario.store.clone()];
    let memory_max = plan.scenario.snapshot_memory_max.clone();
    let scenario = std::mem::take(&mut plan.scenario);
    let simulation = match &origin.snapshot {
        None => Simulation::new(app, scenario),
        Some(snapshot) => Simulation::restore(app, scenario, snapshot),
    };
    let simulation = simulation.map_err(refusal)?;
    let folder = origin.folder(plan.out.take())?;
    let memory_max = parse_bytes(&memory_max).unwrap_or(0);
    Start { plan, origin, options, simulation, folder, manifest, bus, urls, memory_max, last_tick }
        .finish(record)
}

/// Gives the app its table. Looks whether its bus and its store are ones.
fn prepare(app: &mut App, scenario: &Scenario, table: Option<Feed>) -> Result<BusUrl, RunError> {
    for (key, url) in [("--bus", &scenario.bus), ("--store", &scenario.store)] {
        if url.contains(":***@") {
            let todo = "which no run keeps: give it again, or as ${VARIABLE} in the scenario";
            return Err(RunError::Usage(format!("{key}: found {url} without its password, {todo}")));
        }
    }
    let bus = bus::parse(&scenario.bus).map_err(RunError::Usage)?;
    store::parse(&scenario.store).map_err(|e| RunError::Usage(e.to_string()))?;
    if let Some(table) = table {
        corec_telemetry::insert(app.world_mut(), table);
    }
    Ok(bus)
}

/// A run that has its simulation and its folder.
struct Start {
    plan: RunPlan,
    origin: Origin,
    options: Options,
    simulation: Simulation,
    folder: RunFolder,
    manifest: Manifest,
    bus: BusUrl,
    /// Of the bus and the store.
    urls: [String; 2],
    memory_max: u64,
    last_tick: Option<u64>,
}

impl Start {
    /// Opens what the run writes, its store and its manifest last.
    fn finish(mut self, record: RunRecord) -> Result<(Started, Attendants), RunError> {
        let out = self.folder.path().to_path_buf();
        let id = self.origin.id;
        (self.manifest.id, self.manifest.folder, self.manifest.input) =
            (Some(id), Some(absolute(&out)), self.origin.input.as_deref().map(absolute));
        let recording = self.origin.recording(&self.options, &out);
        let place = claim(&mut self.folder, &self.options, &recording)?;
        for (path, option) in [(&self.options.ack, "--ack"), (&self.plan.profile, "--profile")] {
            path.as_ref().map_or(Ok(()), |path| self.folder.check_beside(path, option))?;
        }
        if let Some(mut feed) = self.simulation.world_mut().get_resource_mut::<Feed>() {
            let ack = self.options.ack.as_ref().map(|path| Ack::open(path, id, recording.sync)).transpose();
            (feed.ack, feed.kill_in) =
                (ack.map_err(|e| RunError::Usage(format!("--ack: {e}")))?, self.plan.kill_in);
        }
        let simulation = &mut self.simulation;
        let profile = self.plan.profile.as_deref();
        let profile = profile.map(|path| Profile::open(path, || simulation.record_trace())).transpose()?;
        let prefix = begin_journal(self.simulation.world_mut(), &recording)?;
        let snapshots = self.snapshots(id, &out, place)?;
        self.open_bus(id, &out, &record)?;
        self.open_store(id, &out, record)?;
        chaos::write_truth(self.simulation.world(), &out)?;
        self.write_manifest(&out)?;
        let watched = self.watched(id, &out, &recording);
        let attendants = self.attendants(snapshots, prefix, watched);
        let first_updates = self.simulation.world().resource::<Totals>().entity_updates;
        let restored_at = self.origin.restored_at();
        let Self { simulation, manifest, urls: [bus, store], folder, .. } = self;
        let (out, locks) = folder.keep();
        manifest::reserve(&out, manifest::FILE);
        manifest::reserve(&out, SUMMARY);
        if let Some(feed) = simulation.world().get_resource::<Feed>() {
            feed.acknowledge().map_err(RunError::Failed)?;
        }
        let started = Started {
            simulation,
            manifest,
            bus,
            store,
            out,
            _locks: locks,
            profile,
            restored_at,
            first_updates,
        };
        Ok((started, attendants))
    }

    fn snapshots(&self, id: RunId, out: &Path, place: SnapshotFolder) -> Result<Snapshots, RunError> {
        let about = About {
            id: Some(id),
            run: absolute(out).display().to_string(),
            scenario: self.manifest.settings.to_string(),
            journal_sequence: 0,
        };
        let (every, is_waited_for) = (self.options.snapshot_interval, self.plan.kill_at.is_some());
        Snapshots::new(every, place, about, self.simulation.world(), self.memory_max, is_waited_for)
            .map_err(|e| RunError::Failed(format!("the thread for snapshots could not start: {e}")))
    }

    fn open_bus(&mut self, id: RunId, out: &Path, record: &RunRecord) -> Result<(), RunError> {
        let scenario = &self.simulation.world().resource::<RunScenario>().0;
        let options = BusOptions {
            instance: record.instance.clone(),
            run: id,
            read: scenario.input_stream.clone(),
            written: scenario.publish_interval.map(|_| DATA_STREAM.into()).into_iter().collect(),
            connect_timeout: self.options.connect_timeout(),
            spool: Some(spool(out, "bus", id)),
        };
        let bus = bus::open(&self.bus, &options).map_err(bus_refusal)?;
        self.simulation.world_mut().insert_resource(RunBus::new(bus));
        Ok(())
    }

    /// Last of all but the manifest: a run that is refused has left no row in a database of others.
    fn open_store(&mut self, id: RunId, out: &Path, record: RunRecord) -> Result<(), RunError> {
        let entities = self.simulation.world().resource::<Population>().live();
        let run = self.origin.goes_on();
        let is_old = run.is_some_and(|run| run.manifest().id.is_none());
        let record = RunRecord { id: Some(id), entities, continues: run.is_some(), is_old, ..record };
        let started = store::open(&self.urls[1], out, self.options.connect_timeout()).and_then(|store| {
            let spool = (self.urls[1] != "memory").then(|| spool(out, "store", id));
            StoreLane::start(store, &record, spool)
        });
        let lane = started.map_err(|e| match e.is_away {
            true => RunError::Failed(e.to_string()),
            false => RunError::Usage(e.to_string()),
        })?;
        self.simulation.world_mut().insert_resource(lane);
        Ok(())
    }

    fn write_manifest(&mut self, out: &Path) -> Result<(), RunError> {
        let (manifest, world) = (&mut self.manifest, self.simulation.world());
        (manifest.threads, manifest.epoch) = (self.simulation.threads(), world.resource::<Epoch>().0);
        manifest.options = self.options.clone().with_paths(|path| options::recorded(path, out));
        manifest.startup_seconds = (now() - self.plan.started).as_secs_f64();
        manifest
            .write(out)
            .map_err(|e| RunError::Failed(format!("{}: {e}", out.join(manifest::FILE).display())))
    }

    /// What shows the run.
    fn watched(&mut self, id: RunId, out: &Path, recording: &Recording) -> Watched {
        let world = self.simulation.world();
        let before = Counted::of(world);
        let scenario = &world.resource::<RunScenario>().0;
        let info = RunInfo {
            id: id.to_string(),
            scenario: scenario.name.clone(),
            instance: scenario.instance_id.clone(),
            seed: scenario.seed,
            folder: out.into(),
            journal: recording.folder.clone(),
            tick_seconds: scenario.tick_seconds,
            bus: redact_url(&self.urls[0]),
            store: redact_url(&self.urls[1]),
            threads: self.simulation.threads(),
            started: Some(wall_clock()),
            before,
        };
        Watched::new(self.plan.watch.clone(), info, self.simulation.world_mut())
    }

    fn attendants(&self, snapshots: Snapshots, prefix: JournalPrefix, watched: Watched) -> Attendants {
        let (first_tick, of, start) = (self.simulation.tick(), self.last_tick, now());
        if self.origin.restored_at().is_some() && of.is_some_and(|of| first_tick >= of) {
            tracing::warn!(
                "the run is at tick {first_tick} and was to do no more: --ticks N for a later end"
            );
        }
        let JournalPrefix { digest_count, digest, .. } = prefix;
        let interval = self.options.digest_interval.unwrap_or(DIGEST_INTERVAL);
        Attendants {
            digests: Digests { interval, count: digest_count, last: digest },
            snapshots,
            kill_at: KillAt(self.plan.kill_at),
            last_tick: LastTick(of),
            pace: Pace { start, told: start, tick_rate: self.options.tick_rate, first_tick, misses: 0, of },
            watched,
        }
    }
}

/// Where what goes to `far_side` waits while that is away.
fn spool(out: &Path, far_side: &str, run: RunId) -> SpoolOptions {
    SpoolOptions { folder: out.join(SPOOL).join(far_side), bytes_max: SPOOL_BYTES_MAX, run }
}

/// Takes the journal's and the snapshots' folders where they are not in the run's own; tells where snapshots go.
fn claim(
    folder: &mut RunFolder,
    options: &Options,
    recording: &Recording,
) -> Result<SnapshotFolder, RunError> {
    folder.claim(&recording.folder, "--journal")?;
    let snapshots = options.snapshot.clone().unwrap_or_else(|| folder.path().join(SNAPSHOTS));
    if is_blocked(&snapshots) {
        // The run is worth more than its snapshots: what can't be made is told of, and at its end again.
        tracing::error!("--snapshot: {}: can't be a folder", snapshots.display());
    } else {
        folder.claim(&snapshots, "--snapshot")?;
    }
    let (is_own, keep) = (options.snapshot.is_none(), options.snapshot_keep.unwrap_or(KEEP));
    Ok(SnapshotFolder { folder: snapshots, is_own, keep })
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

/// Whether a file is where a folder should be.
fn is_blocked(folder: &Path) -> bool {
    folder.ancestors().find(|path| path.exists()).is_some_and(|path| !path.is_dir())
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
