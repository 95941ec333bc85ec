//! The simulation: owns the world and the team of threads, and runs the tick.

mod ending;
mod error;
mod pauses;
mod schedules;

mod engine;
mod setup;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Duration;

use bevy_app::App;
use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;

use crate::block::Population;
use crate::config::{Scenario, Threads};
use crate::digest::Digest;
use crate::executor::{Reports, SystemTiming};
use crate::guard::StructureError;
use crate::observers;
use crate::phase::Owners;
use crate::plugin::BuildFailures;
use crate::populate::{populate, populate_as};
use crate::section::Sections;
use crate::snapshot::Snapshot;
use crate::team::Team;
use crate::trace::Trace;
use crate::turns::Turns;
use crate::units::Tick;

pub use ending::{Ending, StoppedPlugins};
pub use error::SimulationError;
pub use pauses::{PauseWishes, PausedPlugins};

use engine::Engine;
use schedules::build_schedules;
use setup::{check_memory, check_non_send, prepare, tell_of_build_failures};

/// The scenario of the run, for systems that want to know.
#[derive(Resource, Clone, Debug)]
pub struct RunScenario(pub Scenario);

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

    /// Runs the schedules [`Shutdown`](crate::phase::Shutdown) and [`Close`](crate::phase::Close), once.
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
