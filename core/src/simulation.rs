//! The simulation: owns the world and the team of threads, and runs the tick.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bevy_app::{App, AppExit, MainScheduleOrder, SubApp, Update};
use bevy_ecs::message::Messages;
use bevy_ecs::resource::Resource;
use bevy_ecs::schedule::{IntoScheduleConfigs, Schedule, Schedules};
use bevy_ecs::system::{System, SystemAccess};
use bevy_ecs::world::World;
use bevy_time::{Fixed, Time, TimePlugin, TimeUpdateStrategy, Virtual};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::alert::{AlertAuthors, Alerts, PluginRules, ToldSignals};
use crate::block::{Directory, KindTable, Population};
use crate::blocks::panic_message;
use crate::clock::{self, Clocks};
use crate::config::{ConfigError, OnPluginError, Scenario, Threads};
use crate::digest::{Digest, FORMAT, Saved, SavedResources};
use crate::executor::{self, Ambiguity, Failure, Reports, SystemTiming};
use crate::guard::StructureError;
use crate::journal::Journal;
use crate::kind::{Kinds, Recycled};
use crate::memory::{self, Need};
use crate::observers;
use crate::outputs::Outputs;
use crate::phase::{Close, Owner, Owners, Phase, Shutdown};
use crate::plugin::{Budgets, BuildFailures};
use crate::populate::{PopulateError, RestoreError, populate, populate_as};
use crate::section::Sections;
use crate::snapshot::{Snapshot, SnapshotError};
use crate::stats::{Stats, Totals};
use crate::team::{Meter, Team};
use crate::trace::Trace;
use crate::turns::Turns;
use crate::units::{Epoch, MemoryMax, Tick};

/// The scenario of the run, for systems that want to know.
#[derive(Resource, Clone, Debug)]
pub struct RunScenario(pub Scenario);

/// How systems end a run: the tick in hand is finished first.
#[derive(Resource, Clone, Default, Debug)]
pub struct Ending {
    /// There is nothing more to do: an input has ended.
    pub is_finished: bool,
    /// The run can't go on, and why.
    pub failure: Option<String>,
}

impl Ending {
    /// Ends the run with an error; the first one counts.
    pub fn fail(&mut self, why: impl ToString) {
        self.failure.get_or_insert_with(|| why.to_string());
    }
}

/// The plugins that failures have stopped. Part of the state: they stay stopped in a restored run.
#[derive(Resource, Default, Serialize, Deserialize)]
pub struct StoppedPlugins(pub BTreeSet<String>);

impl Saved for StoppedPlugins {
    const NAME: &'static str = "stopped_plugins";
}

/// Why a simulation can't start or go on.
#[derive(Debug, Error)]
pub enum SimulationError {
    /// A setting is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The scenario can't be populated.
    #[error(transparent)]
    Populate(#[from] PopulateError),
    /// It would need more memory than it may.
    #[error(
        "memory_max: found a need of {needed} MB, must be at most {limit} MB ({setting}): fewer entities, or a higher --memory-max\n{table}"
    )]
    Memory {
        /// Megabytes needed.
        needed: u64,
        /// Megabytes allowed.
        limit: u64,
        /// The setting that allows them.
        setting: String,
        /// The need by kind.
        table: String,
    },
    /// A schedule can't be built.
    #[error("schedule {schedule}: {message}")]
    Schedule {
        /// The schedule.
        schedule: String,
        /// What bevy_ecs says of it.
        message: String,
    },
    /// Systems of one plugin conflict and have no declared order.
    #[error("{}", list(.0))]
    Ambiguous(Vec<Ambiguity>),
    /// A system would write the tick.
    #[error("system '{0}': found ResMut<Tick>, must be Res<Tick>: the engine counts the ticks")]
    WritesTick(String),
    /// Two resources are to be saved under one name.
    #[error("saved resource '{0}': found two types of that name, must be one: two plugins need two names")]
    SavedTwice(&'static str),
    /// Something that may only be used on one thread was made on another than the run's.
    #[error(
        "non-send resource '{0}': found one of the thread that builds the app, must be made on the run's own: insert it in a Startup \
         system, |world: &mut World| world.insert_non_send(..)"
    )]
    NonSend(String),
    /// The thread pool can't be made.
    #[error("threads: found {count}, but the pool could not be started: {message}")]
    Threads {
        /// Threads asked for; 0 for all.
        count: usize,
        /// What the system says.
        message: String,
    },
    /// A system failed that the run can't do without.
    #[error("tick {tick}: {failure}")]
    System {
        /// The tick in which it failed.
        tick: u64,
        /// The failure.
        failure: Failure,
    },
    /// A snapshot can't be restored.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Someone changed block rows behind the engine's back.
    #[error("tick {tick}: {error}")]
    Structure {
        /// The tick in which it was noticed.
        tick: u64,
        /// What was noticed.
        error: StructureError,
    },
    /// A system ended the run with an error.
    #[error("tick {tick}: {message}")]
    Failed {
        /// The tick.
        tick: u64,
        /// What it said.
        message: String,
    },
}

