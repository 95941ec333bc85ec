//! Feed: where a run's rows come from, one a tick: its table, a pipe, or the journal of the run that is done again.
//!
//! A row is known by its number: what its column `sequence` says, else its place in the table; rows of a pipe without such a
//! column are counted on. One that was taken before is left out. Every row is in the journal before it is applied.

use std::path::Path;
use std::time::Duration;

use bevy_ecs::prelude::*;
use corec_api::row::TableRow;
use corec_core::journal::{Input, Journal};
use corec_core::simulation::Ending;
use corec_core::stop::Stop;
use corec_core::units::Tick;

use crate::ack::Ack;
use crate::live::Waited;
use crate::table::{TableReader, TableReport};
use crate::table_error::TableError;
use crate::windows::Windows;

/// How long one wait for a row takes at most.
const PATIENCE: Duration = Duration::from_millis(100);

/// The table that a run replays, and how far it has come in it.
#[derive(Resource)]
pub struct Feed {
    /// The table; none while rows come from a journal only.
    pub(crate) table: Option<TableReader>,
    /// The names of its measured columns.
    pub(crate) columns: Vec<String>,
    /// Tells whoever feeds the run how far its rows are on disk.
    pub ack: Option<Ack>,
    /// Kills the process in this tick, once its row is in the journal and before it is applied.
    pub kill_in: Option<u64>,
    /// The number of the last row read, and rows left out because they had been taken before.
    pub(crate) last_sequence: u64,
    pub(crate) repeated: u64,
    /// The row after this tick's, or why there is none.
    pub(crate) ahead: Option<Result<Ahead, TableError>>,
    pub(crate) values_ahead: Vec<f64>,
    /// Spans of time that hold anomalies.
    pub(crate) windows: Option<Windows>,
}

/// A row that was read before its tick; its values are beside it.
pub(crate) struct Ahead {
    pub sequence: u64,
    pub label: Option<bool>,
}

impl Feed {
    /// The rows of a table, before its first one.
    pub fn new(table: TableReader, windows: Option<Windows>) -> Self {
        let columns = (0..table.width()).map(|at| table.column(at).to_string()).collect();
        Self { table: Some(table), windows, ..Self::recorded(columns) }
    }

    /// The rows of a run that is done again from `journal`, whose first record it takes; none if the run had no table.
    pub fn recorded_in(journal: &mut Journal) -> Option<Self> {
        match journal.replay(0, |input| matches!(input, Input::Columns(_)))? {
            Input::Columns(columns) => Some(Self::recorded(columns)),
            _ => None,
        }
    }

    /// The rows of a run that are all in its journal.
    pub fn recorded(columns: Vec<String>) -> Self {
        Self {
            table: None,
            values_ahead: vec![f64::NAN; columns.len()],
            columns,
            ack: None,
            kill_in: None,
            last_sequence: 0,
            repeated: 0,
            ahead: None,
            windows: None,
        }
    }

    /// The names of the measured columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// What the table has turned out to hold; none where rows come from a journal only.
    pub fn report(&self) -> Option<TableReport> {
        self.table.as_ref().map(TableReader::report)
    }

    /// Whether there is a table; else all rows are in the journal.
    pub fn is_read(&self) -> bool {
        self.table.is_some()
    }

    fn is_on_stream(&self) -> bool {
        self.table.as_ref().is_some_and(TableReader::is_stream)
    }

    /// Whether its rows come on this stream.
    pub fn is_on(&self, stream: &str) -> bool {
        self.table.as_ref().is_some_and(|table| table.is_stream() && table.path() == Path::new(stream))
    }

    /// Whether rows are numbered by a column `sequence`.
    pub fn has_sequence(&self) -> bool {
        self.table.as_ref().is_some_and(TableReader::has_sequence)
    }

    /// Rows left out because they had been taken before.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Waits for the next row, a tenth of a second at most: only a pipe's has to be waited for. It is the end too when `stop` is set.
    ///
    /// # Errors
    /// See [`TableError`].
    pub fn wait(&mut self, stop: &Stop) -> Result<Waited, TableError> {
        while self.ahead.is_none() && self.is_live() {
            let Some(table) = &mut self.table else { break };
            // A line may hold no row: an empty one has none, and one that was taken before has none that is new.
            let waited = table.wait_for(PATIENCE)?;
            if stop.is_set() {
                return Ok(Waited::End);
            }
            match waited {
                Waited::Row => self.look_ahead(),
                Waited::InVain => return Ok(Waited::InVain),
                Waited::End => {
                    let judged = self.windows.as_ref().map_or(Ok(()), Windows::judge_closed);
                    return judged.map(|()| Waited::End);
                }
            }
        }
        if self.ahead.is_none() {
            self.look_ahead();
        }
        Ok(if self.ahead.is_some() { Waited::Row } else { Waited::End })
    }

