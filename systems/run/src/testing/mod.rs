//! Tests of plugins: a headless app with a bus that can be cut, messages that can be damaged, and a store to look into. It can be
//! killed at any tick, and restored.

mod bus;

use std::path::Path;
use std::sync::MutexGuard;

use bevy_app::App;
use bevy_ecs::world::World;
use corec_bridges::publish::ALERT_STREAM;
use corec_bridges::store::{MemoryStore, StoreLane};
use corec_core::alert::Alert;
use corec_core::bus::RunBus;
use corec_core::config::{BlockGroup, ConfigError, Scenario, Threads, load_plugin};
use corec_core::digest::Digest;
use corec_core::journal::Journal;
use corec_core::plugin::NamedPlugin;
use corec_core::simulation::{Simulation, SimulationError};
use corec_core::snapshot::{About, Snapshot, SnapshotFolder, write_in_place};
use corec_core::store::{Batch, RunRecord};
use corec_core::units::RunId;

use crate::error::RunError;
use crate::plugin_set::PluginSet;
use crate::temp_folder::TempFolder;

pub use bus::TestBus;

/// The run that a journal of a test is of: nobody else reads it.
const ID: RunId = RunId(1);

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
    pub fn start(self) -> Result<TestRun, SimulationError> {
        let folder = TempFolder::new("corec-test").map_err(failed)?;
        let journal = Journal::record_in(&folder.path().join("journal"), ID, false).map_err(failed)?;
        let killed =
            KilledRun { folder, snapshot: None, bus: TestBus::default(), store: MemoryStore::default() };
        self.build(killed, journal)
    }

    /// Goes on with a run that was killed: from its last snapshot, or its beginning, with what its journal has since. The app must be
    /// made as that of the run was.
    ///
    /// ```
    /// use corec_run::testing::TestApp;
    /// let mut whole = TestApp::default().start()?;
    /// whole.tick(30)?;
    /// let mut run = TestApp::default().start()?;
    /// run.tick(10)?;
    /// run.snapshot()?;
    /// run.tick(5)?;
    /// let mut run = TestApp::default().restore(run.kill())?;
    /// assert_eq!(run.simulation.tick(), 10);
    /// run.tick(20)?;
    /// assert_eq!(run.digest(), whole.digest());
    /// # Ok::<(), corec_core::simulation::SimulationError>(())
    /// ```
    ///
    /// # Errors
    /// What keeps a run from starting, or a state that is not the app's.
    pub fn restore(self, killed: KilledRun) -> Result<TestRun, SimulationError> {
        let sequence = killed.snapshot.as_ref().map_or(0, |snapshot| snapshot.head().journal_sequence);
        let folder = killed.folder.path().join("journal");
        let (journal, _) = Journal::go_on_in(&folder, ID, sequence, false).map_err(failed)?;
        self.build(killed, journal)
    }

    fn build(mut self, state: KilledRun, journal: Journal) -> Result<TestRun, SimulationError> {
        let KilledRun { folder, snapshot, bus, store } = state;
        if snapshot.is_none() {
            self.plugins.fits(&self.scenario)?;
        }
        let mut app = self.plugins.app(&mut self.scenario);
        app.insert_resource(RunBus::new(Box::new(bus.clone()))).insert_resource(journal);
        let record = RunRecord {
            scenario: self.scenario.name.clone(),
            instance: self.scenario.instance_id.clone(),
            seed: self.scenario.seed,
            ..RunRecord::default()
        };
        app.insert_resource(StoreLane::start(Box::new(store.clone()), &record, None).map_err(failed)?);
        self.changes.into_iter().for_each(|change| change(&mut app));
        let simulation = match &snapshot {
            None => Simulation::new(app, self.scenario)?,
            Some(snapshot) => Simulation::restore(app, self.scenario, snapshot)?,
        };
        Ok(TestRun { simulation, bus, store, folder, snapshot })
    }
}

fn failed(error: impl ToString) -> SimulationError {
    SimulationError::Failed { tick: 0, message: error.to_string() }
}

/// What a kill leaves of a run under test: its journal, its last snapshot, the streams and the store.
pub struct KilledRun {
    folder: TempFolder,
    snapshot: Option<Snapshot>,
    bus: TestBus,
    store: MemoryStore,
}

/// A run under test.
pub struct TestRun {
    /// The simulation.
    pub simulation: Simulation,
    /// The bus, from the other end.
    pub bus: TestBus,
    store: MemoryStore,
    folder: TempFolder,
    snapshot: Option<Snapshot>,
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

    /// Makes a snapshot, from which a killed run goes on.
    ///
    /// # Errors
    /// What the system says.
    pub fn snapshot(&mut self) -> Result<(), SimulationError> {
        let mut journal = self.simulation.world_mut().resource_mut::<Journal>();
        journal.commit();
        let about = About { id: Some(ID), journal_sequence: journal.sequence(), ..About::default() };
        let folder = SnapshotFolder::own(self.folder.path().join("snapshots"), 1);
        let written = self.simulation.in_pool(|world| write_in_place(world, &about, &folder, 1))?;
        self.snapshot = Some(Snapshot::open(&written.path)?);
        Ok(())
    }

    /// Kills it, as `kill -9` between two ticks would: nothing of it runs to its end.
    pub fn kill(self) -> KilledRun {
        let Self { simulation, bus, store, folder, snapshot } = self;
        drop(simulation);
        KilledRun { folder, snapshot, bus, store }
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
        entries.iter().map(|entry| Alert::from_json(entry).expect("the stream carries alerts")).collect()
    }

    /// What the store has; complete once the run was shut down.
    pub fn stored(&self) -> MutexGuard<'_, Batch> {
        self.store.content()
    }
}
