//! Judge: what becomes of a row, by how far the stream is and the engine.

use corec_bridges::bus::redis::{RowBatch, RowStream, StreamEnd};

use super::report::FeedReport;

/// The least id that a server's clock gives, 2001 in milliseconds, and the most that numbers of rows are taken for beside it.
const TIMES: u64 = 1_000_000_000_000;
const NUMBERS: u64 = TIMES / 1000;

/// What is known of the stream, and of the table.
#[derive(Default)]
pub(super) struct Judge {
    stream: String,
    /// Where the stream is, and whether its last row was seen to be one of the table's.
    pub place: StreamEnd,
    is_proved: bool,
    /// The last row that the engine has; none if it does not say.
    pub acknowledged: Option<u64>,
    /// The highest number that was read, and how many rows.
    read: u64,
    rows: u64,
    /// The highest number that the stream was seen to have.
    pub reached: u64,
}

/// What becomes of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Send,
    /// The stream has it, or the engine, or nobody can have it any more.
    Leave,
}

impl Judge {
    pub fn of(stream: &str) -> Self {
        Self { stream: stream.into(), ..Self::default() }
    }

    /// The stream was asked how far it is.
    pub fn find(&mut self, place: StreamEnd) {
        self.reached = self.reached.max(place.last);
        (self.place, self.is_proved) = (place, false);
    }

    /// The stream has all rows up to `last`, which is one of the table's.
    pub fn has(&mut self, last: u64) {
        self.reached = self.reached.max(last);
        (self.place, self.is_proved) = (StreamEnd { last, row: None, first_after: Some(0) }, true);
    }

    /// The last row that need not be sent.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.unwrap_or(0)
    }

    /// What becomes of `row`, the table's row at `place`, counted from 1, with the number `sequence`.
    ///
    /// # Errors
    /// A stream that is not of this table alone.
    pub fn decide(
        &mut self,
        (place, sequence, row): (u64, u64, &[u8]),
        to: &mut RowStream,
        report: &mut FeedReport,
    ) -> Result<Fate, String> {
        // A row that is read again, for what the server has lost, is counted.
        let (is_first, is_new) = (place == 1, place > self.rows);
        (self.read, self.rows) = (self.read.max(sequence), self.rows.max(place));
        let last = self.place.last;
        if sequence == last {
            self.prove(row)?;
        }
        if is_first && sequence < last {
            self.look_at_first(sequence, row, to)?;
        }
        // A table may go on where another one ended.
        self.is_proved |= is_first && sequence > last;
        if sequence <= self.acknowledged() {
            report.acknowledged += u64::from(is_new);
            return Ok(Fate::Leave);
        }
        if sequence > last {
            return if last == 0 || self.is_proved { Ok(Fate::Send) } else { Err(self.foreign()) };
        }
        let is_gone = self.acknowledged.is_some()
            && sequence < last
            && self.place.first_after.is_none_or(|first| sequence < first);
        if !is_new {
            return Ok(Fate::Leave);
        }
        if is_gone {
            if report.lost == 0 {
                tracing::warn!(
                    "stream '{}': row {sequence} is gone and the engine has not had it; below the last id {last}-0 it can't be sent again",
                    self.stream
                );
            }
            report.lost += 1;
        } else {
            report.already_there += 1;
        }
        Ok(Fate::Leave)
    }

    /// The stream's last row is to be the table's of that number.
    fn prove(&mut self, row: &[u8]) -> Result<(), String> {
        if self.place.row.as_deref().is_some_and(|there| there != row) {
            return Err(self.foreign());
        }
        self.is_proved = true;
        Ok(())
    }

    /// The first row tells quickly whether a stream is another's; a pipe might never get to the last.
    fn look_at_first(&self, sequence: u64, row: &[u8], to: &mut RowStream) -> Result<(), String> {
        match to.row(sequence) {
            Ok(Some(there)) if there != row => Err(self.foreign()),
            Ok(None) if self.place.last >= TIMES && sequence < NUMBERS => Err(self.foreign()),
            // A server that is away is met again when rows are sent.
            _ => Ok(()),
        }
    }

    /// After a doubt: what of `rows`, which were on their way, the stream has not. Before them it had reached `reached`.
    ///
    /// # Errors
    /// A stream that is not of this table alone.
    pub fn rest(&mut self, rows: &RowBatch, reached: u64) -> Result<RowBatch, String> {
        let mut rest = RowBatch::default();
        for (sequence, row) in rows.iter() {
            if sequence == self.place.last {
                self.prove(row)?;
            }
            if sequence > self.place.last {
                rest.push(sequence, row);
            }
        }
        // None of them has come: the stream is where it was before them.
        self.is_proved |= rest.len() == rows.len() && self.place.last == reached;
        if rest.is_empty() || self.is_proved || self.place.last == 0 { Ok(rest) } else { Err(self.foreign()) }
    }

    /// The table has ended with `row`: a stream that goes on after it has to be of its rows all the same.
    ///
    /// # Errors
    /// A stream that is not of this table alone.
    pub fn check_end(&self, row: &[u8], to: &mut RowStream) -> Result<(), String> {
        if self.is_proved || self.place.last <= self.read || self.acknowledged() >= self.read {
            return Ok(());
        }
        match to.row(self.read) {
            Ok(Some(there)) if there == row => Ok(()),
            _ => Err(self.foreign()),
        }
    }

    fn foreign(&self) -> String {
        format!(
            "stream '{}': found the last id {}-0, must be a row of this table: others write to it, take another name",
            self.stream, self.place.last
        )
    }
}