    pub(crate) fn is_live(&self) -> bool {
        self.table.as_ref().is_some_and(TableReader::is_live)
    }

    /// Goes on after row `sequence`, which was taken before.
    pub fn go_on_after(&mut self, sequence: u64) {
        self.last_sequence = self.last_sequence.max(sequence);
        self.windows.iter_mut().filter(|_| sequence > 0).for_each(Windows::go_on);
    }

    /// Tells whoever feeds the run how far its journal is: a kill may have come before that was told.
    ///
    /// # Errors
    /// A text with the file.
    pub fn acknowledge(&self) -> Result<(), String> {
        match &self.ack {
            Some(ack) if self.last_sequence > 0 => ack.write(self.last_sequence),
            _ => Ok(()),
        }
    }

    /// Takes the next row. Gives its number, and whether it is known to be the last; none at the end.
    fn take(&mut self, row: &mut TableRow) -> Result<Option<(u64, bool)>, TableError> {
        if self.ahead.is_none() {
            self.look_ahead();
        }
        let Some(Ahead { sequence, label }) = self.ahead.take().transpose()? else { return Ok(None) };
        std::mem::swap(&mut row.values, &mut self.values_ahead);
        row.label = label;
        if self.is_live() {
            return Ok(Some((sequence, false)));
        }
        self.look_ahead();
        Ok(Some((sequence, self.ahead.is_none())))
    }

    /// Reads on to the next row of a file that was not taken before; of a pipe, no further than the row that is there.
    pub(crate) fn look_ahead(&mut self) {
        loop {
            let taken_before = self.repeated;
            self.ahead = self.read_row().transpose();
            if self.ahead.is_some() || self.is_live() || self.repeated == taken_before {
                return;
            }
        }
    }

    /// Reads a row; none at the end, or if it was taken before.
    fn read_row(&mut self) -> Result<Option<Ahead>, TableError> {
        let Some(table) = &mut self.table else { return Ok(None) };
        let meta = match table.next_row(&mut self.values_ahead) {
            Err(error) if table.passes_over(&error) => return Ok(None),
            read => read?,
        };
        let Some(meta) = meta else { return Ok(None) };
        let by_place = if table.is_live() { self.last_sequence + 1 } else { table.rows() };
        let sequence = meta.sequence.unwrap_or(by_place);
        if sequence <= self.last_sequence {
            self.repeated += 1;
            return Ok(None);
        }
        self.last_sequence = sequence;
        let label = match (&mut self.windows, &meta.timestamp) {
            (Some(windows), Some(at)) => {
                Some(windows.contains(at).map_err(|allowed| table.time_error(meta.line, at, allowed))?)
            }
            _ => meta.label,
        };
        Ok(Some(Ahead { sequence, label }))
    }

    /// Takes a row that the journal has.
    fn replay(&mut self, recorded: Input, row: &mut TableRow, ending: &mut Ending) {
        let Input::Row { sequence, values, label, .. } = recorded else { return };
        self.go_on_after(sequence);
        if values.len() != row.values.len() {
            let (found, expected) = (values.len(), row.values.len());
            return ending.fail(format!(
                "journal: found a row of {found} values, must be {expected} as the table has"
            ));
        }
        (row.values, row.label) = (values, label);
        // Whether it was the last then says nothing now: the table may have grown, and the journal with it.
    }
}

/// Ingest: takes the tick's row, from the journal as long as that has rows. Ends the run after the last one.
pub fn take_row(
    feed: Option<ResMut<Feed>>,
    row: Option<ResMut<TableRow>>,
    tick: Res<Tick>,
    mut journal: ResMut<Journal>,
    mut ending: ResMut<Ending>,
) {
    let Some((mut feed, mut row)) = feed.zip(row) else { return };
    if let Some(recorded) = journal.replay(tick.0, |input| matches!(input, Input::Row { .. })) {
        return feed.replay(recorded, &mut row, &mut ending);
    }
    if journal.is_replaying() {
        ending.is_finished = true;
        return;
    }
    match feed.take(&mut row) {
        Ok(Some((sequence, is_last))) => {
            ending.is_finished |= is_last;
            let (values, label) = (row.values.clone(), row.label);
            journal.record(tick.0, &Input::Row { sequence, values, label, is_last });
            if feed.ack.is_some() || feed.is_on_stream() {
                journal.commit();
            }
            if let Some(ack) = &feed.ack {
                // A row that is not on disk must be sent again.
                if journal.failure().is_none()
                    && let Err(error) = ack.write(sequence)
                {
                    ending.fail(error);
                }
            }
            if feed.kill_in == Some(tick.0) {
                _ = signal_hook::low_level::raise(signal_hook::consts::SIGKILL);
            }
        }
        Ok(None) => {
            // A tick without a row is one of gaps: it must not learn the last row twice.
            row.values.fill(f64::NAN);
            (row.label, ending.is_finished) = (None, true);
        }
        Err(error) => ending.fail(error),
    }
}
