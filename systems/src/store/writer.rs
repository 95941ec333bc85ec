//! The store's writer: a thread of its own behind a bounded queue, so that no tick waits for a disk.
//!
//! Batches travel to the thread and come back empty, so that a steady run allocates nothing. When the thread is more
//! than four batches behind, the tick waits for it (backpressure `block`), for a minute at most.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bevy_ecs::resource::Resource;
use corec_core::store::{Batch, RunRecord, Store, StoreError};
use crossbeam::channel::{Receiver, Sender, bounded};

/// Batches that may wait.
const QUEUE: usize = 4;
/// How long a full queue may hold a tick before the run ends.
const PATIENCE: Duration = Duration::from_secs(60);
/// Alerts, metrics and rows of plugins that are sent before their interval is over, so that a batch stays small.
const EARLY: usize = 10_000;

/// What the thread is given.
enum Work {
    Batch(Batch),
    /// To make what came before it safe, and to say so.
    Sync(Sender<()>),
}

/// Tells when the store has, and keeps, all that was sent to it before. May be asked on another thread.
pub struct Safe(Receiver<()>);

impl Safe {
    /// Waits for it.
    ///
    /// # Errors
    /// A store that has failed, or takes too long. A text.
    pub fn wait(&self) -> Result<(), String> {
        self.0.recv_timeout(PATIENCE).map_err(|_| "the store did not keep its rows in time".into())
    }
}

/// Takes batches to the store.
#[derive(Resource)]
pub struct StoreWriter {
    batch: Batch,
    full: Option<Sender<Work>>,
    empty: Receiver<Batch>,
    failure: Arc<Mutex<Option<String>>>,
    thread: Option<JoinHandle<Result<Box<dyn Store>, StoreError>>>,
}

