//! The SQLite store: one file, readable by anything, WAL so that readers never wait for a run.
//!
//! Tables: `runs`, `block_states`, `alerts`, `metrics`, `plugin_rows`, `repairs`; every row names its run, so that one file may hold many. Views,
//! as in PostgreSQL: `latest_blocks`, `alerts_open`, `fitness_by_hour`, `repairs_by_entity`, and `bloques` with the columns of the old program's table.

use std::path::{Path, PathBuf};
use std::time::Duration;

use corec_core::config::redact_url;
use corec_core::store::{Batch, RunRecord, Store, StoreError};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::repaired::lists_json;

/// The tables and views of this version.
const SCHEMA: &str = include_str!("sqlite.sql");
/// Raised whenever the tables change. 3: runs have an id, numbers may be NULL. 4: rows know when they were written; views. 5: alerts
/// say why; repairs.
const VERSION: i32 = 5;
/// Tables whose numbers had to be there before version 3: made anew, with the rows they had.
const NUMBERED: [&str; 3] = ["block_states", "alerts", "metrics"];
/// How long another program may hold the file.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

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
    let is_numbered = (1..3).contains(&version);
    let rename = |name: &str| to.execute_batch(&format!("ALTER TABLE {name} RENAME TO {name}_before"));
    // When their rows were written, nobody knows any more.
    let add_time =
        |name: &str| to.execute_batch(&format!("ALTER TABLE {name} ADD COLUMN written_at INTEGER"));
    if is_numbered {
        to.execute_batch("ALTER TABLE runs ADD COLUMN id TEXT")?;
        NUMBERED.iter().try_for_each(|name| rename(name))?;
    } else if version == 3 {
        NUMBERED.iter().try_for_each(|name| add_time(name))?;
    }
    if (2..4).contains(&version) {
        add_time("plugin_rows")?;
    }
    if (3..5).contains(&version) {
        to.execute_batch("ALTER TABLE alerts ADD COLUMN why TEXT; DROP VIEW IF EXISTS alerts_open")?;
    }
    to.execute_batch(SCHEMA)?;
    if is_numbered {
        NUMBERED.iter().try_for_each(|name| {
            let new = if *name == "alerts" { "NULL, NULL" } else { "NULL" };
            to.execute_batch(&format!(
                "INSERT INTO {name} SELECT *, {new} FROM {name}_before; DROP TABLE {name}_before"
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
        "INSERT OR IGNORE INTO block_states VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, unixepoch())",
    )?;
    for b in &batch.blocks {
        let (mean, deviation, fitness, threshold) =
            (f64::from(b.mean), f64::from(b.deviation), f64::from(b.fitness), f64::from(b.threshold));
        let (tick, channel) = (b.tick as i64, i64::from(b.channel));
        states.execute(params![
            run, tick, b.block, b.group, channel, b.entities, b.active, mean, deviation, fitness, threshold
        ])?;
    }
    let mut alerts = to.prepare(
        "INSERT OR IGNORE INTO alerts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, unixepoch(), ?11)",
    )?;
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
            a.state.as_str(),
            Some(&a.why).filter(|why| !why.is_empty())
        ])?;
    }
    let mut metrics = to.prepare("INSERT OR IGNORE INTO metrics VALUES (?1, ?2, ?3, ?4, unixepoch())")?;
    for m in &batch.metrics {
        metrics.execute(params![run, m.tick as i64, m.name, m.value])?;
    }
    let mut rows =
        to.prepare("INSERT OR IGNORE INTO plugin_rows VALUES (?1, ?2, ?3, ?4, ?5, unixepoch())")?;
    for row in &batch.rows {
        rows.execute(params![run, row.tick as i64, row.plugin, row.key, row.value])?;
    }
    let mut repairs =
        to.prepare("INSERT OR IGNORE INTO repairs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, unixepoch())")?;
    for record in &batch.repairs {
        let [entities, replaced, parents] = lists_json(record);
        let (tick, block, cause) = (record.tick as i64, record.block, record.cause.as_str());
        repairs.execute(params![run, tick, block, cause, entities, replaced, parents])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use corec_core::alert::{Alert, Alerts};
    use corec_core::repairs::{RepairCause, RepairRecord, RepairedEntity};
    use corec_core::store::{BlockState, Metric};

    use super::*;

    fn states(tick: u64) -> Batch {
        let state = |block| BlockState {
            tick,
            block,
            group: "sensors".into(),
            channel: 1,
            entities: 1000,
            active: 990,
            mean: 0.5,
            deviation: 0.1,
            fitness: 0.25 * block as f32,
            threshold: 0.4,
        };
        Batch { blocks: (0..3).map(state).collect(), ..Batch::default() }
    }

    #[test]
    fn views_answer_the_common_questions() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open("sqlite://s.db", &folder.path().join("s.db")).unwrap();
        store.begin(&RunRecord { instance: "corec1".into(), ..RunRecord::default() }).unwrap();
        [0, 1].iter().for_each(|tick| store.write(&states(*tick)).unwrap());
        let ask = |sql: &str| {
            let ask = |row: &rusqlite::Row| -> rusqlite::Result<String> { row.get(0) };
            store.connection.query_row(sql, [], ask).unwrap()
        };
        assert_eq!(ask("SELECT group_concat(tick || '/' || block, ' ') FROM latest_blocks"), "1/0 1/1 1/2");
        let hours = "SELECT block_group || states || ' ' || fitness_mean || (hour LIKE '20__-__-__ __:00:00') FROM fitness_by_hour";
        assert_eq!(ask(hours), "sensors6 0.251");
        let old = "SELECT id || canal || ' ' || num_entidades || ' ' || fitness || instance_id FROM bloques \
            WHERE timestamp > datetime('now', '-1 day') LIMIT 1";
        assert_eq!(ask(old), "sensors1 3000 0.25corec1");
    }

    /// A file of version 3 keeps its rows, whose time nobody knows; what comes to it has one.
    #[test]
    fn a_file_without_times_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let mut store = SqliteStore::open("sqlite://s.db", &path).unwrap();
        store.begin(&RunRecord::default()).unwrap();
        store.write(&states(0)).unwrap();
        let back: String =
            ["latest_blocks", "alerts_open", "fitness_by_hour", "bloques", "repairs_by_entity"]
                .map(|view| format!("DROP VIEW {view};"))
                .concat()
                + "DROP TABLE repairs; ALTER TABLE alerts DROP COLUMN why;"
                + &["block_states", "alerts", "metrics", "plugin_rows"]
                    .map(|table| format!("ALTER TABLE {table} DROP COLUMN written_at;"))
                    .concat();
        store.connection.execute_batch(&(back + "PRAGMA user_version = 3")).unwrap();
        drop(store);
        let mut store = SqliteStore::open("sqlite://s.db", &path).unwrap();
        store.begin(&RunRecord::default()).unwrap();
        let mut batch = states(0);
        batch.metrics.push(Metric { tick: 0, name: "x".into(), value: 1.0 });
        store.write(&batch).unwrap();
        let count =
            "SELECT count(*), count(written_at), (SELECT count(written_at) FROM metrics) FROM block_states";
        let found =
            |row: &rusqlite::Row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
        assert_eq!(store.connection.query_row(count, [], found).unwrap(), (6, 3, 1));
    }

    fn told(tick: u64) -> Batch {
        let mut alerts = Alerts::default();
        alerts.publish("", "plain", "sensors/0", 0.5, 2, tick);
        alerts.publish_why("", "odd", "sensors/1", 0.5, 2, tick, "mean +9.1");
        let alerts: Vec<Alert> = alerts.take_outbox().map(|a| Alert { epoch: tick as u32, ..a }).collect();
        let entities = vec![
            RepairedEntity { entity: 12, replaced: Some(3), parent: None },
            RepairedEntity { entity: 4, replaced: None, parent: Some(7) },
        ];
        let record = |block, cause| RepairRecord { tick, block, cause, entities: entities.clone() };
        let repairs = vec![record(0, RepairCause::Faults), record(0, RepairCause::Flag)];
        Batch { alerts, repairs, ..Batch::default() }
    }

    #[test]
    fn repairs_are_kept_by_block_and_cause_and_shown_by_entity() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open("sqlite://s.db", &folder.path().join("s.db")).unwrap();
        store.begin(&RunRecord::default()).unwrap();
        [5, 6, 5].iter().for_each(|tick| store.write(&told(*tick)).unwrap());
        let ask = |sql: &str| {
            store.connection.query_row(sql, [], |row: &rusqlite::Row| row.get::<_, String>(0)).unwrap()
        };
        let rows = "SELECT group_concat(tick || '/' || block || cause || entities || replaced || parents, ' ') \
            FROM (SELECT * FROM repairs ORDER BY tick, block, cause)";
        let row = |start: &str| format!("{start}[12,4][3,null][null,7]");
        assert_eq!(ask(rows), ["5/0faults", "5/0flag", "6/0faults", "6/0flag"].map(row).join(" "));
        let each = "SELECT group_concat(run || '/' || tick || '/' || block || ' ' || entity || ' ' || cause || ' ' || \
            ifnull(replaced, '-') || ' ' || ifnull(parent, '-'), ', ') FROM repairs_by_entity WHERE tick = 6 AND cause = 'flag'";
        assert_eq!(ask(each), "1/6/0 12 flag 3 -, 1/6/0 4 flag - 7");
        let why = "SELECT group_concat(ifnull(why, 'NULL'), ' ') FROM (SELECT why FROM alerts_open ORDER BY name DESC)";
        assert_eq!(ask(why), "NULL mean +9.1");
    }

    /// A file of version 4 keeps its alerts, which do not say why.
    #[test]
    fn a_file_without_repairs_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let mut store = SqliteStore::open("sqlite://s.db", &path).unwrap();
        store.begin(&RunRecord::default()).unwrap();
        store.write(&Batch { repairs: Vec::new(), ..told(5) }).unwrap();
        let back = "DROP VIEW repairs_by_entity; DROP TABLE repairs; DROP VIEW alerts_open; ALTER TABLE alerts DROP COLUMN why; \
            CREATE VIEW alerts_open AS SELECT name FROM alerts; PRAGMA user_version = 4";
        store.connection.execute_batch(back).unwrap();
        drop(store);
        for _ in 0..2 {
            let mut store = SqliteStore::open("sqlite://s.db", &path).unwrap();
            store.begin(&RunRecord::default()).unwrap();
            store.write(&told(6)).unwrap();
        }
        let db = Connection::open(&path).unwrap();
        let count = "SELECT count(*), count(why), (SELECT count(*) FROM repairs), (SELECT count(*) FROM repairs_by_entity), \
            (SELECT count(why) FROM alerts_open) FROM alerts";
        let found =
            |row: &rusqlite::Row| -> rusqlite::Result<Vec<i64>> { (0..5).map(|n| row.get(n)).collect() };
        assert_eq!(db.query_row(count, [], found).unwrap(), [6, 2, 4, 8, 2]);
    }
}
