//! Feed: where a run's rows come from, one a tick: its table, a pipe, or the journal of the run that is done again.
//!
//! A row is known by its number: what its column `sequence` says, else its place in the table; rows of a pipe without such a
//! column are counted on. One that was taken before is left out. Every row is in the journal before it is applied.

use std::path::Path;

use bevy_ecs::prelude::*;
use corec_core::journal::{Input, Inputs, Journal};
use corec_core::simulation::Ending;
use corec_core::units::Tick;

use super::ack::Ack;
use super::detection::{Detector, Detectors};
use super::table::{TableError, TableReader, TableReport};
use super::windows::Windows;
use crate::stop::Stop;

/// The table that a run replays, and what was found in it.
#[derive(Resource)]
pub struct TableInput {
    /// The table; none while rows come from a journal only.
    table: Option<TableReader>,
    /// The names of its measured columns.
    columns: Vec<String>,
    /// Tells whoever feeds the run how far its rows are on disk.
    pub(crate) ack: Option<Ack>,
    /// Kills the process in this tick, once its row is in the journal and before it is applied.
    pub(crate) kill_in: Option<u64>,
    /// The number of the last row read, and rows left out because they had been taken before.
    last_sequence: u64,
    repeated: u64,
    /// The row after this tick's, or why there is none.
    ahead: Option<Result<Ahead, TableError>>,
    values_ahead: Vec<f64>,
    /// Spans of time that hold anomalies.
    windows: Option<Windows>,
    /// The row of this tick; NaN for a gap.
    pub values: Vec<f64>,
    /// Whether the row of this tick is an anomaly, where that is known.
    pub label: Option<bool>,
    /// The score of each column.
    pub column_scores: Vec<f32>,
    /// The score of the row.
    pub row_score: f32,
    /// The score that a plugin gives the row of this tick, in place of the twins', and whose it is.
    pub(crate) given_score: Option<(Detector, f32)>,
    /// Whose scores the rows of this process had.
    pub(crate) detectors: Detectors,
}

/// A row that was read before its tick; its values are beside it.
struct Ahead {
    sequence: u64,
    label: Option<bool>,
}

impl TableInput {
    /// The input of a run, before its first row.
    pub fn new(table: TableReader, windows: Option<Windows>) -> Self {
        let columns = (0..table.width()).map(|at| table.column(at).to_string()).collect();
        Self { table: Some(table), windows, ..Self::recorded(columns) }
    }

    /// The input of a run that is done again from `journal`, whose first record it takes; none if the run had no table.
    pub(crate) fn recorded_in(journal: &mut Journal) -> Option<Self> {
        match journal.replay(0, |input| matches!(input, Input::Columns(_)))? {
            Input::Columns(columns) => Some(Self::recorded(columns)),
            _ => None,
        }
    }

