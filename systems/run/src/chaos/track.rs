//! The track of a run: its fitness and faults tick by tick, and the alerts that it raised.
//!
//! Series are read between ticks, alerts from the stream that the run wrote, on a bus in memory: nothing is added to the run. What it would
//! log is left out: the run itself has said it, and its alerts say it again.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bevy_app::App;
use bevy_ecs::world::World;
use corec_bridges::bus::MemoryBus;
use corec_bridges::publish::ALERT_STREAM;
use corec_core::alert::{Alert, AlertState};
use corec_core::block::Population;
use corec_core::bus::RunBus;
use corec_core::config::Scenario;
use corec_core::simulation::Simulation;
use corec_core::stats::Stats;
use corec_core::stop::Stop;
use corec_core::units::Tick;
use corec_dynamics::chaos::{Entry, Ledger};
use serde::Serialize;
use tracing::subscriber::{NoSubscriber, set_default};

use super::truth::{Truth, truth};
use crate::built_in::CorecPlugin;
use crate::error::{RunError, refusal};

/// An alert that a run has raised.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Raised {
    /// The tick.
    pub tick: u64,
    /// Its name.
    pub name: String,
    /// Whom it is about.
    pub subject: String,
    /// The block that it is about; null for others.
    pub block: Option<u32>,
}

/// What was seen of a run.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// The alerts that it raised, oldest first.
    pub alerts: Vec<Raised>,
    /// Mean fitness over the live entities, by tick.
    pub fitness: Vec<f64>,
    /// The share of the live entities that was inactive when measured, by tick.
    pub fault_ratio: Vec<f64>,
    /// The fitness of the blocks that are looked at, by id and tick.
    pub blocks: BTreeMap<u32, Vec<f32>>,
    /// The events that were injected, and what became of them.
    pub entries: Vec<Entry>,
    /// The digest of the state at the end, 16 hex digits.
    pub digest: String,
}

/// A run that is about to be watched.
pub(super) struct Watching {
    simulation: Simulation,
    bus: MemoryBus,
}

impl Watching {
    pub fn new(mut app: App, scenario: Scenario) -> Result<Self, RunError> {
        if !app.is_plugin_added::<CorecPlugin>() {
            app.add_plugins(CorecPlugin);
        }
        let bus = MemoryBus::default();
        app.insert_resource(RunBus::new(Box::new(bus.clone())));
        let simulation = Simulation::new(app, scenario).map_err(refusal)?;
        Ok(Self { simulation, bus })
    }

    /// What goes wrong in it.
    pub fn truth(&self) -> Vec<Truth> {
        truth(self.simulation.world())
    }

    /// Live entities.
    pub fn entities(&self) -> u64 {
        self.simulation.world().resource::<Population>().live()
    }

    /// Runs it to its end, with an eye on these blocks.
    pub fn watch(
        mut self,
        ticks: u64,
        blocks: &[u32],
        stop: &Stop,
        progress: &mut (dyn FnMut() + Send),
    ) -> Result<Track, RunError> {
        let mut seen = Seen { track: Track::default(), names: BTreeMap::new(), block_count: 0 };
        seen.track.blocks = blocks.iter().map(|block| (*block, Vec::new())).collect();
        let mut is_silent = false;
        let ran = self.simulation.run_while(|world| {
            if !std::mem::replace(&mut is_silent, true) {
                // For as long as the thread lives, which is this simulation's own and ends with it.
                std::mem::forget(set_default(NoSubscriber::default()));
            }
            seen.look(world);
            progress();
            match stop.is_set() || world.resource::<Tick>().0 >= ticks {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        ran.map_err(|e| RunError::Failed(e.to_string()))?;
        if let Some(signal) = stop.signal() {
            return Err(RunError::Interrupted(signal));
        }
        // A run that ended by itself was not looked at once more.
        seen.look(self.simulation.world());
        seen.track.digest = self.simulation.digest().to_string();
        let ledger = self.simulation.world().get_resource::<Ledger>();
        seen.track.entries = ledger.map(|ledger| ledger.entries().to_vec()).unwrap_or_default();
        self.simulation.shut_down().map_err(|e| RunError::Failed(e.to_string()))?;
        for entry in self.bus.entries(ALERT_STREAM) {
            let alert: Result<Alert, _> = serde_json::from_slice(&entry);
            let Some(alert) = alert.ok().filter(|alert| alert.state == AlertState::Raised) else { continue };
            let block = seen.names.get(&alert.subject).copied();
            let Alert { tick, name, subject, .. } = alert;
            seen.track.alerts.push(Raised { tick, name, subject, block });
        }
        Ok(seen.track)
    }
}

struct Seen {
    track: Track,
    /// The blocks that there have been, by name.
    names: BTreeMap<String, u32>,
    block_count: usize,
}

impl Seen {
    /// Looks at the tick that has ended, if there is one that it has not seen.
    fn look(&mut self, world: &World) {
        let population = world.resource::<Population>();
        if population.block_count() != self.block_count {
            self.block_count = population.block_count();
            let blocks = population.blocks().map(|block| block.id());
            self.names.extend(blocks.map(|id| (population.block_name(id), id.0)));
        }
        if world.resource::<Tick>().0 != self.track.fitness.len() as u64 + 1 {
            return;
        }
        let stats = world.resource::<Stats>();
        let sum = |of: fn(&corec_core::stats::BlockStats) -> u32| -> u64 {
            stats.blocks.iter().map(|block| u64::from(of(block))).sum()
        };
        let (live, active) = (sum(|block| block.live), sum(|block| block.active));
        self.track.fitness.push(stats.fitness().unwrap_or(0.0));
        self.track.fault_ratio.push((live - active) as f64 / live.max(1) as f64);
        for (block, series) in &mut self.track.blocks {
            series.push(stats.blocks.get(*block as usize).map_or(0.0, |stats| stats.fitness));
        }
    }
}