impl StoreWriter {
    /// Begins the run in `store` and starts the thread.
    ///
    /// # Errors
    /// What the store says, or the system if it has no thread to give.
    pub fn start(mut store: Box<dyn Store>, run: &RunRecord) -> Result<Self, StoreError> {
        store.begin(run)?;
        let (full, to_write) = bounded::<Work>(QUEUE);
        let (written, empty) = bounded::<Batch>(QUEUE + 1);
        let failure = Arc::new(Mutex::new(None));
        let told = Arc::clone(&failure);
        let work = move || {
            let mut failed = None;
            for work in to_write {
                // A store that has failed takes nothing more, and nobody waits for it: who left the channel here would leave in it
                // what was being sent just then.
                if failed.is_some() {
                    continue;
                }
                let done = match work {
                    Work::Batch(mut batch) => store.write(&batch).map(|()| {
                        batch.clear();
                        // Nobody takes it back when the run is over.
                        _ = written.try_send(batch);
                    }),
                    // Nor waits for this.
                    Work::Sync(safe) => store.sync().map(|()| _ = safe.try_send(())),
                };
                if let Err(error) = done {
                    told.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error.to_string());
                    failed = Some(error);
                }
            }
            failed.map_or(Ok(store), Err)
        };
        let thread = std::thread::Builder::new().name("corec-store".into()).spawn(work).map_err(|e| {
            StoreError { url: "store".into(), message: format!("its thread could not start: {e}") }
        })?;
        Ok(Self { batch: Batch::default(), full: Some(full), empty, failure, thread: Some(thread) })
    }

    /// What the next flush will send.
    pub fn batch(&mut self) -> &mut Batch {
        if self.batch.alerts.len() + self.batch.metrics.len() + self.batch.rows.len() > EARLY {
            self.flush();
        }
        &mut self.batch
    }

    /// Sends the batch on its way.
    pub fn flush(&mut self) {
        if self.batch.is_empty() || self.full.is_none() {
            return;
        }
        let batch = std::mem::replace(&mut self.batch, self.empty.try_recv().unwrap_or_default());
        self.send(Work::Batch(batch));
    }

    /// Sends the batch on its way; gives what tells when the store has it.
    pub fn flush_safely(&mut self) -> Safe {
        self.flush();
        let (safe, told) = bounded(1);
        self.send(Work::Sync(safe));
        Safe(told)
    }

    fn send(&mut self, work: Work) {
        let Some(full) = &self.full else { return };
        // A thread that has ended has told why; one that is late may hold the tick, but not for ever.
        if full.send_timeout(work, PATIENCE).is_err_and(|e| e.is_timeout()) {
            let late = format!("the store did not take a batch for {} s", PATIENCE.as_secs());
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(late);
        }
    }

    /// Why the store can't go on, if it can't.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends what is left, waits until it is written, and ends the run in the store. A second call does nothing.
    ///
    /// # Errors
    /// What the store says.
    pub fn close(&mut self, tick: u64) -> Result<(), StoreError> {
        self.flush();
        self.full = None;
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(Ok(mut store))) => store.end(tick),
            Some(Ok(Err(error))) => Err(error),
            Some(Err(_)) => Err(StoreError { url: "store".into(), message: "its thread panicked".into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use corec_core::store::Metric;

    use super::*;
    use crate::store::{MemoryStore, SqliteStore};

    fn record() -> RunRecord {
        let text = String::new;
        RunRecord {
            id: None,
            scenario: text(),
            instance: text(),
            seed: u64::MAX,
            entities: 1,
            settings: text(),
            continues: false,
            is_old: false,
        }
    }

    fn feed(writer: &mut StoreWriter) {
        for tick in 0..100 {
            writer.batch().metrics.push(Metric { tick, name: "fitness".into(), value: tick as f64 });
            writer.flush();
        }
    }

    #[test]
    fn everything_sent_is_written_when_it_is_closed() {
        let store = MemoryStore::default();
        let mut writer = StoreWriter::start(Box::new(store.clone()), &record()).unwrap();
        feed(&mut writer);
        writer.close(100).unwrap();
        writer.close(100).unwrap();
        assert_eq!(
            store.content().metrics.iter().map(|m| m.tick).collect::<Vec<_>>(),
            (0..100).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_database_holds_several_runs_and_a_repeated_batch_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        for _ in 0..2 {
            let mut writer =
                StoreWriter::start(Box::new(SqliteStore::open("sqlite://s.db", &path).unwrap()), &record())
                    .unwrap();
            feed(&mut writer);
            feed(&mut writer);
            writer.close(100).unwrap();
        }
        let db = rusqlite::Connection::open(&path).unwrap();
        let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM metrics"), 200);
        assert_eq!(count("SELECT count(*) FROM runs WHERE last_tick = 100"), 2);
        let seed: String = db.query_row("SELECT seed FROM runs", [], |row| row.get(0)).unwrap();
        assert_eq!(seed, u64::MAX.to_string());
    }

    /// A store on a full disk.
    struct Full;

    impl Store for Full {
        fn begin(&mut self, _: &RunRecord) -> Result<(), StoreError> {
            Ok(())
        }
        fn write(&mut self, _: &Batch) -> Result<(), StoreError> {
            Err(StoreError { url: "sqlite://s.db".into(), message: "disk is full".into() })
        }
        fn end(&mut self, _: u64) -> Result<(), StoreError> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_store_that_fails_while_it_is_asked() {
        // One in some thousands met the end of the thread, and waited for a minute.
        for _ in 0..20_000 {
            let mut writer = StoreWriter::start(Box::new(Full), &record()).unwrap();
            writer.batch().metrics.push(Metric { tick: 0, name: "fitness".into(), value: 0.0 });
            let safe = writer.flush_safely();
            let told = safe.0.recv_timeout(PATIENCE);
            assert_eq!(told, Err(crossbeam::channel::RecvTimeoutError::Disconnected));
        }
    }

    #[test]
    fn a_store_that_fails_is_told_and_does_not_hold_the_run() {
        let mut writer = StoreWriter::start(Box::new(Full), &record()).unwrap();
        feed(&mut writer);
        assert_eq!(writer.close(1).unwrap_err().to_string(), "store sqlite://s.db: disk is full");
        assert!(writer.failure().unwrap().contains("disk is full"));
    }
}
