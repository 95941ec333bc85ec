//! Written: the alerts of a run, read from its file while another process writes it.

use std::path::Path;

use corec_core::alert::{AT_THE_END, Alert, AlertState};
use corec_core::store::StoreError;
use corec_core::units::RunId;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, ToSql, params};

use super::sqlite::PATIENCE;

/// Alerts that are read at once.
const AT_ONCE: u32 = 1000;

/// The numbers of alerts of ticks, and of those of an end.
const RANGES: [[i64; 2]; 2] = [[0, AT_THE_END as i64 - 1], [AT_THE_END as i64, i64::MAX]];

/// The alerts of one run, in the order in which they came.
pub struct WrittenAlerts {
    connection: Connection,
    path: String,
    run: i64,
    /// Epoch and number of the last that was read: of those of ticks, and of those of an end, whose numbers are above all others.
    last: [(u32, i64); 2],
}

impl WrittenAlerts {
    /// Of a run in the file at `path`, all of them or those from now on; none as long as the file has no such run.
    ///
    /// # Errors
    /// A file that is no store of this version.
    pub fn open(path: &Path, id: RunId, is_from_start: bool) -> Result<Option<Self>, StoreError> {
        if !path.exists() {
            return Ok(None);
        }
        let failed = |e: rusqlite::Error| StoreError::failed("store", format!("{}: {e}", path.display()));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        let find = "SELECT run FROM runs WHERE id = ?";
        let run =
            connection.query_row(find, [id.to_string()], |row| row.get(0)).optional().map_err(failed)?;
        let Some(run) = run else { return Ok(None) };
        let mut last = [(0, -1), (0, AT_THE_END as i64 - 1)];
        if !is_from_start {
            for (last, [from, to]) in last.iter_mut().zip(RANGES) {
                let newest = "SELECT epoch, sequence FROM alerts WHERE run = ? AND sequence BETWEEN ? AND ? \
                     ORDER BY epoch DESC, sequence DESC LIMIT 1";
                let found = connection
                    .query_row(newest, params![run, from, to], |row| Ok((row.get(0)?, row.get(1)?)));
                *last = found.optional().map_err(failed)?.unwrap_or(*last);
            }
        }
        Ok(Some(Self { connection, path: path.display().to_string(), run, last }))
    }

    /// Those that are up as the file has it.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn up(&self) -> Result<Vec<Alert>, StoreError> {
        let text = "SELECT epoch, sequence, tick, instance, name, subject, value, severity, 'raised', why FROM alerts_open \
             WHERE run = ? ORDER BY severity, epoch, sequence";
        self.read(text, params![self.run])
    }

    /// Those that came since the last call, a thousand of each sort at most.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn take_new(&mut self) -> Result<Vec<Alert>, StoreError> {
        let text = "SELECT epoch, sequence, tick, instance, name, subject, value, severity, state, why FROM alerts \
             WHERE run = ? AND (epoch, sequence) > (?, ?) AND sequence BETWEEN ? AND ? ORDER BY epoch, sequence LIMIT ?";
        let mut alerts = Vec::new();
        for ((epoch, sequence), [from, to]) in self.last.into_iter().zip(RANGES) {
            alerts.extend(self.read(text, params![self.run, epoch, sequence, from, to, AT_ONCE])?);
        }
        // What was said at an end was said before the tick that a restored run begins with.
        alerts.sort_by_key(|alert| (alert.tick, alert.sequence < AT_THE_END, alert.sequence));
        for alert in &alerts {
            let last = &mut self.last[usize::from(alert.sequence >= AT_THE_END)];
            *last = (*last).max((alert.epoch, alert.sequence as i64));
        }
        Ok(alerts)
    }

    fn read(&self, text: &str, values: &[&dyn ToSql]) -> Result<Vec<Alert>, StoreError> {
        let read = || -> rusqlite::Result<Vec<Alert>> {
            self.connection.prepare(text)?.query_map(values, alert)?.collect()
        };
        read().map_err(|e| StoreError::failed("store", format!("{}: {e}", self.path)))
    }
}

fn alert(row: &Row) -> rusqlite::Result<Alert> {
    let state: String = row.get(8)?;
    Ok(Alert {
        epoch: row.get(0)?,
        sequence: row.get::<_, i64>(1)? as u64,
        tick: row.get::<_, i64>(2)? as u64,
        instance: row.get(3)?,
        name: row.get(4)?,
        subject: row.get(5)?,
        value: row.get::<_, Option<f64>>(6)?.unwrap_or(f64::NAN),
        severity: row.get(7)?,
        state: if state == AlertState::Raised.as_str() { AlertState::Raised } else { AlertState::Cleared },
        why: row.get::<_, Option<String>>(9)?.unwrap_or_default(),
        by: String::new(),
    })
}
