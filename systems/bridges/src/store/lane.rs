//! The store's lane: so that no tick waits for a disk.
//!
//! Batches travel to the thread and come back empty, so that a steady run allocates nothing. Small ones that wait are written together: a
//! transaction costs a wait for a disk, and ticks come faster than that. When the store is too far behind, the tick waits for it, for a
//! minute at most.

use std::time::Duration;

use bevy_ecs::resource::Resource;
use corec_core::store::{Batch, RunRecord, Store, StoreError};

use crate::lane::{Lane, LaneOptions, LaneReport, LeftOnDisk, Policy, Safe, Sink, SinkError, SpoolOptions};

/// Batches that may wait, and bytes of them.
const BATCHES_MAX: usize = 1024;
const BYTES_MAX: usize = 64 << 20;
/// Rows that are written in a transaction; a single batch may have more.
const TRANSACTION_ROWS: usize = 10_000;
/// How long a full lane may hold a tick, and how long a store may be away, before the run ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the end of a run waits for a store that is away, where what waits is kept on disk.
const PATIENCE_AT_END: Duration = Duration::from_secs(5);

/// A store as the far side of a lane.
pub struct StoreSink {
    store: Box<dyn Store>,
    /// Memory for batches that are written together.
    together: Batch,
}

impl Sink for StoreSink {
    type Item = Batch;
    const ITEMS_MAX: usize = 256;

    fn take(&mut self, batches: &[Batch]) -> Result<(), SinkError> {
        let mut rest = batches;
        while let [first, others @ ..] = rest {
            let mut rows = first.len();
            let fits = |batch: &&Batch| {
                rows += batch.len();
                rows <= TRANSACTION_ROWS
            };
            let (now, later) = rest.split_at(1 + others.iter().take_while(fits).count());
            let written = if now.len() == 1 {
                self.store.write(first)
            } else {
                self.together.clear();
                now.iter().for_each(|batch| self.together.extend(batch));
                self.store.write(&self.together)
            };
            written.map_err(sink_error)?;
            rest = later;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), SinkError> {
        self.store.sync().map_err(sink_error)
    }
}

fn sink_error(error: StoreError) -> SinkError {
    if error.is_away { SinkError::Away(error.to_string()) } else { SinkError::Refused(error.to_string()) }
}

/// Takes batches to the run's store.
#[derive(Resource)]
pub struct StoreLane {
    lane: Lane<StoreSink>,
    has_spool: bool,
    is_closed: bool,
}

impl StoreLane {
    /// Begins the run in `store` and starts the lane. With a `spool` batches wait there while the store is away; those of the run that
    /// another process has left in it are written first.
    ///
    /// # Errors
    /// A spool that can't be read or is another run's: the store has not been told of the run then. What the store says, or the system
    /// if it has no thread to give.
    pub fn start(
        store: Box<dyn Store>,
        run: &RunRecord,
        spool: Option<SpoolOptions>,
    ) -> Result<Self, StoreError> {
        let options = LaneOptions {
            name: "store",
            items_max: BATCHES_MAX,
            bytes_max: BYTES_MAX,
            policy: Policy::Block,
            patience: PATIENCE,
            spool,
        };
        let has_spool = options.spool.is_some();
        let failed = |e: String| StoreError::failed("store", e);
        let mut lane =
            Lane::open(StoreSink { store, together: Batch::default() }, options).map_err(failed)?;
        lane.with_sink(|sink| sink.store.begin(run))?;
        lane.run().map_err(failed)?;
        Ok(Self { lane, has_spool, is_closed: false })
    }

    /// Sends what `batch` has on its way, and empties it.
    pub fn send(&mut self, batch: &mut Batch) {
        if batch.is_empty() || self.is_closed {
            return;
        }
        let mut empty = self.lane.spare().unwrap_or_default();
        empty.clear();
        self.lane.put(std::mem::replace(batch, empty));
    }

    /// As [`StoreLane::send`]; gives what tells when it is kept: by the store, or on disk while that is away.
    pub fn send_safely(&mut self, batch: &mut Batch) -> Safe<StoreSink> {
        self.send(batch);
        self.lane.sync()
    }

    /// How it is with the lane.
    pub fn report(&self) -> LaneReport {
        self.lane.report()
    }

