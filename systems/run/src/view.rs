//! View: one read-only picture of a run, for whoever watches it.
//!
//! Between two ticks a new one takes the place of the last; a watcher has whole pictures, never touches the world, and never holds a
//! tick. Where nobody watches, none is made.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bevy_ecs::world::World;
use corec_bridges::lane::LaneReport;
use corec_bridges::store::StoreLane;
use corec_core::alert::Alerts;
use corec_core::block::Population;
use corec_core::bus::{BusHealth, RunBus};
use corec_core::executor::{Reports, SystemTiming};
use corec_core::stats::{BlockStats, Stats, Totals};
use corec_core::units::Tick;

/// A run between two ticks.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Finished ticks.
    pub tick: u64,
    /// Live entities.
    pub entities: u64,
    /// What the run has counted.
    pub totals: Totals,
    /// Every block as last measured, by its id.
    pub blocks: Vec<BlockStats>,
    /// What every system has cost so far.
    pub systems: Vec<SystemTiming>,
    /// Alerts raised so far.
    pub alerts_raised: u64,
    /// How it is with the bus.
    pub bus: BusHealth,
    /// How it is with the lane to the store.
    pub store: LaneReport,
}

impl View {
    /// The run of `world`, which is between two ticks.
    pub(crate) fn of(world: &World) -> Self {
        Self {
            tick: world.resource::<Tick>().0,
            entities: world.resource::<Population>().live(),
            totals: *world.resource::<Totals>(),
            blocks: world.resource::<Stats>().blocks.clone(),
            systems: world.resource::<Reports>().timings(),
            alerts_raised: world.resource::<Alerts>().raised(),
            bus: world.get_resource::<RunBus>().map(RunBus::health).unwrap_or_default(),
            store: world.get_resource::<StoreLane>().map(StoreLane::report).unwrap_or_default(),
        }
    }
}

/// Where the pictures of a run are shown. A clone of it watches.
///
/// ```
/// use corec_run::{CorecPlugin, Options, RunPlan, Stop, run, scenarios};
/// let mut scenario = scenarios::find("ecosystem", &|_| None)?.scenario;
/// scenarios::scale(&mut scenario, 1000)?;
/// scenario.store = "memory".into();
/// # #[expect(clippy::disallowed_methods)]
/// let mut plan = RunPlan::new(scenario, std::time::Instant::now());
/// # let folder = tempfile::tempdir()?;
/// # plan.out = Some(folder.path().join("run"));
/// plan.options = Options { ticks: Some(20), ..Options::default() };
/// let watch = plan.watch.clone();
/// let mut app = bevy_app::App::new();
/// app.add_plugins(CorecPlugin);
/// run(app, plan, &Stop::default(), &mut |_| {})?;
/// assert_eq!((watch.view().tick, watch.view().entities), (20, 1000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<Screen>);

#[derive(Debug, Default)]
struct Screen {
    view: Mutex<Arc<View>>,
    /// Whether somebody has looked since the last picture was made: a new one is wanted.
    is_looked_at: AtomicBool,
}

impl Watch {
    /// The newest picture; an empty one at first. Who looks is shown another within a tick, or a tenth of a second: none is made that
    /// nobody has asked for, but for the last one of a run.
    pub fn view(&self) -> Arc<View> {
        self.0.is_looked_at.store(true, Ordering::Relaxed);
        Arc::clone(&self.0.view.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether somebody has looked since it was last asked.
    pub(crate) fn is_looked_at(&self) -> bool {
        self.0.is_looked_at.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn show(&self, view: View) {
        *self.0.view.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
    }
}
