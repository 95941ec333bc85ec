//! A table of telemetry: CSV, plain or gzipped, read row by row.
//!
//! Recognised by themselves: the delimiter (`,` `;` tab `|`), a header, a time column (`timestamp`, `time`, `date`,
//! `datetime`), a `label` column of 0 and 1, a `sequence` column that numbers rows from 1. A named pipe is read as its rows
//! come. Every other column whose first value is a number is measured; the rest is left out and named. An empty cell, `NaN`,
//! `NA`, `null`, an infinity or a number beyond 3.4e38 is a gap; text in a measured column is a broken file.

mod objects;
mod report;
mod streamed;
mod times;

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use corec_core::stop::Stop;
use csv::{ByteRecord, ReaderBuilder};

use crate::cell::{is_gap, number, shown, trimmed};
use crate::header::{check_header, delimiter_of};
use crate::live::{Lines, Waited};
use crate::source::{RowLimit, is_pipe, open_file};
use crate::table_error::TableError;

pub use objects::OBJECT_BYTES_MAX;
pub use report::TableReport;

/// Rows looked at to tell which columns hold numbers.
const LOOK_AHEAD: usize = 100;

/// A row as it was read; the values are where the caller wanted them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowMeta {
    /// The line it is on, counted from 1.
    pub line: u64,
    /// The cell of the time column.
    pub timestamp: Option<String>,
    /// The cell of the label column.
    pub label: Option<bool>,
    /// The cell of the sequence column.
    pub sequence: Option<u64>,
}

/// Reads a table row by row.
pub struct TableReader {
    path: PathBuf,
    csv: csv::Reader<RowLimit<Box<dyn BufRead + Send + Sync>>>,
    ahead: VecDeque<ByteRecord>,
    spare: ByteRecord,
    names: Vec<String>,
    measured: Vec<usize>,
    time: Option<usize>,
    label: Option<usize>,
    sequence: Option<usize>,
    live: Option<Lines>,
    /// Whether its lines are the entries of a stream.
    is_stream: bool,
    gaps: Vec<u64>,
    rows: u64,
    /// The number of the last row that was read as an object.
    last_sequence: u64,
    /// For rows as objects: what stands before each column's value, whether that is a number, and room for the measured ones.
    keys: Vec<Vec<u8>>,
    is_number: Vec<bool>,
    values: Vec<f64>,
}

impl TableReader {
    /// Opens a table and reads far enough to know its columns.
    ///
    /// # Errors
    /// See [`TableError`].
    pub fn open(path: &Path) -> Result<Self, TableError> {
        Self::open_until(path, &Stop::default())
    }

    /// As [`TableReader::open`]; a pipe is waited for until `stop` is set.
    ///
    /// # Errors
    /// See [`TableError`].
    pub fn open_until(path: &Path, stop: &Stop) -> Result<Self, TableError> {
        let io_error = |e: io::Error| TableError::Io { path: path.into(), message: e.to_string() };
        let live = match is_pipe(path) {
            true => Some(Lines::open(path.into(), stop.clone()).map_err(io_error)?),
            false => None,
        };
        Self::read(path, live, None)
    }