    /// Waits until everything is written, and ends the run in the store at `tick`. A store that is away has the run end when a process
    /// goes on with it: what could not be written is told, and kept on disk. A second call does nothing.
    ///
    /// # Errors
    /// What the store says: a text.
    pub fn close(&mut self, tick: u64) -> Result<Option<LeftOnDisk>, String> {
        if std::mem::replace(&mut self.is_closed, true) {
            return Ok(None);
        }
        let is_kept = self.has_spool && self.lane.report().away.is_some();
        let left = self.lane.close(if is_kept { PATIENCE_AT_END } else { PATIENCE })?;
        if left.is_none() {
            self.lane.with_sink(|sink| sink.store.end(tick)).map_err(|e| e.to_string())?;
        }
        Ok(left)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use corec_core::store::Metric;
    use corec_core::units::RunId;

    use super::*;
    use crate::store::{MemoryStore, SqliteStore};

    fn record() -> RunRecord {
        RunRecord { seed: u64::MAX, entities: 1, ..RunRecord::default() }
    }

    fn feed(lane: &mut StoreLane) {
        let mut batch = Batch::default();
        for tick in 0..100 {
            batch.metrics.push(Metric { tick, name: "fitness".into(), value: tick as f64 });
            lane.send(&mut batch);
        }
    }

    #[test]
    fn everything_sent_is_written_when_it_is_closed() {
        let store = MemoryStore::default();
        let mut lane = StoreLane::start(Box::new(store.clone()), &record(), None).unwrap();
        feed(&mut lane);
        lane.close(100).unwrap();
        lane.close(100).unwrap();
        assert_eq!(
            store.content().metrics.iter().map(|m| m.tick).collect::<Vec<_>>(),
            (0..100).collect::<Vec<_>>()
        );
    }

    /// Counts the transactions, and has none as long as the gate is held.
    #[derive(Clone, Default)]
    struct Gated {
        store: MemoryStore,
        transactions: Arc<AtomicUsize>,
        gate: Arc<Mutex<()>>,
    }

    impl Store for Gated {
        fn begin(&mut self, run: &RunRecord) -> Result<(), StoreError> {
            self.store.begin(run)
        }
        fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
            let _held = self.gate.lock().unwrap();
            self.transactions.fetch_add(1, Ordering::Relaxed);
            self.store.write(batch)
        }
        fn end(&mut self, tick: u64) -> Result<(), StoreError> {
            self.store.end(tick)
        }
    }

    #[test]
    fn small_batches_that_wait_are_written_together_and_large_ones_are_not() {
        let store = Gated::default();
        let mut lane = StoreLane::start(Box::new(store.clone()), &record(), None).unwrap();
        let held = store.gate.lock().unwrap();
        feed(&mut lane);
        let mut large = Batch::default();
        for tick in 100..103 {
            let metric = |n: u64| Metric { tick, name: format!("m{n}").into(), value: 0.0 };
            large.metrics.extend((0..TRANSACTION_ROWS as u64).map(metric));
            lane.send(&mut large);
        }
        drop(held);
        lane.close(103).unwrap();
        let ticks = store.store.content().metrics.iter().map(|metric| metric.tick).collect::<Vec<_>>();
        assert_eq!((ticks.len(), ticks.is_sorted()), (100 + 3 * TRANSACTION_ROWS, true));
        // The first was on its way before there were others.
        assert!((4..=5).contains(&store.transactions.load(Ordering::Relaxed)), "{:?}", store.transactions);
    }

    #[test]
    fn a_database_holds_several_runs_and_a_repeated_batch_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        for _ in 0..2 {
            let store = SqliteStore::open("sqlite://s.db", &path).unwrap();
            let mut lane = StoreLane::start(Box::new(store), &record(), None).unwrap();
            feed(&mut lane);
            feed(&mut lane);
            lane.close(100).unwrap();
        }
        let db = rusqlite::Connection::open(&path).unwrap();
        let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM metrics"), 200);
        assert_eq!(count("SELECT count(*) FROM runs WHERE last_tick = 100"), 2);
        let seed: String = db.query_row("SELECT seed FROM runs", [], |row| row.get(0)).unwrap();
        assert_eq!(seed, u64::MAX.to_string());
    }

    /// A store on a full disk, or one that somebody else holds for a moment.
    struct Failing {
        is_away: u32,
    }

    impl Store for Failing {
        fn begin(&mut self, _: &RunRecord) -> Result<(), StoreError> {
            Ok(())
        }
        fn write(&mut self, _: &Batch) -> Result<(), StoreError> {
            match self.is_away {
                0 => Err(StoreError::failed("sqlite://s.db", "disk is full")),
                1 => Ok(()),
                _ => {
                    self.is_away -= 1;
                    Err(StoreError { is_away: true, ..StoreError::failed("sqlite://s.db", "is locked") })
                }
            }
        }
        fn end(&mut self, _: u64) -> Result<(), StoreError> {
            Ok(())
        }
    }

