//! Catching up: brings a table to where the run that goes on with it had come.
//!
//! Every row that the run took must be in the table as it was taken; of a pipe only the columns are compared.

use std::path::Path;

use corec_core::journal::{Input, Inputs};

use crate::feed::Feed;

/// What a run goes on with where its table is not as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputChanged {
    /// It does not go on.
    #[default]
    Refuse,
    /// It goes on with the rows that the table has now, after as many as were taken.
    Accept,
}

impl Feed {
    /// Brings the table to where the run that is gone on with had come: after the rows that `journal` has up to record
    /// `sequence`, each of which must be in the table as it was taken. A pipe has only its columns compared.
    ///
    /// # Errors
    /// The first difference, unless it is accepted; a table of another number of columns. A text.
    pub fn catch_up(&mut self, journal: &Path, sequence: u64, changed: InputChanged) -> Result<(), String> {
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
