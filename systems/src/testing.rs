//! Tests of plugins: a headless app with a bus that can be cut, messages that can be damaged, and a store to look into.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bevy_app::App;
use bevy_ecs::world::World;
use corec_core::alert::Alert;
use corec_core::bus::{Bus, BusError, Entry, RunBus};
use corec_core::config::{BlockGroup, ConfigError, Scenario, Threads, load_plugin};
use corec_core::digest::Digest;
use corec_core::plugin::NamedPlugin;
use corec_core::simulation::{Simulation, SimulationError};
use corec_core::store::{Batch, RunRecord};

use crate::bus::MemoryBus;
use crate::plugins::PluginSet;
use crate::publish::ALERT_STREAM;
use crate::run::RunError;
use crate::store::{MemoryStore, StoreWriter};

/// A run in the making, for a test: a thousand cells, one thread, everything in memory.
pub struct TestApp {
    scenario: Scenario,
    plugins: PluginSet,
    changes: Vec<Change>,
}

/// What a plain Bevy plugin does to an app.
type Change = Box<dyn FnOnce(&mut App)>;

impl Default for TestApp {
    fn default() -> Self {
        let cells = BlockGroup { id: "cells".into(), entities: 1000, ..BlockGroup::default() };
        let scenario = Scenario {
            name: "test".into(),
            store: "memory".into(),
            threads: Threads::Count(1),
            blocks: vec![cells],
            ..Scenario::default()
        };
        Self { scenario, plugins: PluginSet::default(), changes: Vec::new() }
    }
}

impl TestApp {
    /// Another scenario.
    #[must_use]
    pub fn scenario(mut self, scenario: Scenario) -> Self {
        self.scenario = scenario;
        self
    }

    /// Worker threads.
    #[must_use]
    pub fn threads(mut self, threads: u32) -> Self {
        self.scenario.threads = Threads::Count(threads);
        self
    }

    /// Adds the plugin `P` with the text of a config.json. It has no folder: it reads and writes no files.
    ///
    /// # Errors
    /// A config that it does not take.
    pub fn plugin<P: NamedPlugin>(self, config: &str) -> Result<Self, RunError> {
        self.add::<P>(config, None)
    }

    /// As [`TestApp::plugin`], with a folder for its `models/` and `data/`.
    ///
    /// # Errors
    /// A config that it does not take.
    pub fn plugin_in<P: NamedPlugin>(self, folder: &Path, config: &str) -> Result<Self, RunError> {
        self.add::<P>(config, Some(folder))
    }

    fn add<P: NamedPlugin>(mut self, config: &str, folder: Option<&Path>) -> Result<Self, RunError> {
        let mut config = load_plugin("config.json", config, &|name| std::env::var(name).ok())
            .map_err(|e: ConfigError| RunError::Usage(e.to_string()))?;
        config.folder = folder.map(Path::to_path_buf);
        self.plugins = self.plugins.with::<P>(config)?;
        Ok(self)
    }

    /// Changes the app as a plain Bevy plugin would.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut App) + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// Starts it. A plugin whose `build` panics is left out, as in a run.
    ///
    /// # Errors
    /// What keeps a run from starting.
    pub fn start(mut self) -> Result<TestRun, SimulationError> {
        self.plugins.fits(&self.scenario)?;
        let mut app = self.plugins.app(&mut self.scenario);
        self.changes.into_iter().for_each(|change| change(&mut app));
        let (bus, store) = (TestBus::default(), MemoryStore::default());
        app.insert_resource(RunBus(Box::new(bus.clone())));
        let run = RunRecord {
            id: None,
            scenario: self.scenario.name.clone(),
            instance: self.scenario.instance_id.clone(),
            seed: self.scenario.seed,
            entities: 0,
            settings: String::new(),
            continues: false,
            is_old: false,
        };
        let writer = StoreWriter::start(Box::new(store.clone()), &run);
        let writer = writer.map_err(|e| SimulationError::Failed { tick: 0, message: e.to_string() })?;
        app.insert_resource(writer);
        Ok(TestRun { simulation: Simulation::new(app, self.scenario)?, bus, store })
    }
}