    #[test]
    fn a_store_that_fails_is_told_and_does_not_hold_the_run() {
        let mut lane = StoreLane::start(Box::new(Failing { is_away: 0 }), &record(), None).unwrap();
        feed(&mut lane);
        assert_eq!(lane.close(1).unwrap_err(), "store sqlite://s.db: disk is full");
        assert!(lane.report().failure.unwrap().contains("disk is full"));
    }

    #[test]
    fn what_a_store_that_is_away_could_not_have_is_written_when_the_run_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let spool =
            || Some(SpoolOptions { folder: folder.path().join("spool"), bytes_max: 1 << 20, run: RunId(7) });
        let path = folder.path().join("s.db");
        let open = || Box::new(SqliteStore::open("sqlite://s.db", &path).unwrap());
        let run = RunRecord { id: Some(RunId(7)), ..record() };
        let mut lane = StoreLane::start(Box::new(Failing { is_away: u32::MAX }), &run, spool()).unwrap();
        feed(&mut lane);
        lane.send_safely(&mut Batch::default()).wait().unwrap();
        assert_eq!((lane.report().spooled, lane.report().sent), (100, 0));
        drop(lane);
        let mut lane =
            StoreLane::start(open(), &RunRecord { continues: true, ..run.clone() }, spool()).unwrap();
        assert_eq!(lane.close(100), Ok(None));
        let db = rusqlite::Connection::open(&path).unwrap();
        let count: i64 = db.query_row("SELECT count(*) FROM metrics", [], |row| row.get(0)).unwrap();
        assert_eq!((count, lane.report().spooled), (100, 0));
        // Refused before the store hears of the run.
        let mut lane = StoreLane::start(Box::new(Failing { is_away: u32::MAX }), &run, spool()).unwrap();
        feed(&mut lane);
        lane.send_safely(&mut Batch::default()).wait().unwrap();
        drop(lane);
        let other = spool().map(|spool| SpoolOptions { run: RunId(8), ..spool });
        assert!(StoreLane::start(open(), &record(), other).is_err());
        let runs: i64 = db.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap();
        assert_eq!(runs, 1);
    }

    /// `tests/fixtures/spool-1`: five batches of the version whose items had no mark.
    #[test]
    fn a_spool_that_the_version_before_has_left_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/spool-1");
        let segment = folder.path().join("spool/000000000001");
        std::fs::create_dir_all(&segment).unwrap();
        let name = "000000000001/00000001.log";
        let log = format!("{fixture}/{name}");
        std::fs::copy(&log, folder.path().join("spool").join(name)).unwrap();
        let spool =
            || Some(SpoolOptions { folder: folder.path().join("spool"), bytes_max: 1 << 20, run: RunId(7) });
        let path = folder.path().join("s.db");
        let run = RunRecord { id: Some(RunId(7)), continues: true, ..record() };
        let store = Box::new(SqliteStore::open("sqlite://s.db", &path).unwrap());
        let mut lane = StoreLane::start(store, &run, spool()).unwrap();
        // Its own go after them.
        lane.send(&mut Batch {
            metrics: vec![Metric { tick: 5, name: "fitness".into(), value: 5.0 }],
            ..Batch::default()
        });
        assert_eq!(lane.close(6), Ok(None));
        let db = rusqlite::Connection::open(&path).unwrap();
        let tables = "SELECT (SELECT count(*) FROM block_states), (SELECT count(*) FROM alerts WHERE why IS NULL), \
            (SELECT count(*) FROM metrics), (SELECT count(*) FROM plugin_rows), (SELECT count(*) FROM repairs)";
        let found =
            |row: &rusqlite::Row| -> rusqlite::Result<Vec<i64>> { (0..5).map(|n| row.get(n)).collect() };
        assert_eq!(db.query_row(tables, [], found).unwrap(), [15, 5, 6, 5, 0]);
        assert_eq!((lane.report().spool_lost, lane.report().spooled), (0, 0));
    }

    #[test]
    fn a_store_that_is_away_for_a_moment_loses_nothing() {
        let mut lane = StoreLane::start(Box::new(Failing { is_away: 4 }), &record(), None).unwrap();
        feed(&mut lane);
        lane.close(1).unwrap();
        assert_eq!(lane.report().sent, 100);
    }
}
