//! Stream rows: a table whose rows come on a stream of a bus, as those of a pipe do.
//!
//! Every entry is a row in JSON. A row without a column `sequence` is numbered by its entry's id: `N-0`, as `corec feed` gives them, is row
//! N, and one of the server's own, `MILLISECONDS-SEQUENCE`, has its time in the upper bits. So a run that goes on finds its place.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use corec_bridges::bus::redis::StreamReader;
use corec_core::bus::{Cursor, Entry};
use corec_core::stop::Stop;
use corec_telemetry::json_rows::JsonRows;
use corec_telemetry::live::{Bringer, LINES, Lines};
use crossbeam::channel::{Sender, bounded};

/// Ids below it number rows, those from it on are times: in the year 2004, and more rows than anybody feeds.
const FIRST_TIME: u64 = 1 << 40;
/// Bits of an id's sequence within its millisecond.
const SEQUENCE_BITS: u32 = 20;
/// How long the thread waits for an entry before it looks whether it is still wanted.
const WAIT: Duration = Duration::from_millis(100);

/// The number of the row with this id; none for an id that is neither.
fn number_of(Cursor(milliseconds, sequence): Cursor) -> Option<u64> {
    match (milliseconds, sequence) {
        (1..FIRST_TIME, 0) => Some(milliseconds),
        (FIRST_TIME.., sequence) if milliseconds < 1 << 43 && sequence < 1 << SEQUENCE_BITS => {
            Some(milliseconds << SEQUENCE_BITS | sequence)
        }
        _ => None,
    }
}

/// The id of the row with this number.
fn id_of(number: u64) -> Cursor {
    match number {
        0..FIRST_TIME => Cursor(number, 0),
        _ => Cursor(number >> SEQUENCE_BITS, number & ((1 << SEQUENCE_BITS) - 1)),
    }
}

/// What a run had of its stream before.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// The number of the last row that it took; 0 for none.
    pub last: u64,
    /// The columns that it measures.
    pub columns: Option<Vec<String>>,
}

/// The lines of a table that `reader` finds on `stream`, from the row after those of `before` on.
///
/// # Errors
/// What the system says if it has no thread to give.
pub(crate) fn lines(reader: StreamReader, stream: &str, before: &Before, stop: &Stop) -> io::Result<Lines> {
    let (to, from) = bounded(LINES);
    let lines = Lines::of(from, stop.clone());
    let source = Source {
        reader,
        stream: stream.into(),
        after: before.last,
        columns: before.columns.clone().unwrap_or_default(),
        to,
        bringer: lines.bringer(),
        rows: None,
        sent: VecDeque::new(),
        safe: 0,
        warned: 0,
    };
    std::thread::Builder::new().name("corec-input".into()).spawn(|| source.run())?;
    Ok(lines)
}

/// What the thread has.
struct Source {
    reader: StreamReader,
    stream: String,
    after: u64,
    columns: Vec<String>,
    to: Sender<io::Result<Vec<u8>>>,
    bringer: Bringer,
    /// The columns, once a first row has told them.
    rows: Option<JsonRows>,
    /// The entries of lines that are on their way, oldest first, and how many lines are safe.
    sent: VecDeque<Cursor>,
    safe: u64,
    warned: u64,
}

/// Nobody takes lines any more.
struct NotWanted;

impl Source {
    fn run(mut self) {
        let Ok(from) = self.begin() else { return };
        self.reader.subscribe(&self.stream, from);
        while self.bringer.is_wanted() {
            self.reader.wait(&self.stream, WAIT);
            let polled = match self.reader.poll(&self.stream, LINES) {
                Ok(polled) => polled,
                Err(error) => {
                    _ = self.to.send(Err(io::Error::other(error.to_string())));
                    return;
                }
            };
            if polled.lost > 0 {
                self.bringer.count(|counts| _ = counts.lost.fetch_add(polled.lost, Ordering::Relaxed));
            }
            if polled.entries.iter().try_for_each(|entry| self.take(entry)).is_err() {
                return;
            }
            self.look();
        }
    }