impl From<RestoreError> for SimulationError {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Populate(error) => error.into(),
            RestoreError::Snapshot(error) => error.into(),
        }
    }
}

fn list(ambiguities: &[Ambiguity]) -> String {
    ambiguities.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A run: a populated world, its schedules on the executor, and the team they run on.
///
/// ```
/// use bevy_app::{App, Update};
/// use corec_core::{blocks::Blocks, column::Signal, kind::{AddKind, Kind}, phase::Phase};
/// use corec_core::{config::{BlockGroup, Scenario}, simulation::Simulation};
/// use bevy_ecs::schedule::IntoScheduleConfigs;
///
/// fn grow(blocks: Blocks<&mut Signal>) {
///     blocks.par_for_each(|signal| signal.iter_mut().for_each(|s| s.value += 1.0));
/// }
///
/// let mut app = App::new();
/// app.add_kind(Kind::new("plant").with::<Signal>()).add_systems(Update, grow.in_set(Phase::Process));
/// let group = BlockGroup { id: "field".into(), kind: "plant".into(), entities: 5000, ..Default::default() };
/// let mut simulation = Simulation::new(app, Scenario { blocks: vec![group], ..Default::default() })?;
/// simulation.run(10)?;
/// assert_eq!(simulation.tick(), 10);
/// # Ok::<(), corec_core::simulation::SimulationError>(())
/// ```
pub struct Simulation {
    engine: Engine,
    team: Team,
}

impl Simulation {
    /// Builds a run: checks the kinds and the memory, spawns every entity, builds every schedule.
    ///
    /// # Errors
    /// See [`SimulationError`]; nothing has run then.
    pub fn new(app: App, scenario: Scenario) -> Result<Self, SimulationError> {
        Self::build(app, scenario, None)
    }

    /// Builds a run that goes on from a snapshot. `scenario` is the snapshot's, or differs from it in nothing that its
    /// rows depend on. `Startup` runs, then everything saved is put back over what it did; plain Bevy entities, `Local`s
    /// and resources that are not saved are as at the start of a run.
    ///
    /// # Errors
    /// See [`SimulationError`]; nothing has run then.
    pub fn restore(app: App, scenario: Scenario, snapshot: &Snapshot) -> Result<Self, SimulationError> {
        Self::build(app, scenario, Some(snapshot))
    }

    fn build(
        mut app: App,
        mut scenario: Scenario,
        snapshot: Option<&Snapshot>,
    ) -> Result<Self, SimulationError> {
        scenario.check(scenario.source_name())?;
        app.world_mut().get_resource_or_init::<Sections>().complete(&mut scenario)?;
        let bytes_max = check_memory(app.world_mut(), &scenario)?;
        let threads = match scenario.threads {
            // Counts what the scheduler's mask and the cgroup's quota leave.
            Threads::All => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            Threads::Count(n) => n as usize,
        };
        let team = Team::new(threads)
            .map_err(|e| SimulationError::Threads { count: threads, message: e.to_string() })?;
        let reports = Reports::default();
        reports.set_max_failures(scenario.max_failures);
        prepare(&mut app, &scenario, &reports)?;
        app.finish();
        app.cleanup();
        check_non_send(app.world())?;
        Sections::insert(app.world_mut(), &scenario)?;
        let mut main = std::mem::take(app.main_mut());
        tell_of_build_failures(main.world_mut(), scenario.on_plugin_error)?;
        observers::arrange(main.world_mut());
        team.enter(|| -> Result<(), SimulationError> {
            match snapshot {
                None => populate(main.world_mut(), &scenario)?,
                Some(snapshot) => populate_as(main.world_mut(), &scenario, snapshot)?,
            }
            let world = main.world_mut();
            world.resource_mut::<Population>().bytes_max = bytes_max;
            let intervals = world.get_resource::<Owners>().map(Owners::intervals).unwrap_or_default();
            world.resource_mut::<Turns>().set_intervals(intervals);
            build_schedules(world, &reports)
        })?;
        let on_plugin_error = scenario.on_plugin_error;
        let step = Duration::from_secs_f64(scenario.tick_seconds);
        main.world_mut().insert_resource(RunScenario(scenario));
        let mut engine =
            Engine { main, reports, on_plugin_error, is_shut_down: false, meter: team.meter(), step };
        if let Some(snapshot) = snapshot {
            team.enter(|| engine.resume(snapshot))?;
        }
        Ok(Self { engine, team })
    }

    /// Runs one tick. A caller with a loop of its own is better served by [`Simulation::run_while`], which enters the
    /// pool once.
    ///
    /// # Errors
    /// See [`SimulationError`].
    pub fn step(&mut self) -> Result<(), SimulationError> {
        let engine = &mut self.engine;
        self.team.enter(|| engine.step())
    }

    /// Runs `ticks` ticks, or fewer if an input or a system ends the run.
    ///
    /// # Errors
    /// See [`SimulationError`].
    pub fn run(&mut self, ticks: u64) -> Result<(), SimulationError> {
        let mut left = ticks;
        self.run_while(|_| {
            left = left.wrapping_sub(1);
            if left == u64::MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }

    /// Asks `go_on` before every tick, on a thread of the pool, until it breaks or the run has ended.
    ///
    /// # Errors
    /// See [`SimulationError`].
    pub fn run_while(
        &mut self,
        mut go_on: impl FnMut(&mut World) -> ControlFlow<()> + Send,
    ) -> Result<(), SimulationError> {
        let engine = &mut self.engine;
        self.team.enter(|| {
            while !engine.is_finished() && go_on(engine.main.world_mut()).is_continue() {
                engine.step()?;
            }
            Ok(())
        })
    }

    /// Runs the schedules [`Shutdown`] and [`Close`], once.
    ///
    /// # Errors
    /// [`SimulationError::System`] or [`SimulationError::Failed`] if a system could not finish its work.
    pub fn shut_down(&mut self) -> Result<(), SimulationError> {
        let engine = &mut self.engine;
        self.team.enter(|| engine.shut_down())
    }

    /// Finished ticks.
    pub fn tick(&self) -> u64 {
        self.world().resource::<Tick>().0
    }

    /// The world.
    pub fn world(&self) -> &World {
        self.engine.main.world()
    }

    /// The world, to change between ticks.
    pub fn world_mut(&mut self) -> &mut World {
        self.engine.main.world_mut()
    }

    /// Whether the rows are as the engine laid them.
    ///
    /// # Errors
    /// What someone else did to them; the digest means nothing then.
    pub fn check(&self) -> Result<(), StructureError> {
        self.world().resource::<Population>().check(self.world())
    }

    /// The digest of the state.
    ///
    /// # Panics
    /// If rows are missing: see [`Simulation::check`].
    pub fn digest(&self) -> Digest {
        self.in_pool(Digest::of)
    }

    /// Looks at the world on the pool's threads: what runs in parallel there uses them and no others.
    pub fn in_pool<R: Send>(&self, look: impl FnOnce(&World) -> R + Send) -> R {
        let world = self.world();
        self.team.enter(|| look(world))
    }

    /// As [`Simulation::in_pool`], to change the world between ticks.
    pub fn in_pool_mut<R: Send>(&mut self, work: impl FnOnce(&mut World) -> R + Send) -> R {
        let engine = &mut self.engine;
        self.team.enter(|| work(engine.main.world_mut()))
    }

    /// What every system has cost so far.
    pub fn timings(&self) -> Vec<SystemTiming> {
        self.engine.reports.timings()
    }

    /// The plugins that were stopped, or could not be built.
    pub fn stopped_plugins(&self) -> BTreeSet<&'static str> {
        let unbuilt = self.world().get_resource::<BuildFailures>();
        let unbuilt = unbuilt.into_iter().flat_map(|failures| &failures.0).map(|(plugin, _)| *plugin);
        self.engine.reports.stopped().into_iter().chain(unbuilt).collect()
    }

    /// Keeps which thread runs what and when, from now on.
    pub fn record_trace(&mut self) -> Trace {
        let trace = Trace::new(self.threads());
        self.engine.reports.set_trace(trace.clone());
        self.world_mut().insert_resource(trace.clone());
        trace
    }

    /// The share of the time of all ticks in which all threads worked; the rest is time in which some waited for others. None with
    /// one thread, or before the first tick.
    pub fn parallel_share(&self) -> Option<f64> {
        self.engine.meter.parallel_share()
    }

    /// Worker threads.
    pub fn threads(&self) -> usize {
        self.team.threads()
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        // What belongs to one thread may only be dropped there.
        let world = self.engine.main.world_mut();
        if !world.storages().non_sends.is_empty() {
            self.team.enter(|| world.clear_non_send());
        }
    }
}

/// What runs on the team.
struct Engine {
    main: SubApp,
    reports: Reports,
    on_plugin_error: OnPluginError,
    is_shut_down: bool,
    meter: Meter,
    /// The duration of a tick.
    step: Duration,
}

impl Engine {
    fn step(&mut self) -> Result<(), SimulationError> {
        let world = self.main.world_mut();
        let tick = world.resource::<Tick>().0;
        Turns::begin(world, tick);
        self.meter.meter(|| self.main.update());
        let world = self.main.world_mut();
        world.resource_mut::<Turns>().end();
        world.resource_mut::<Tick>().0 += 1;
        Clocks::note(world, tick + 1, self.step);
        AlertAuthors::note(world);
        let intact = world.resource::<Population>().check(world);
        intact.map_err(|error| SimulationError::Structure { tick, error })?;
        self.judge_failures(tick, false)?;
        self.failure(tick)
    }

    /// Runs `Startup` by itself, for Bevy would run it in the first tick, over what is put back here.
    fn resume(&mut self, snapshot: &Snapshot) -> Result<(), SimulationError> {
        let (step, world) = (self.step, self.main.world_mut());
        let head = snapshot.head();
        world.insert_resource(Epoch(head.epoch));
        world.resource_mut::<Alerts>().set_epoch(Epoch(head.epoch));
        for label in std::mem::take(&mut world.resource_mut::<MainScheduleOrder>().startup_labels) {
            _ = world.try_run_schedule(label);
        }
        self.judge_failures(head.tick, true)?;
        self.failure(head.tick)?;
        let world = self.main.world_mut();
        world.insert_resource(Tick(head.tick));
        clock::set_regular(world, head.tick, step);
        snapshot.fill(world)?;
        AlertAuthors::set(world);
        if snapshot.has_resource(Clocks::NAME) {
            Clocks::set(world).map_err(|message| snapshot.foreign(message))?;
        } else {
            Clocks::note(world, head.tick, step);
        }
        // A plugin that was stopped stays so.
        let stopped =
            world.get_resource::<StoppedPlugins>().map(|stopped| stopped.0.clone()).unwrap_or_default();
        let plugins = world.get_resource::<Budgets>().cloned().unwrap_or_default().0;
        for (plugin, _) in plugins.iter().filter(|(plugin, _)| stopped.contains(*plugin)) {
            self.reports.stop(plugin);
        }
        // What is saved now and was not then, by a newer version or a plugin that the run had not, begins anew.
        let found =
            Digest::of_those(world, &|saved| saved.since <= FORMAT && snapshot.has_resource(saved.name))
                .value;
        if found != head.digest {
            let message = format!(
                "found a state of digest {found:016x}, must be {:016x}: a plugin changed what it saves",
                head.digest
            );
            return Err(snapshot.foreign(message).into());
        }
        Ok(())
    }

    fn shut_down(&mut self) -> Result<(), SimulationError> {
        if std::mem::replace(&mut self.is_shut_down, true) {
            return Ok(());
        }
        let world = self.main.world_mut();
        let tick = world.resource::<Tick>().0;
        _ = world.try_run_schedule(Shutdown);
        // Whatever failed: what was said of it must get out.
        let judged = self.judge_failures(tick, true);
        _ = self.main.world_mut().try_run_schedule(Close);
        judged.and_then(|()| self.judge_failures(tick, true))?;
        self.failure(tick)
    }

    /// Tells of failed systems. Ends the run if it can't do without one, else stops the plugin that it belongs to.
    fn judge_failures(&mut self, tick: u64, is_end: bool) -> Result<(), SimulationError> {
        for failure in self.reports.take_failures() {
            tracing::error!(tick, stopped = failure.stopped, "{failure}");
            let name = if failure.stopped { "system_stopped" } else { "system_error" };
            self.main.world_mut().resource_mut::<Alerts>().publish("", name, &failure.system, 1.0, 1, tick);
            if !failure.stopped {
                continue;
            }
            // What a stopped system would have written is missing from now on: only one that writes nothing others
            // read, and that is not the engine's, may stop without the run.
            let needed = failure.writes || failure.owner == Some(Owner::BuiltIn);
            match failure.owner {
                _ if needed || self.on_plugin_error == OnPluginError::FailRun => {
                    return Err(SimulationError::System { tick, failure });
                }
                Some(Owner::Plugin(plugin)) => {
                    self.reports.stop(plugin);
                    let mut stopped = self.main.world_mut().get_resource_or_init::<StoppedPlugins>();
                    stopped.0.insert(plugin.into());
                }
                // Nobody would hear of what a plain system did not do at the end.
                _ if is_end => return Err(SimulationError::System { tick, failure }),
                _ => {}
            }
        }
        Ok(())
    }

    fn failure(&self, tick: u64) -> Result<(), SimulationError> {
        let world = self.main.world();
        let exits = world.get_resource::<Messages<AppExit>>();
        if exits.is_some_and(|exits| exits.iter_current_update_messages().any(AppExit::is_error)) {
            return Err(SimulationError::Failed {
                tick,
                message: "a plugin ended the app with an error".into(),
            });
        }
        match &world.resource::<Ending>().failure {
            Some(message) => Err(SimulationError::Failed { tick, message: message.clone() }),
            None => Ok(()),
        }
    }

    /// A plain plugin ends a run as it would end an app.
    fn is_finished(&self) -> bool {
        let world = self.main.world();
        let exit = world.get_resource::<Messages<AppExit>>().is_some_and(|exits| !exits.is_empty());
        exit || world.resource::<Ending>().is_finished
    }
}

/// Tells of plugins that could not be built, or refuses to run without them.
fn tell_of_build_failures(world: &mut World, on_plugin_error: OnPluginError) -> Result<(), SimulationError> {
    for (plugin, message) in world.get_resource::<BuildFailures>().cloned().unwrap_or_default().0 {
        if on_plugin_error == OnPluginError::FailRun {
            let message = format!("plugin '{plugin}' panicked in build: {message}");
            return Err(SimulationError::Failed { tick: 0, message });
        }
        tracing::error!("plugin '{plugin}' panicked in build, the run goes on without it: {message}");
        world.resource_mut::<Alerts>().publish("", "plugin_stopped", plugin, 1.0, 1, 0);
    }
    Ok(())
}

/// Whether the scenario fits; gives what it may need.
fn check_memory(world: &mut World, scenario: &Scenario) -> Result<Option<u64>, SimulationError> {
    let mut kinds = world.get_resource_or_init::<Kinds>();
    if let Some(refused) = kinds.take_refusal() {
        return Err(PopulateError::from(refused).into());
    }
    let need = Need::of(&kinds, scenario)?;
    let max: MemoryMax = scenario.memory_max.parse().unwrap_or(MemoryMax::Share(0.9));
    let limit = memory::limit(max);
    match limit {
        Some(limit) if need.bytes > limit => Err(SimulationError::Memory {
            needed: need.bytes / 1_000_000,
            limit: limit / 1_000_000,
            setting: scenario.memory_max.clone(),
            table: need.to_string(),
        }),
        limit => Ok(limit),
    }
}

/// Systems run on the team's threads, and what is not Send on its first one: nothing of the kind may be there before.
fn check_non_send(world: &World) -> Result<(), SimulationError> {
    let present = world.storages().non_sends.iter().find(|(_, data)| data.is_present());
    let name = |id| world.components().get_name(id).map(|name| name.shortname().to_string());
    present.map_or(Ok(()), |(id, _)| Err(SimulationError::NonSend(name(id).unwrap_or_default())))
}

/// The resources and sets that every run has.
fn prepare(app: &mut App, scenario: &Scenario, reports: &Reports) -> Result<(), SimulationError> {
    if !app.is_plugin_added::<TimePlugin>() {
        app.add_plugins(TimePlugin);
    }
    // Simulated time: every tick is `tick_seconds`, FixedUpdate included, and nothing is ever late.
    let step = Duration::from_secs_f64(scenario.tick_seconds);
    app.insert_resource(TimeUpdateStrategy::ManualDuration(step));
    // What a plugin has set stays; bevy_time's own values stand for nothing having been set.
    if app.world().resource::<Time<Fixed>>().timestep() == Time::<Fixed>::default().timestep() {
        app.insert_resource(Time::<Fixed>::from_duration(step));
    }
    let mut clock = app.world_mut().resource_mut::<Time<Virtual>>();
    if clock.max_delta() == Time::<Virtual>::default().max_delta() {
        clock.set_max_delta(Duration::MAX);
    }
    app.insert_resource(Clocks::default());
    Clocks::note(app.world_mut(), 0, step);
    app.configure_sets(
        Update,
        (Phase::Ingest, Phase::Process, Phase::Measure, Phase::Audit, Phase::Repair, Phase::Publish).chain(),
    );
    app.init_schedule(Shutdown).init_schedule(Close);
    app.init_resource::<Tick>().init_resource::<Ending>().init_resource::<Stats>().init_resource::<Totals>();
    app.init_resource::<Epoch>().init_resource::<Population>().init_resource::<Directory>();
    app.insert_resource(reports.clone());
    let world = app.world_mut();
    world.init_resource::<ToldSignals>();
    let of_plugins = world.get_resource_or_init::<PluginRules>().checked(scenario)?.to_vec();
    let told = world.resource::<ToldSignals>().check(scenario, &of_plugins);
    match told {
        // What a plugin that is not there would have told of is not known.
        Err(error)
            if world.get_resource::<BuildFailures>().is_some_and(|failures| !failures.0.is_empty()) =>
        {
            tracing::warn!("{error}");
        }
        told => told?,
    }
    let alerts = Alerts::new(scenario, &of_plugins);
    app.insert_resource(alerts)
        .init_resource::<AlertAuthors>()
        .init_resource::<Journal>()
        .init_resource::<Outputs>();
    let mut saved = app.world_mut().get_resource_or_init::<SavedResources>();
    saved.add::<Stats>();
    saved.add::<Totals>();
    saved.add::<Alerts>();
    saved.add::<StoppedPlugins>();
    saved.add::<Clocks>();
    saved.add::<Outputs>();
    saved.add::<Turns>();
    saved.add::<AlertAuthors>();
    match saved.taken_twice() {
        Some(name) => Err(SimulationError::SavedTwice(name)),
        None => Ok(()),
    }
}

/// Builds every schedule on the executor; a schedule that can't be built is an error, never a panic.
fn build_schedules(world: &mut World, reports: &Reports) -> Result<(), SimulationError> {
    let mut labels: Vec<_> =
        world.resource::<Schedules>().iter().map(|(_, schedule)| schedule.label()).collect();
    labels.sort_by_key(|label| format!("{label:?}"));
    for label in labels {
        let Some(mut schedule) = world.resource_mut::<Schedules>().remove(label) else { continue };
        executor::install(&mut schedule, reports);
        // bevy_ecs panics on a system whose own parameters conflict.
        let built = catch_unwind(AssertUnwindSafe(|| {
            schedule.initialize(world).map(drop).map_err(|error| error.to_string(schedule.graph(), world))
        }));
        let result = built.unwrap_or_else(|payload| Err(panic_message(&*payload)));
        let result =
            result.map_err(|message| SimulationError::Schedule { schedule: format!("{label:?}"), message });
        warn_of_unseen_kinds(world, &schedule);
        world.resource_mut::<Schedules>().insert(schedule);
        result?;
    }
    if let Some(system) = reports.tick_writers().into_iter().next() {
        return Err(SimulationError::WritesTick(system));
    }
    let (errors, warnings): (Vec<_>, Vec<_>) = reports.ambiguities().into_iter().partition(|a| a.is_error);
    if let Some(first) = warnings.first() {
        let more = warnings.len() - 1;
        tracing::warn!(more, "systems of plain Bevy plugins run in the order they were added: {first}");
    }
    if errors.is_empty() { Ok(()) } else { Err(SimulationError::Ambiguous(errors)) }
}

/// Warns of plain queries that would find rows of a recycled kind, were those not hidden from them.
fn warn_of_unseen_kinds(world: &World, schedule: &Schedule) {
    let (Some(recycled), Ok(systems)) = (world.component_id::<Recycled>(), schedule.systems_with_access())
    else {
        return;
    };
    for (_, system) in systems {
        let SystemAccess::Shared(access) = system.access() else { continue };
        for query in access.filtered_accesses() {
            let hides = query.without_filters().any(|id| id == recycled);
            let is_met = |kind: &KindTable| {
                let mut wanted = query.required().iter().peekable();
                wanted.peek().is_some()
                    && wanted.all(|id| kind.columns().iter().any(|column| column.id == id))
            };
            let unseen =
                world.resource::<Population>().kinds().iter().find(|kind| kind.is_recycled() && is_met(kind));
            if let (true, Some(kind)) = (hides, unseen) {
                let (system, kind) = (system.name(), kind.name());
                tracing::warn!(
                    "system '{system}' has a Query that sees nothing of the recycled kind '{kind}': use Blocks"
                );
            }
        }
    }
}