    /// The input of a run whose rows are all in its journal.
    pub fn recorded(columns: Vec<String>) -> Self {
        let n = columns.len();
        Self {
            table: None,
            columns,
            ack: None,
            kill_in: None,
            last_sequence: 0,
            repeated: 0,
            ahead: None,
            values_ahead: vec![f64::NAN; n],
            windows: None,
            values: vec![f64::NAN; n],
            label: None,
            column_scores: vec![0.0; n],
            row_score: 0.0,
            given_score: None,
            detectors: Detectors::default(),
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
    pub(crate) fn is_read(&self) -> bool {
        self.table.is_some()
    }

    /// Whether rows are numbered by a column `sequence`.
    pub fn has_sequence(&self) -> bool {
        self.table.as_ref().is_some_and(TableReader::has_sequence)
    }

    /// Rows left out because they had been taken before.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Waits for the next row; says whether there is one before the table ends or `stop` is set. Only a pipe's has to be waited for.
    ///
    /// # Errors
    /// See [`TableError`].
    pub fn wait(&mut self, stop: &Stop) -> Result<bool, TableError> {
        while self.ahead.is_none() && self.is_live() {
            let Some(table) = &mut self.table else { break };
            // A line may hold no row: an empty one has none, and one that was taken before has none that is new.
            let is_there = table.wait()?;
            if stop.is_set() {
                return Ok(false);
            }
            if !is_there {
                return self.windows.as_ref().map_or(Ok(()), Windows::judge_closed).map(|()| false);
            }
            self.look_ahead();
        }
        if self.ahead.is_none() {
            self.look_ahead();
        }
        Ok(self.ahead.is_some())
    }

    fn is_live(&self) -> bool {
        self.table.as_ref().is_some_and(TableReader::is_live)
    }

    /// Goes on after row `sequence`, which was taken before.
    pub(crate) fn go_on_after(&mut self, sequence: u64) {
        self.last_sequence = self.last_sequence.max(sequence);
        self.windows.iter_mut().filter(|_| sequence > 0).for_each(Windows::go_on);
    }

    /// Tells whoever feeds the run how far its journal is: a kill may have come before that was told.
    ///
    /// # Errors
    /// A text with the file.
    pub(crate) fn acknowledge(&self) -> Result<(), String> {
        match &self.ack {
            Some(ack) if self.last_sequence > 0 => ack.write(self.last_sequence),
            _ => Ok(()),
        }
    }

    /// Takes the next row. Gives its number, and whether it is known to be the last; none at the end.
    fn take(&mut self) -> Result<Option<(u64, bool)>, TableError> {
        if self.ahead.is_none() {
            self.look_ahead();
        }
        let Some(Ahead { sequence, label }) = self.ahead.take().transpose()? else { return Ok(None) };
        std::mem::swap(&mut self.values, &mut self.values_ahead);
        self.label = label;
        if self.is_live() {
            return Ok(Some((sequence, false)));
        }
        self.look_ahead();
        Ok(Some((sequence, self.ahead.is_none())))
    }

    /// Reads on to the next row of a file that was not taken before; of a pipe, no further than the row that is there.
    fn look_ahead(&mut self) {
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
        let Some(meta) = table.next_row(&mut self.values_ahead)? else { return Ok(None) };
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
    fn replay(&mut self, row: Input, ending: &mut Ending) {
        let Input::Row { sequence, values, label, .. } = row else { return };
        self.go_on_after(sequence);
        if values.len() != self.values.len() {
            let (found, expected) = (values.len(), self.values.len());
            return ending.fail(format!(
                "journal: found a row of {found} values, must be {expected} as the table has"
            ));
        }
        (self.values, self.label) = (values, label);
        // Whether it was the last then says nothing now: the table may have grown, and the journal with it.
    }
}

/// What a run goes on with where its table is not as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputChanged {
    /// It does not go on.
    #[default]
    Refuse,
    /// It goes on with the rows that the table has now, after as many as were taken.
    Accept,
}

impl TableInput {
    /// Brings the table to where the run that is gone on with had come: after the rows that `journal` has up to record
    /// `sequence`, each of which must be in the table as it was taken. A pipe has only its columns compared.
    ///
    /// # Errors
    /// The first difference, unless it is accepted; a table of another number of columns. A text.
    pub(crate) fn catch_up(
        &mut self,
        journal: &Path,
        sequence: u64,
        changed: InputChanged,
    ) -> Result<(), String> {
        let shown = self.table.as_ref().map(|table| table.path().display().to_string()).unwrap_or_default();
        let is_accepted = changed == InputChanged::Accept;
        let differs = |what: String| {
            Err(format!(
                "--input: {shown}: {what} as when the run was started: --input-changed accept goes on with what is there now"
            ))
        };
        let mut inputs = Inputs::of(journal).map_err(|e| e.to_string())?;
        let mut taken = 0;
        let mut is_compared = self.is_read() && !self.is_live();
        while let Some((at, _, input)) = inputs.next_input().map_err(|e| e.to_string())? {
            if at > sequence {
                break;
            }
            match input {
                Input::Columns(columns) => match self.fit(&columns) {
                    Err(Misfit::Count) => {
                        return Err(format!(
                            "--input: {shown}: found {} columns of numbers, must be {}: {}",
                            self.columns.len(),
                            columns.len(),
                            columns.join(", ")
                        ));
                    }
                    Err(Misfit::Name(at)) if !is_accepted => {
                        let (found, expected) = (&self.columns[at], &columns[at]);
                        return differs(format!("column {}: found '{found}', must be '{expected}'", at + 1));
                    }
                    _ => {
                        self.arrange(&columns);
                    }
                },
                Input::Row { sequence, values, label, .. } if is_compared => {
                    match self.same_row(sequence, &values, label) {
                        Ok(()) => {}
                        Err(_) if is_accepted => is_compared = false,
                        Err(what) => return differs(what),
                    }
                    taken = sequence;
                    self.go_on_after(sequence);
                }
                Input::Row { sequence, .. } => {
                    taken = sequence;
                    self.go_on_after(sequence);
                }
                _ => {}
            }
        }
        if self.is_read() && !self.is_live() && !is_compared {
            // What was read of the other table and is no row that was taken is the next one.
            self.ahead =
                self.ahead.take().filter(|row| row.as_ref().map_or(true, |row| row.sequence > taken));
            let ahead = self.ahead.as_ref().and_then(|row| row.as_ref().ok()).map(|row| row.sequence);
            self.last_sequence = ahead.unwrap_or(taken);
            if self.ahead.is_none() {
                self.look_ahead();
            }
        }
        // What was left out on the way was taken before, and by this run: nobody has sent it again.
        self.repeated = 0;
        Ok(())
    }

    /// Whether the table's columns are these, in this order.
    fn fit(&self, columns: &[String]) -> Result<(), Misfit> {
        if self.columns.len() != columns.len() {
            return Err(Misfit::Count);
        }
        match self.columns.iter().zip(columns).position(|(found, expected)| found != expected) {
            Some(at) => Err(Misfit::Name(at)),
            None => Ok(()),
        }
    }

    /// Takes columns of the same names in the order they had; others stay in their places, under their new names.
    fn arrange(&mut self, columns: &[String]) {
        if let Some(table) = &mut self.table
            && table.arrange(columns)
        {
            self.columns = columns.to_vec();
        }
    }

    /// Whether the table's next row that was not taken before is this one.
    fn same_row(&mut self, sequence: u64, values: &[f64], label: Option<bool>) -> Result<(), String> {
        self.look_ahead();
        let row = match self.ahead.take() {
            None => return Err(format!("found no row {sequence}, must have it")),
            Some(Err(error)) => return Err(format!("row {sequence}: {error}, must be readable")),
            Some(Ok(row)) => row,
        };
        if row.sequence != sequence {
            let found = row.sequence;
            self.ahead = Some(Ok(row));
            return Err(format!("found row {found}, must be row {sequence}"));
        }
        let differs = |(found, expected): (&f64, &f64)| {
            found.to_bits() != expected.to_bits() && !(found.is_nan() && expected.is_nan())
        };
        if let Some(at) = self.values_ahead.iter().zip(values).position(differs) {
            let (column, found, expected) = (&self.columns[at], self.values_ahead[at], values[at]);
            return Err(format!("row {sequence}, column '{column}': found {found}, must be {expected}"));
        }
        if self.windows.is_none() && row.label != label {
            let shown =
                |label: Option<bool>| label.map_or("none".into(), |label| u8::from(label).to_string());
            let (found, expected) = (shown(row.label), shown(label));
            return Err(format!("row {sequence}: found the label {found}, must be {expected}"));
        }
        Ok(())
    }
}

/// How columns are not those that they should be.
enum Misfit {
    /// More or fewer.
    Count,
    /// The first of another name.
    Name(usize),
}

/// Ingest: takes the tick's row, from the journal as long as that has rows. Ends the run after the last one.
pub fn take_row(
    input: Option<ResMut<TableInput>>,
    tick: Res<Tick>,
    mut journal: ResMut<Journal>,
    mut ending: ResMut<Ending>,
) {
    let Some(mut input) = input else { return };
    let input = &mut *input;
    if let Some(row) = journal.replay(tick.0, |input| matches!(input, Input::Row { .. })) {
        return input.replay(row, &mut ending);
    }
    if journal.is_replaying() {
        ending.is_finished = true;
        return;
    }
    match input.take() {
        Ok(Some((sequence, is_last))) => {
            ending.is_finished |= is_last;
            let (values, label) = (input.values.clone(), input.label);
            journal.record(tick.0, Input::Row { sequence, values, label, is_last });
            if let Some(ack) = &input.ack {
                journal.commit();
                // A row that is not on disk must be sent again.
                if journal.failure().is_none()
                    && let Err(error) = ack.write(sequence)
                {
                    ending.fail(error);
                }
            }
            if input.kill_in == Some(tick.0) {
                _ = signal_hook::low_level::raise(signal_hook::consts::SIGKILL);
            }
        }
        Ok(None) => {
            // A tick without a row is one of gaps: it must not learn the last row twice.
            input.values.fill(f64::NAN);
            (input.label, ending.is_finished) = (None, true);
        }
        Err(error) => ending.fail(error),
    }
}