    /// Says what is safe in the journal, and how it is with the server. A row is when the next one was taken.
    fn look(&mut self) {
        let mut done = None;
        while self.safe + 1 < self.bringer.taken() {
            done = self.sent.pop_front().or(done);
            self.safe += 1;
        }
        if let Some(done) = done {
            _ = self.reader.done(&self.stream, done);
        }
        let health = self.reader.health();
        self.bringer.count(|counts| {
            counts.outages.store(health.outages, Ordering::Relaxed);
            counts.away_ms.store((health.away_seconds * 1e3) as u64, Ordering::Relaxed);
            counts.set_away(health.away);
        });
    }

    /// Where to read from: after the rows that were taken before, whose first, if it is there still, tells the columns.
    fn begin(&mut self) -> Result<Cursor, NotWanted> {
        while self.after > 0 && self.bringer.is_wanted() {
            match self.reader.first(&self.stream) {
                Ok(Some(first)) => {
                    self.take(&first)?;
                    let is_numbered = self.rows.as_ref().is_some_and(|rows| !rows.has_sequence);
                    return Ok(if is_numbered { id_of(self.after) } else { Cursor::START });
                }
                Ok(None) => break,
                Err(_) => std::thread::sleep(WAIT),
            }
        }
        Ok(Cursor::START)
    }

    /// Brings an entry's row, and before the first one the columns.
    fn take(&mut self, entry: &Entry) -> Result<(), NotWanted> {
        let Some(number) = number_of(entry.cursor) else {
            self.refuse(entry, "its id must be N-0 or the server's own");
            return Ok(());
        };
        if self.rows.is_none() {
            match JsonRows::of(&entry.data, &self.columns) {
                Ok(rows) => {
                    self.send(entry, rows.header())?;
                    self.rows = Some(rows);
                }
                Err(error) => {
                    self.refuse(entry, &error);
                    return Ok(());
                }
            }
        }
        let row = self.rows.as_ref().map(|rows| rows.row(number, &entry.data));
        row.map_or(Ok(()), |row| self.bring(entry, row))
    }

    fn bring(&mut self, entry: &Entry, row: Result<Vec<u8>, String>) -> Result<(), NotWanted> {
        match row {
            Ok(row) => self.send(entry, row),
            Err(error) => {
                self.refuse(entry, &error);
                Ok(())
            }
        }
    }

    fn send(&mut self, entry: &Entry, line: Vec<u8>) -> Result<(), NotWanted> {
        self.sent.push_back(entry.cursor);
        self.to.send(Ok(line)).map_err(|_| NotWanted)
    }

    /// Counts an entry that is no row. The first are told of, and then every thousandth.
    fn refuse(&mut self, entry: &Entry, why: &str) {
        self.bringer.count(|counts| _ = counts.refused.fetch_add(1, Ordering::Relaxed));
        self.warned += 1;
        if self.warned <= 3 || self.warned.is_multiple_of(1000) {
            let (stream, id, count) = (&self.stream, entry.cursor, self.warned);
            tracing::warn!("stream '{stream}', entry {id}: left out, the {count}. of its kind: {why}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rows_number_is_its_id_and_back() {
        for id in [Cursor(1, 0), Cursor(77, 0), Cursor(1_700_000_000_000, 0), Cursor(1_700_000_000_000, 9)] {
            assert_eq!(number_of(id).map(id_of), Some(id));
        }
        let numbers = [Cursor(1, 0), Cursor(FIRST_TIME - 1, 0), Cursor(FIRST_TIME, 0), Cursor(FIRST_TIME, 1)]
            .map(number_of);
        assert!(numbers.is_sorted() && numbers.iter().all(Option::is_some));
        for odd in [Cursor(0, 1), Cursor(5, 1), Cursor(1 << 50, 0), Cursor(1 << 41, 1 << 21)] {
            assert_eq!(number_of(odd), None, "{odd}");
        }
    }
}
