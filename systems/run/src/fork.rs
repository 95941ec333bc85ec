//! Fork: two futures from one past, one as it was and one with other settings.

use std::path::Path;

use corec_core::config::{Scenario, load};
use corec_core::journal::Journal;
use corec_core::plugin::Registered;
use corec_core::section::{Section, Sections};
use corec_core::simulation::Simulation;
use corec_core::snapshot::{About, Snapshot, SnapshotFolder, write_in_place};
use corec_core::stop::Stop;
use corec_core::units::Epoch;
use corec_telemetry::settings::Replicas;
use serde_json::Value;

use crate::changed::Changed;
use crate::clock::now;
use crate::error::RunError;
use crate::options::{Options, new_id};
use crate::plan::RunPlan;
use crate::plugin_set::PluginSet;
use crate::recorded::{Continuation, RecordedRun};
use crate::run_loop::run;
use crate::summary::Summary;
use crate::{JOURNAL, SNAPSHOTS};

/// What to fork.
pub struct Fork<'a> {
    /// The run's folder.
    pub run: &'a Path,
    /// The tick after which the two futures begin.
    pub at: u64,
    /// What differs in the second one: `blocks[0].load=0.9`, `plugins.fatigue.gain_per_tick=0.1`.
    pub sets: &'a [String],
    /// The tick to which both go; none for the scenario's.
    pub ticks: Option<u64>,
    /// Where their folders go: a folder that is not there yet.
    pub out: &'a Path,
    /// Where the run's plugins are found. They write nothing to disk.
    pub registry: &'a [Registered],
    /// Ends it once it is set.
    pub stop: &'a Stop,
}

/// Takes the run to the tick, from its last snapshot before and its journal, and runs both futures, each in a folder of its own:
/// `same` and `fork`. Both are of a new epoch, for both are another history than the run's.
///
/// # Errors
/// A run that can't be read, a setting that can't be changed or changes nothing, a future that can't be started; an interruption, after
/// which there is nothing to compare.
pub fn fork(fork: &Fork) -> Result<[Summary; 2], RunError> {
    let recorded = RecordedRun::open(fork.run)?;
    if recorded.is_going_on() {
        tracing::warn!("{}: is still going on: forked is the run as it is on disk now", fork.run.display());
    }
    let manifest = recorded.manifest();
    let mut changed = Changed { settings: manifest.settings.clone(), plugins: manifest.plugins.clone() };
    fork.sets.iter().try_for_each(|set| changed.set(set)).map_err(RunError::Usage)?;
    let [same, other] = [&manifest.settings, &changed.settings].map(scenario);
    let plugins = recorded.plugins(fork.registry)?.read_only();
    let others = PluginSet::recorded(&changed.plugins, fork.registry, &environment)?.read_only();
    let (same, other) = (complete(same?, &plugins)?, complete(other?, &others)?);
    check_past(&same, &other)?;
    if other == same && changed.plugins == manifest.plugins {
        return Err(RunError::Usage("--set: found a run of the same settings, must change one".into()));
    }
    fork.stop.heed();
    let (mut simulation, sequence) = recorded.state_at(&plugins, fork.at, "--at", fork.stop)?;
    simulation.world_mut().resource_mut::<Epoch>().0 += 1;
    if let Some(ticks) = fork.ticks.filter(|ticks| *ticks < fork.at) {
        return Err(RunError::Usage(format!(
            "--ticks: found {ticks}, must be at least {}, as --at",
            fork.at
        )));
    }
    recorded.input(None)?;
    make(fork.out)?;
    let futures = [
        Future { name: "same", scenario: same, settings: &manifest.settings, plugins },
        Future { name: "fork", scenario: other, settings: &changed.settings, plugins: others },
    ];
    let past = Past { recorded: &recorded, simulation, sequence };
    let [same, other] = futures.map(|future| future.run(fork, &past));
    let (same, other) = (same?, other?);
    if same.state_digest == other.state_digest {
        let (tick, sets) = (same.tick, fork.sets.join(", "));
        tracing::warn!(
            "--set: {sets}: both futures are the same state at tick {tick}, so it had no effect on it"
        );
    }
    Ok([same, other])
}

