//! The twin is a second, unhurt run: the inputs of a journal applied again in this process, with what it says kept in memory.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use corec::prelude::{App, CorecPlugin, Simulation};
use corec_bridges::store::StoreLane;
use corec_core::bus::{Bus, BusError, BusHealth, Cursor, Kept, OutputId, Polled, RunBus};
use corec_core::config::Threads;
use corec_core::journal::Journal;
use corec_core::store::{Batch, RunRecord, Store, StoreError};
use corec_run::recorded::RecordedRun;

/// An output: its stream, its `id`, its data.
pub type Output = (String, String, Vec<u8>);

/// What an unhurt run says.
pub struct Twin {
    pub outputs: Vec<Output>,
    pub store: Batch,
    pub digest: String,
}

impl Twin {
    /// Does the run in `folder` again, up to `tick`.
    ///
    /// # Errors
    /// What kept it from that: a text.
    pub fn of(folder: &Path, tick: u64) -> Result<Self, String> {
        let run = RecordedRun::open(folder).map_err(|e| e.to_string())?;
        let mut scenario = run.scenario().clone();
        scenario.threads = Threads::Count(1);
        let name = format!("{}/{}", scenario.instance_id, run.manifest().id.ok_or("a run without an id")?);
        let (outputs, store) = (Recorder(Arc::default()), Rows(Arc::default()));
        let lane = StoreLane::start(Box::new(store.clone()), &RunRecord::default(), None);
        let mut app = App::new();
        app.add_plugins(CorecPlugin).insert_resource(RunBus::new(Box::new(outputs.clone())));
        app.insert_resource(lane.map_err(|e| e.to_string())?);
        let journal = Journal::replay_of(&run.journal()).and_then(Journal::without_digests);
        app.insert_resource(journal.map_err(|e| e.to_string())?);
        let mut simulation = Simulation::new(app, scenario).map_err(|e| e.to_string())?;
        simulation.run(tick).map_err(|e| e.to_string())?;
        let digest = simulation.digest().to_string();
        simulation.shut_down().map_err(|e| e.to_string())?;
        let said = std::mem::take(&mut *outputs.0.lock().unwrap_or_else(PoisonError::into_inner));
        let named = |(stream, id, data): Published| {
            (stream, format!("{name}/{}.{}.{}", id.epoch, id.tick, id.sequence), data)
        };
        Ok(Self {
            outputs: said.into_iter().map(named).collect(),
            store: std::mem::take(&mut *store.0.lock().unwrap_or_else(PoisonError::into_inner)),
            digest,
        })
    }

    /// What it says on one stream: ids and data.
    pub fn on(&self, stream: &str) -> Vec<(&str, &[u8])> {
        let of_stream = self.outputs.iter().filter(|(name, ..)| name == stream);
        of_stream.map(|(_, id, data)| (id.as_str(), data.as_slice())).collect()
    }

    /// The streams it says something on.
    pub fn streams(&self) -> std::collections::BTreeSet<&str> {
        self.outputs.iter().map(|(stream, ..)| stream.as_str()).collect()
    }
}

/// A bus that nothing comes from, and that keeps what goes to it.
#[derive(Clone)]
struct Recorder(Arc<Mutex<Vec<Published>>>);

/// A stream, and what went to it.
type Published = (String, OutputId, Vec<u8>);

impl Bus for Recorder {
    fn subscribe(&mut self, _: &str, _: Cursor) -> Result<(), BusError> {
        Ok(())
    }

    fn poll(&mut self, _: &str, _: usize) -> Result<Polled, BusError> {
        Ok(Polled::default())
    }

    fn done(&mut self, _: &str, _: Cursor) -> Result<(), BusError> {
        Ok(())
    }

    fn publish(&mut self, stream: &str, id: OutputId, data: &[u8]) -> Result<(), BusError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((stream.into(), id, data.into()));
        Ok(())
    }

    fn keep(&mut self) -> Kept {
        Box::new(|| Ok(()))
    }

    fn health(&self) -> BusHealth {
        BusHealth::default()
    }

    fn close(&mut self, _: Duration) -> Result<(), BusError> {
        Ok(())
    }
}

/// A store that keeps all rows: that of a run lets the oldest go.
#[derive(Clone)]
struct Rows(Arc<Mutex<Batch>>);

impl Store for Rows {
    fn begin(&mut self, _: &RunRecord) -> Result<(), StoreError> {
        Ok(())
    }

    fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rows.blocks.extend_from_slice(&batch.blocks);
        rows.alerts.extend_from_slice(&batch.alerts);
        rows.metrics.extend_from_slice(&batch.metrics);
        rows.repairs.extend_from_slice(&batch.repairs);
        Ok(())
    }

    fn end(&mut self, _: u64) -> Result<(), StoreError> {
        Ok(())
    }
}
