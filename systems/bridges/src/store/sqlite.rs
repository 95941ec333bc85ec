//! The SQLite store: one file, readable by anything, WAL so that readers never wait for a run.
//!
//! Tables: `runs`, `block_states`, `alerts`, `metrics`, `plugin_rows`; every row names its run, so that one file may hold many.

use std::path::{Path, PathBuf};
use std::time::Duration;

use corec_core::config::redact_url;
use corec_core::store::{Batch, RunRecord, Store, StoreError};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

/// Numbers that a run could not tell are NULL.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS runs (
    run INTEGER PRIMARY KEY, scenario TEXT NOT NULL, instance TEXT NOT NULL, seed TEXT NOT NULL,
    entities INTEGER NOT NULL, settings TEXT NOT NULL, last_tick INTEGER, id TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS runs_by_id ON runs (id);
CREATE TABLE IF NOT EXISTS block_states (
    run INTEGER NOT NULL, tick INTEGER NOT NULL, block INTEGER NOT NULL, block_group TEXT NOT NULL,
    channel INTEGER NOT NULL, entities INTEGER NOT NULL, active INTEGER NOT NULL, mean REAL,
    deviation REAL, fitness REAL, threshold REAL, PRIMARY KEY (run, tick, block)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alerts (
    run INTEGER NOT NULL, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL, tick INTEGER NOT NULL,
    instance TEXT NOT NULL, name TEXT NOT NULL, subject TEXT NOT NULL, value REAL,
    severity INTEGER NOT NULL, state TEXT NOT NULL, PRIMARY KEY (run, epoch, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS metrics (
    run INTEGER NOT NULL, tick INTEGER NOT NULL, name TEXT NOT NULL, value REAL,
    PRIMARY KEY (run, tick, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS plugin_rows (
    run INTEGER NOT NULL, tick INTEGER NOT NULL, plugin TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (run, tick, plugin, key)
) WITHOUT ROWID;
";
/// Raised whenever the tables change. 3: runs have an id, numbers may be NULL.
const VERSION: i32 = 3;
/// Tables whose numbers had to be there before version 3: made anew, with the rows they had.
const NUMBERED: [&str; 3] = ["block_states", "alerts", "metrics"];
/// How long another program may hold the file.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store in an SQLite file.
pub struct SqliteStore {
    url: String,
    path: PathBuf,
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
        let message = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let fail = |e: rusqlite::Error| StoreError::failed(url.clone(), message(&e));
        corec_core::file::check(path).map_err(|e| StoreError::failed(url.clone(), message(&e)))?;
        let mut connection = Connection::open(path).map_err(fail)?;
        connection.busy_timeout(PATIENCE).map_err(fail)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(fail)?;
        // What a crash of the system may cost is the last batches, never the file.
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(fail)?;
        let version = migrate(&mut connection).map_err(fail)?;
        if version > VERSION {
            let message =
                format!("{}: found tables of version {version}, must be at most {VERSION}", path.display());
            return Err(StoreError::failed(url, message));
        }
        Ok(Self { url, path: path.into(), connection, run: 0 })
    }

    fn error(&self, error: rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
        let is_away = matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked));
        StoreError { is_away, ..StoreError::failed(self.url.clone(), error) }
    }
}

/// Brings the tables to this version, unless they are of a newer one; gives the version that was found.
fn migrate(connection: &mut Connection) -> rusqlite::Result<i32> {
    // Two runs may open one file at once.
    let to = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i32 = to.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version >= VERSION {
        return Ok(version);
    }
    let is_old = version > 0;
    if is_old {
        to.execute_batch("ALTER TABLE runs ADD COLUMN id TEXT")?;
        NUMBERED
            .iter()
            .try_for_each(|name| to.execute_batch(&format!("ALTER TABLE {name} RENAME TO {name}_before")))?;
    }
    to.execute_batch(SCHEMA)?;
    if is_old {
        NUMBERED.iter().try_for_each(|name| {
            to.execute_batch(&format!(
                "INSERT INTO {name} SELECT * FROM {name}_before; DROP TABLE {name}_before"
            ))
        })?;
    }
    to.pragma_update(None, "user_version", VERSION)?;
    to.commit()?;
    Ok(version)
}

impl Store for SqliteStore {
    fn begin(&mut self, run: &RunRecord) -> Result<(), StoreError> {
        if run.continues
            && let Some(found) = find(&self.connection, run).map_err(|e| self.error(e))?
        {
            self.run = found;
            return Ok(());
        }
        let insert =
            "INSERT INTO runs (scenario, instance, seed, entities, settings, id) VALUES (?, ?, ?, ?, ?, ?)";
        // SQLite's integers are signed: a seed above 2^63 would not fit.
        let (seed, entities, id) =
            (run.seed.to_string(), run.entities as i64, run.id.map(|id| id.to_string()));
        let values = params![run.scenario, run.instance, seed, entities, run.settings, id];
        self.connection.execute(insert, values).map_err(|e| self.error(e))?;
        self.run = self.connection.last_insert_rowid();
        Ok(())
    }

    fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let run = self.run;
        let write = |connection: &mut Connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            insert(&transaction, run, batch)?;
            transaction.commit()
        };
        write(&mut self.connection).map_err(|e| self.error(e))
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let checkpoint = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        checkpoint.map_err(|e| self.error(e))?;
        // While somebody reads, a checkpoint leaves the log as it is, and unsynced.
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        match std::fs::File::open(&log).and_then(|log| log.sync_all()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::failed(self.url.clone(), format!("its log: {error}")))
            }
            _ => Ok(()),
        }
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

/// The rows of a run that goes on. One of a version that knew no ids is taken if it can only be this one.
fn find(connection: &Connection, run: &RunRecord) -> rusqlite::Result<Option<i64>> {
    let Some(id) = run.id.map(|id| id.to_string()) else { return Ok(None) };
    let by_id = "SELECT run FROM runs WHERE id = ?";
    if let Some(found) = connection.query_row(by_id, [&id], |row| row.get(0)).optional()? {
        return Ok(Some(found));
    }
    if !run.is_old {
        return Ok(None);
    }
    let alike =
        "SELECT max(run), count(*) FROM runs WHERE id IS NULL AND scenario = ? AND instance = ? AND seed = ?";
    let values = params![run.scenario, run.instance, run.seed.to_string()];
    let found: (Option<i64>, i64) =
        connection.query_row(alike, values, |row| Ok((row.get(0)?, row.get(1)?)))?;
    match found {
        (Some(found), 1) => {
            connection.execute("UPDATE runs SET id = ? WHERE run = ?", params![id, found])?;
            Ok(Some(found))
        }
        _ => Ok(None),
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
            a.value,
            a.severity,
            a.state.as_str()
        ])?;
    }
    let mut metrics = to.prepare("INSERT OR IGNORE INTO metrics VALUES (?1, ?2, ?3, ?4)")?;
    for m in &batch.metrics {
        metrics.execute(params![run, m.tick as i64, m.name, m.value])?;
    }
    let mut rows = to.prepare("INSERT OR IGNORE INTO plugin_rows VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for row in &batch.rows {
        rows.execute(params![run, row.tick as i64, row.plugin, row.key, row.value])?;
    }
    Ok(())
}