/// A run under test.
pub struct TestRun {
    /// The simulation.
    pub simulation: Simulation,
    /// The bus, from the other end.
    pub bus: TestBus,
    store: MemoryStore,
}

impl TestRun {
    /// Runs so many ticks.
    ///
    /// # Errors
    /// What ends a run.
    pub fn tick(&mut self, ticks: u64) -> Result<(), SimulationError> {
        self.simulation.run(ticks)
    }

    /// Ends the run: `Shutdown`, then everything is written to the store.
    ///
    /// # Errors
    /// A system that could not finish its work.
    pub fn shut_down(&mut self) -> Result<(), SimulationError> {
        self.simulation.shut_down()
    }

    /// The world.
    pub fn world(&mut self) -> &mut World {
        self.simulation.world_mut()
    }

    /// The digest of the state.
    pub fn digest(&self) -> Digest {
        self.simulation.digest()
    }

    /// The alerts on the bus so far.
    ///
    /// # Panics
    /// On an entry of the stream that is no alert.
    pub fn alerts(&self) -> Vec<Alert> {
        let entries = self.bus.published(ALERT_STREAM);
        entries
            .iter()
            .map(|entry| serde_json::from_slice(entry).expect("the stream carries alerts"))
            .collect()
    }

    /// What the store has; complete once the run was shut down.
    pub fn stored(&self) -> MutexGuard<'_, Batch> {
        self.store.content()
    }
}

/// A bus in memory that a test can cut, and whose entries it can damage on their way in.
#[derive(Clone, Default)]
pub struct TestBus {
    streams: MemoryBus,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Default)]
struct Faults {
    is_cut: bool,
    /// What was published while it was cut.
    held: Vec<(String, Vec<u8>)>,
    /// Stream -> what is done to its entries.
    damage: BTreeMap<String, fn(&mut Vec<u8>)>,
}

impl TestBus {
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the engine's connection: nothing comes in, and what is published waits.
    pub fn cut(&self) {
        self.faults().is_cut = true;
    }

    /// Connects it again: what waited is published.
    pub fn mend(&self) {
        let held = {
            let mut faults = self.faults();
            faults.is_cut = false;
            std::mem::take(&mut faults.held)
        };
        for (stream, data) in held {
            self.send(&stream, &data);
        }
    }

    /// Damages every entry that the engine reads from a stream from now on.
    pub fn damage(&self, stream: &str, how: fn(&mut Vec<u8>)) {
        self.faults().damage.insert(stream.into(), how);
    }

    /// Writes an entry as someone outside would.
    ///
    /// # Panics
    /// On an entry that is too large for a bus.
    pub fn send(&self, stream: &str, data: &[u8]) {
        self.streams.clone().publish(stream, data).expect("an entry that a bus takes");
    }

    /// Every entry of a stream, whoever wrote it.
    pub fn published(&self, stream: &str) -> Vec<Vec<u8>> {
        let entries = self.streams.clone().read(stream, 0, usize::MAX).unwrap_or_default();
        entries.into_iter().map(|entry| entry.data).collect()
    }
}

impl Bus for TestBus {
    fn publish(&mut self, stream: &str, data: &[u8]) -> Result<(), BusError> {
        let mut faults = self.faults();
        if faults.is_cut {
            faults.held.push((stream.into(), data.into()));
            return Ok(());
        }
        drop(faults);
        self.streams.publish(stream, data)
    }

    fn read(&mut self, stream: &str, after: u64, max: usize) -> Result<Vec<Entry>, BusError> {
        let (is_cut, damage) = {
            let faults = self.faults();
            (faults.is_cut, faults.damage.get(stream).copied())
        };
        let mut entries = if is_cut { Vec::new() } else { self.streams.read(stream, after, max)? };
        if let Some(damage) = damage {
            entries.iter_mut().for_each(|entry| damage(&mut entry.data));
        }
        Ok(entries)
    }
}
