//! JSON rows: entries of a stream, each an object of a row's columns, as the lines of a table.
//!
//! The first row names the columns. A later one that lacks a column has a gap there, and what only it has is left out. A row without a
//! column `sequence` is numbered by whoever reads the stream.

use std::path::Path;

use corec_core::stop::Stop;
use crossbeam::channel::bounded;
use serde_json::{Map, Value};

use crate::live::{Lines, ROW_BYTES_MAX};
use crate::table::TableReader;
use crate::table_error::TableError;

/// The column that numbers rows.
const SEQUENCE: &str = "sequence";

/// Makes lines of rows.
pub struct JsonRows {
    names: Vec<String>,
    /// Whether rows say their own numbers.
    pub has_sequence: bool,
}

impl JsonRows {
    /// The columns of a first row, and those of `columns` that it lacks.
    ///
    /// # Errors
    /// What is no row: a text.
    pub fn of(first: &[u8], columns: &[String]) -> Result<Self, String> {
        let row = parse(first)?;
        if row.is_empty() {
            return Err("found an object without columns, must have one".into());
        }
        let has_sequence = row.keys().any(|name| name.eq_ignore_ascii_case(SEQUENCE));
        let lacks = columns.iter().filter(|column| !row.contains_key(*column));
        let rows = Self { names: row.keys().chain(lacks).cloned().collect(), has_sequence };
        rows.check(rows.row(1, first)?)?;
        Ok(rows)
    }

    /// Whether a table may begin with these columns and `row`, which is what a run would make of them.
    fn check(&self, row: Vec<u8>) -> Result<(), String> {
        let (to, lines) = bounded(2);
        for line in [self.header(), row] {
            to.send(Ok(line)).expect("there is room for two");
        }
        drop(to);
        match TableReader::open_lines(Path::new("row"), Lines::of(lines, Stop::default()), None) {
            Ok(_) => Ok(()),
            Err(TableError::Header { message, .. }) => Err(message),
            Err(other) => Err(other.to_string()),
        }
    }

    /// The table's first line.
    pub fn header(&self) -> Vec<u8> {
        let number = (!self.has_sequence).then_some(SEQUENCE);
        line(number.into_iter().chain(self.names.iter().map(String::as_str)))
    }

    /// A row's line; `sequence` is its number, unless it has its own.
    ///
    /// # Errors
    /// What is no row: a text.
    pub fn row(&self, sequence: u64, data: &[u8]) -> Result<Vec<u8>, String> {
        let row = parse(data)?;
        let number = (!self.has_sequence).then(|| Ok(sequence.to_string()));
        let cells = self.names.iter().map(|name| cell(name, row.get(name)));
        let cells: Result<Vec<String>, String> = number.into_iter().chain(cells).collect();
        let line = line(cells?.iter().map(String::as_str));
        if line.len() > ROW_BYTES_MAX {
            return Err(format!("found {} bytes, must be at most {ROW_BYTES_MAX}", line.len()));
        }
        Ok(line)
    }
}

fn parse(data: &[u8]) -> Result<Map<String, Value>, String> {
    // Of one that is far too long nothing is given.
    if data.is_empty() || data.len() > ROW_BYTES_MAX {
        let found = if data.is_empty() { "no data, or far too much" } else { "more" };
        return Err(format!(
            "found {found}, must be a row of at most {ROW_BYTES_MAX} bytes in the field `data`"
        ));
    }
    match serde_json::from_slice(data) {
        Ok(Value::Object(row)) => Ok(row),
        Ok(_) => Err("found JSON that is no object, must be {\"column\": value, ..}".into()),
        Err(error) => Err(format!("found no JSON ({error}), must be {{\"column\": value, ..}}")),
    }
}

fn cell(name: &str, value: Option<&Value>) -> Result<String, String> {
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::Bool(is)) => Ok(u8::from(*is).to_string()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(_) | Value::Object(_)) => Err(format!(
            "{}: found a list or an object, must be a number, a text or null",
            name.escape_debug()
        )),
    }
}

fn line<'t>(cells: impl Iterator<Item = &'t str>) -> Vec<u8> {
    let mut line = Vec::new();
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            line.push(b',');
        }
        // A line break within a cell would end the line; no number and no time has one.
        let cell: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let is_plain = !cell.contains(['"', ',', ';', '\t', '|']) && !cell.is_empty();
        if is_plain {
            line.extend_from_slice(cell.as_bytes());
        } else {
            line.extend_from_slice(format!("\"{}\"", cell.replace('"', "\"\"")).as_bytes());
        }
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_lines_with_the_first_ones_columns() {
        let rows = JsonRows::of(br#"{"time": "2026-01-01", "a, b": 1.5, "c": null}"#, &[]).unwrap();
        assert_eq!(rows.header(), b"sequence,time,\"a, b\",c\n");
        let line = rows.row(7, br#"{"c": -1e-3, "time": "x\ny", "new": 3, "a, b": true}"#).unwrap();
        assert_eq!(line, b"7,x y,1,-0.001\n");
        assert_eq!(rows.row(8, b"{}").unwrap(), b"8,\"\",\"\",\"\"\n");
        let own = JsonRows::of(br#"{"sequence": 4, "v": 1}"#, &[]).unwrap();
        assert_eq!(
            (own.header(), own.row(9, br#"{"v": 2, "sequence": 5}"#)),
            (b"sequence,v\n".into(), Ok(b"5,2\n".into()))
        );
    }

    #[test]
    fn what_is_no_row_is_refused() {
        let rows = JsonRows::of(br#"{"v": 1}"#, &[]).unwrap();
        for (data, wanted) in [
            (&b""[..], "at most 4194304 bytes"),
            (b"{", "no JSON"),
            (b"[1]", "no object"),
            (br#"{"v": [1]}"#, "v: found"),
            (b"\xff", "no JSON"),
        ] {
            let error = rows.row(1, data).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
        for (first, wanted) in [
            ("{}".to_string(), "without columns"),
            (r#"{"name": "x"}"#.into(), "no column of numbers"),
            (r#"{"": 1}"#.into(), "no name"),
            (r#"{"5": 1}"#.into(), "the number 5"),
            (
                format!("{{{}}}", (0..10_001).map(|n| format!(r#""c{n}":1"#)).collect::<Vec<_>>().join(",")),
                "at most 10000",
            ),
            (format!(r#"{{"v": "{}"}}"#, "x".repeat(ROW_BYTES_MAX)), "at most 4194304 bytes"),
        ] {
            let error = JsonRows::of(first.as_bytes(), &[]).err().unwrap();
            assert!(error.contains(wanted), "{error}");
        }
        assert!(rows.row(1, format!(r#"{{"v": "{}"}}"#, "x".repeat(ROW_BYTES_MAX)).as_bytes()).is_err());
        // What a run measured before is a column whatever the first row has.
        let rows = JsonRows::of(br#"{"v": 1}"#, &["w".into(), "v".into()]).unwrap();
        assert_eq!(rows.header(), b"sequence,v,w\n");
    }
}
