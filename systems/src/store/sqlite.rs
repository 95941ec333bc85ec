//! The SQLite store: one file, readable by anything, WAL so that readers never wait for a run.
//!
//! Tables: `runs`, `block_states`, `alerts`, `metrics`, `plugin_rows`; every row names its run, so that one file may hold many.

use std::path::Path;

use corec_core::config::redact_url;
use corec_core::store::{Batch, RunRecord, Store, StoreError};
use rusqlite::{Connection, Transaction, params};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS runs (
    run INTEGER PRIMARY KEY, scenario TEXT NOT NULL, instance TEXT NOT NULL, seed TEXT NOT NULL,
    entities INTEGER NOT NULL, settings TEXT NOT NULL, last_tick INTEGER
);
CREATE TABLE IF NOT EXISTS block_states (
    run INTEGER NOT NULL, tick INTEGER NOT NULL, block INTEGER NOT NULL, block_group TEXT NOT NULL,
    channel INTEGER NOT NULL, entities INTEGER NOT NULL, active INTEGER NOT NULL, mean REAL NOT NULL,
    deviation REAL NOT NULL, fitness REAL NOT NULL, threshold REAL NOT NULL, PRIMARY KEY (run, tick, block)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alerts (
    run INTEGER NOT NULL, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL, tick INTEGER NOT NULL,
    instance TEXT NOT NULL, name TEXT NOT NULL, subject TEXT NOT NULL, value REAL NOT NULL,
    severity INTEGER NOT NULL, state TEXT NOT NULL, PRIMARY KEY (run, epoch, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS metrics (
    run INTEGER NOT NULL, tick INTEGER NOT NULL, name TEXT NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (run, tick, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS plugin_rows (
    run INTEGER NOT NULL, tick INTEGER NOT NULL, plugin TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (run, tick, plugin, key)
) WITHOUT ROWID;
";
/// Raised whenever the tables change.
const VERSION: i32 = 2;

/// A store in an SQLite file.
pub struct SqliteStore {
    url: String,
    connection: Connection,
    run: i64,
}

impl SqliteStore {
    /// Opens or makes the file at `path`; `url` is what errors call it.
    ///
    /// # Errors
    /// A file that can't be opened, is no database, or was made by a newer version.
    pub fn open(url: &str, path: &Path) -> Result<Self, StoreError> {
        let url = redact_url(url);
        let fail =
            |e: rusqlite::Error| StoreError { url: url.clone(), message: format!("{}: {e}", path.display()) };
        let connection = Connection::open(path).map_err(fail)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(fail)?;
        // What a crash of the system may cost is the last batches, never the file.
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(fail)?;
        let version: i32 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fail)?;
        if version > VERSION {
            let message =
                format!("{}: found tables of version {version}, must be at most {VERSION}", path.display());
            return Err(StoreError { url, message });
        }
        connection.execute_batch(SCHEMA).map_err(fail)?;
        connection.pragma_update(None, "user_version", VERSION).map_err(fail)?;
        Ok(Self { url, connection, run: 0 })
    }

    fn error(&self, error: rusqlite::Error) -> StoreError {
        StoreError { url: self.url.clone(), message: error.to_string() }
    }
}

impl Store for SqliteStore {
    fn begin(&mut self, run: &RunRecord) -> Result<(), StoreError> {
        if run.continues {
            let last = "SELECT max(run) FROM runs WHERE scenario = ? AND instance = ? AND seed = ?";
            let values = params![run.scenario, run.instance, run.seed.to_string()];
            let found = self.connection.query_row(last, values, |row| row.get::<_, Option<i64>>(0));
            if let Some(run) = found.map_err(|e| self.error(e))? {
                self.run = run;
                return Ok(());
            }
        }
        let insert = "INSERT INTO runs (scenario, instance, seed, entities, settings) VALUES (?, ?, ?, ?, ?)";
        // SQLite's integers are signed: a seed above 2^63 would not fit.
        let values =
            params![run.scenario, run.instance, run.seed.to_string(), run.entities as i64, run.settings];
        self.connection.execute(insert, values).map_err(|e| self.error(e))?;
        self.run = self.connection.last_insert_rowid();
        Ok(())
    }

    fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let run = self.run;
        let write = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            insert(&transaction, run, batch)?;
            transaction.commit()
        };
        write(&mut self.connection).map_err(|e| self.error(e))
    }

    fn end(&mut self, tick: u64) -> Result<(), StoreError> {
        let end = |connection: &Connection, run: i64| {
            connection.execute("UPDATE runs SET last_tick = ? WHERE run = ?", params![tick as i64, run])?;
            // Leaves one file, without a log beside it.
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        };
        end(&self.connection, self.run).map_err(|e| self.error(e))
    }
}

/// A repeated batch changes nothing: every row has a key of its own.
fn insert(to: &Transaction, run: i64, batch: &Batch) -> rusqlite::Result<()> {
    let mut states = to.prepare(
        "INSERT OR IGNORE INTO block_states VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    for b in &batch.blocks {
        let (mean, deviation, fitness, threshold) =
            (f64::from(b.mean), f64::from(b.deviation), f64::from(b.fitness), f64::from(b.threshold));
        let (tick, channel) = (b.tick as i64, i64::from(b.channel));
        states.execute(params![
            run, tick, b.block, b.group, channel, b.entities, b.active, mean, deviation, fitness, threshold
        ])?;
    }
    let mut alerts =
        to.prepare("INSERT OR IGNORE INTO alerts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
    for a in &batch.alerts {
        let (sequence, tick) = (a.sequence as i64, a.tick as i64);
        alerts.execute(params![
            run,
            a.epoch,
            sequence,
            tick,
            a.instance,
            a.name,
            a.subject,
            number(a.value),
            a.severity,
            a.state.as_str()
        ])?;
    }
    let mut metrics = to.prepare("INSERT OR IGNORE INTO metrics VALUES (?1, ?2, ?3, ?4)")?;
    for m in &batch.metrics {
        metrics.execute(params![run, m.tick as i64, m.name, number(m.value)])?;
    }
    let mut rows = to.prepare("INSERT OR IGNORE INTO plugin_rows VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for row in &batch.rows {
        rows.execute(params![run, row.tick as i64, row.plugin, row.key, row.value])?;
    }
    Ok(())
}

/// A NaN is NULL to SQLite, which the columns refuse.
fn number(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value }
}