    /// Reads far enough to know the columns.
    fn read(path: &Path, live: Option<Lines>, delimiter: Option<u8>) -> Result<Self, TableError> {
        let io_error = |e: io::Error| TableError::Io { path: path.into(), message: e.to_string() };
        let header_error = |message: String| TableError::Header { path: path.into(), message };
        let mut text: Box<dyn BufRead + Send + Sync> = match &live {
            Some(lines) => Box::new(BufReader::with_capacity(1 << 16, lines.clone())),
            None => open_file(path).map_err(io_error)?,
        };
        let delimiter = delimiter.map_or_else(|| delimiter_of(&mut text), Ok).map_err(io_error)?;
        let mut csv =
            ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(RowLimit::new(text));
        let header = csv.byte_headers().map_err(|e| header_error(e.to_string()))?.clone();
        if header.is_empty() && live.is_some() {
            return Err(TableError::NoRow { path: path.into(), found: "nothing" });
        }
        let names = check_header(&header).map_err(header_error)?;
        let find =
            |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.to_lowercase().as_str()));
        let (time, label) = (find(&["timestamp", "time", "date", "datetime"]), find(&["label"]));
        let sequence = find(&["sequence"]);
        let mut reader = Self {
            path: path.into(),
            csv,
            ahead: VecDeque::new(),
            spare: ByteRecord::new(),
            names,
            measured: Vec::new(),
            time,
            label,
            sequence,
            live,
            is_stream: false,
            gaps: Vec::new(),
            rows: 0,
            last_sequence: 0,
            keys: Vec::new(),
            is_number: Vec::new(),
            values: Vec::new(),
        };
        // A pipe has no more rows than have been written so far.
        let look_ahead = if reader.live.is_some() { 1 } else { LOOK_AHEAD };
        while reader.ahead.len() < look_ahead
            && let Some(record) = reader.read_record()?
        {
            reader.ahead.push_back(record);
        }
        if reader.ahead.is_empty() {
            return Err(TableError::NoRow { path: path.into(), found: "a header and no row" });
        }
        reader.measured = reader.columns_of_numbers();
        if reader.measured.is_empty() {
            let message = "found no column of numbers, must be at least one besides time and label".into();
            return Err(TableError::Header { path: path.into(), message });
        }
        reader.gaps = vec![0; reader.measured.len()];
        reader.describe_objects();
        Ok(reader)
    }

    /// Gives the measured columns this order, if they have these names; says whether they have.
    pub fn arrange(&mut self, names: &[String]) -> bool {
        let find = |name: &String| self.measured.iter().copied().find(|&column| self.names[column] == *name);
        match names.iter().map(find).collect::<Option<Vec<usize>>>() {
            Some(measured) if measured.len() == self.measured.len() => {
                self.measured = measured;
                true
            }
            _ => false,
        }
    }

    /// Measured columns.
    pub fn width(&self) -> usize {
        self.measured.len()
    }

    /// The name of a measured column.
    pub fn column(&self, at: usize) -> &str {
        &self.names[self.measured[at]]
    }

    /// Where the table is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether another row follows.
    ///
    /// # Errors
    /// See [`TableError`].
    pub fn has_next(&mut self) -> Result<bool, TableError> {
        if self.ahead.is_empty()
            && let Some(record) = self.read_record()?
        {
            self.ahead.push_back(record);
        }
        Ok(!self.ahead.is_empty())
    }

    /// Reads the next row into `values`, a gap as NaN; none at the end.
    ///
    /// # Errors
    /// See [`TableError`].
    ///
    /// # Panics
    /// If `values` has not [`TableReader::width`] items.
    pub fn next_row(&mut self, values: &mut [f64]) -> Result<Option<RowMeta>, TableError> {
        assert_eq!(values.len(), self.measured.len(), "one value for each measured column");
        if !self.has_next()? {
            return Ok(None);
        }
        let Some(record) = self.ahead.pop_front() else { return Ok(None) };
        let line = record.position().map_or(0, csv::Position::line);
        let cell_error = |column: usize, allowed| TableError::Cell {
            path: self.path.clone(),
            line,
            column: self.names[column].clone(),
            found: shown(&record[column]),
            allowed,
        };
        for (at, &column) in self.measured.iter().enumerate() {
            let cell = trimmed(&record[column]);
            values[at] = if is_gap(cell) {
                f64::NAN
            } else {
                number(cell).ok_or_else(|| cell_error(column, "a number, or empty for a gap"))?
            };
            // What an f32 can't hold is no measurement, and its square would not be a number.
            if !(values[at] as f32).is_finite() {
                values[at] = f64::NAN;
                self.gaps[at] += 1;
            }
        }
        let label = match self.label {
            None => None,
            Some(column) => match number(trimmed(&record[column])) {
                Some(0.0) => Some(false),
                Some(1.0) => Some(true),
                _ => return Err(cell_error(column, "0 or 1")),
            },
        };
        let sequence = match self.sequence {
            None => None,
            Some(column) => {
                let text = std::str::from_utf8(trimmed(&record[column])).ok();
                let number = text.and_then(|text| text.parse::<u64>().ok()).filter(|number| *number > 0);
                Some(number.ok_or_else(|| cell_error(column, "a whole number of at least 1"))?)
            }
        };
        let timestamp =
            self.time.map(|column| String::from_utf8_lossy(trimmed(&record[column])).into_owned());
        self.rows += 1;
        self.spare = record;
        Ok(Some(RowMeta { line, timestamp, label, sequence }))
    }

    /// Whether rows come from a pipe, one by one.
    pub fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Whether rows are numbered by a column `sequence`.
    pub fn has_sequence(&self) -> bool {
        self.sequence.is_some()
    }

    /// Waits until a row of a pipe is there; says whether one came before the pipe was closed or the run is to stop.
    ///
    /// # Errors
    /// See [`TableError`].
    pub fn wait(&mut self) -> Result<bool, TableError> {
        loop {
            match self.wait_for(Duration::from_secs(1))? {
                Waited::Row => return Ok(true),
                Waited::End => return Ok(false),
                Waited::InVain => {}
            }
        }
    }

    /// The same, for about `patience` at most.
    ///
    /// # Errors
    /// See [`TableError`].
    pub fn wait_for(&mut self, patience: Duration) -> Result<Waited, TableError> {
        match &self.live {
            Some(lines) if self.ahead.is_empty() => lines
                .wait(patience)
                .map_err(|e| TableError::Io { path: self.path.clone(), message: e.to_string() }),
            _ => Ok(Waited::Row),
        }
    }

    /// Rows read.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The columns to be measured: those whose first value, in the rows that were read ahead, is a number.
    fn columns_of_numbers(&self) -> Vec<usize> {
        let special = [self.time, self.label, self.sequence];
        let first = |column: usize| {
            self.ahead
                .iter()
                .map(|row| trimmed(&row[column]))
                .find(|cell| !is_gap(cell))
                .map(|cell| number(cell).is_some())
        };
        (0..self.names.len())
            .filter(|&column| !special.contains(&Some(column)) && first(column).unwrap_or(true))
            .collect()
    }

    fn read_record(&mut self) -> Result<Option<ByteRecord>, TableError> {
        let mut record = std::mem::take(&mut self.spare);
        let more = self.csv.read_byte_record(&mut record).map_err(|e| TableError::Io {
            path: self.path.clone(),
            message: format!("after line {}: {e}", self.csv.position().line()),
        })?;
        self.csv.get_mut().begin_row();
        if !more {
            return Ok(None);
        }
        if record.len() != self.names.len() {
            return Err(TableError::Row {
                path: self.path.clone(),
                line: record.position().map_or(0, csv::Position::line),
                found: record.len() as u64,
                expected: self.names.len() as u64,
            });
        }
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::live::ROW_BYTES_MAX;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    type Everything = (Vec<Vec<f64>>, Vec<RowMeta>, TableReport);

    fn read_all(bytes: &[u8]) -> Result<Everything, TableError> {
        let file = file(bytes);
        let mut table = TableReader::open(file.path())?;
        let (mut rows, mut metas) = (Vec::new(), Vec::new());
        let mut values = vec![0.0; table.width()];
        while let Some(meta) = table.next_row(&mut values)? {
            rows.push(values.clone());
            metas.push(meta);
        }
        Ok((rows, metas, table.report()))
    }

    #[test]
    fn time_label_text_and_gaps_are_told_apart() {
        let text = b"\xef\xbb\xbfTimestamp;cpu;host;disk;label\n1;0.5;a;;0\n2; 1e3 ;b;-2;1\n3;NaN;c;inf;0\n";
        let (rows, metas, report) = read_all(text).unwrap();
        assert_eq!(rows[1], [1000.0, -2.0]);
        assert!(rows[0][1].is_nan() && rows[2][0].is_nan() && rows[2][1].is_nan());
        assert_eq!(metas.iter().map(|m| m.label).collect::<Vec<_>>(), [Some(false), Some(true), Some(false)]);
        assert_eq!(metas[2].timestamp.as_deref(), Some("3"));
        assert_eq!(report.columns, ["cpu", "disk"]);
        assert_eq!(report.left_out, ["host"]);
        assert_eq!(report.gaps_by_column, [("cpu".to_string(), 1), ("disk".to_string(), 2)]);
        assert_eq!((report.rows, report.gaps), (3, 3));
    }

    #[test]
    fn a_gzipped_table_is_read_as_it_is() {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"a\tb\n1\t2\n").unwrap();
        let (rows, ..) = read_all(&gz.finish().unwrap()).unwrap();
        assert_eq!(rows, [[1.0, 2.0]]);
    }

    #[test]
    fn a_broken_file_says_line_column_and_what_was_found() {
        for (bytes, wanted) in [
            (
                &b"a,b\n1,2\n3,oops\x1b[31m\n"[..],
                "line 3, column 'b': found 'oops\\u{1b}[31m', must be a number",
            ),
            (b"a,b\n1,2\n3\n", "line 3: found 1 cells, must be 2"),
            (b"a,label\n1,2\n", "line 2, column 'label': found '2', must be 0 or 1"),
            (b"", "found nothing, must be a header"),
            (b"1,2\n3,4\n", "column 1: found the number 1, must be a header"),
            (b"a,a\n3,4\n", "column 2: found 'a' again"),
            (b"a,\n3,4\n", "column 2: found no name"),
            (b"a,b\n", "found a header and no row"),
            (b"time,name\n1,x\n", "found no column of numbers"),
            (b"\xff\xfe,b\n1,2\n", "column 1: found a name that is not UTF-8"),
        ] {
            let error = read_all(bytes).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error} lacks {wanted}");
        }
        let mut cut = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        cut.write_all(b"a,b\n1,2\n").unwrap();
        let bytes = cut.finish().unwrap();
        assert!(read_all(&bytes[..bytes.len() - 6]).is_err());
        let missing = TableReader::open(Path::new("/nowhere/at.all")).err().unwrap();
        assert!(matches!(missing, TableError::Io { .. }), "{missing}");
    }

    #[test]
    fn a_row_without_end_is_refused_and_many_rows_are_not() {
        let mut bytes = b"a,b\n1,".to_vec();
        bytes.resize(ROW_BYTES_MAX + 100_000, b'7');
        let error = read_all(&bytes).unwrap_err().to_string();
        assert!(error.contains("must be shorter"), "{error}");
        let mut quoted = b"a,b\n1,\"".to_vec();
        quoted.extend_from_slice(&b"7\n".repeat(ROW_BYTES_MAX / 2 + 50_000));
        assert!(read_all(&quoted).unwrap_err().to_string().contains("must be shorter"));
        let many = [b"a,b\n".to_vec(), b"1,2\n".repeat(ROW_BYTES_MAX / 2)].concat();
        assert_eq!(read_all(&many).unwrap().0.len(), ROW_BYTES_MAX / 2);
    }
}