/// A scenario with all its sections as its plugins read them: what does not fit is refused before anything is run.
fn complete(mut scenario: Scenario, plugins: &PluginSet) -> Result<Scenario, RunError> {
    let app = plugins.app(&mut scenario);
    app.world().resource::<Sections>().complete(&mut scenario)?;
    Ok(scenario)
}

/// Where both futures begin.
struct Past<'a> {
    recorded: &'a RecordedRun,
    simulation: Simulation,
    /// The last record of the journal that the state has taken in.
    sequence: u64,
}

/// One of the two.
struct Future<'a> {
    name: &'static str,
    scenario: Scenario,
    settings: &'a Value,
    plugins: PluginSet,
}

impl Future<'_> {
    /// Makes it a run in a folder of its own, and runs it to its end.
    fn run(mut self, fork: &Fork, past: &Past) -> Result<Summary, RunError> {
        let folder = fork.out.join(self.name);
        let failed = |e: &dyn std::fmt::Display| RunError::Failed(format!("{}: {e}", folder.display()));
        std::fs::create_dir(&folder).map_err(|e| failed(&e))?;
        let (recorded, id) = (past.recorded, new_id()?);
        if recorded.journal().is_dir() {
            Journal::copy(&recorded.journal(), &folder.join(JOURNAL), id, |at, _| at <= past.sequence)
                .map_err(|e| failed(&e))?;
        }
        let about = About {
            id: Some(id),
            run: folder.display().to_string(),
            scenario: self.settings.to_string(),
            journal_sequence: past.sequence,
        };
        let place = SnapshotFolder::own(folder.join(SNAPSHOTS), 1);
        let written = past.simulation.in_pool(|world| write_in_place(world, &about, &place, 1));
        let written = written.map_err(|e| failed(&e))?;
        let mut manifest = recorded.manifest().clone();
        (manifest.id, manifest.folder, manifest.settings) = (Some(id), None, self.settings.clone());
        (manifest.options, manifest.plugins) = (of_the_past(recorded.options()), self.plugins.records());
        manifest.write(&folder).map_err(|e| failed(&e))?;
        let app = self.plugins.app(&mut self.scenario);
        let mut plan = RunPlan::new(self.scenario, now());
        plan.plugins = self.plugins.records();
        plan.options.ticks = fork.ticks;
        plan.scenario_given = recorded.manifest().scenario_given.clone();
        let run_of = RecordedRun::open(&folder)?;
        let snapshot = Snapshot::open(&written.path).map_err(|e| failed(&e))?;
        plan.restore = Some(Continuation { run: Some(run_of), snapshot: Some(snapshot) });
        let summary = run(app, plan, fork.stop, &mut |_| {})?;
        match summary.interrupted_by {
            Some(signal) => Err(RunError::Interrupted(signal)),
            None => Ok(summary),
        }
    }
}

/// What a future goes on with of what the run was asked for.
fn of_the_past(options: Options) -> Options {
    let Options { windows, digest_interval, .. } = options;
    Options { windows, digest_interval, ..Options::default() }
}

/// Makes the folder of both futures, which two forks can't have at once.
fn make(out: &Path) -> Result<(), RunError> {
    let around = out.parent().filter(|around| !around.as_os_str().is_empty());
    let made = around.map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::create_dir(out));
    made.map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            RunError::Usage(format!("--out: {} is there already, must be a new folder", out.display()))
        }
        _ => RunError::Usage(format!("--out: {}: {e}", out.display())),
    })
}

fn scenario(settings: &Value) -> Result<Scenario, RunError> {
    Ok(load("the run's settings", &settings.to_string(), &environment)?.scenario)
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What the past stands on can't be another in one of its futures.
fn check_past(same: &Scenario, other: &Scenario) -> Result<(), RunError> {
    let past = |scenario: &Scenario| {
        let group = |g: &corec_core::config::BlockGroup| {
            (
                g.id.clone(),
                g.kind.clone(),
                g.entities,
                g.entities_per_block,
                g.sections.get(Replicas::NAME).cloned(),
            )
        };
        (scenario.seed, scenario.tick_seconds, scenario.blocks.iter().map(group).collect::<Vec<_>>())
    };
    if past(same) == past(other) {
        return Ok(());
    }
    let fixed = "seed, tick_seconds, and of blocks: id, kind, entities, entities_per_block, replicas";
    Err(RunError::Usage(format!("--set: found a change of the past, must not be one of {fixed}")))
}
