//! JSON rows: entries of a stream, each an object of a row's columns, as the lines of a table.
//!
//! The first row names the columns. A later one that lacks a column has a gap there, and what only it has is left out. A row without a
//! column `sequence` is numbered by whoever reads the stream.

use std::fmt;
use std::path::Path;

use corec_core::stop::Stop;
use crossbeam::channel::bounded;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::header::COLUMNS_MAX;
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
    let mut json = serde_json::Deserializer::from_slice(data);
    match Part::Row.deserialize(&mut json).and_then(|row| json.end().map(|()| row)) {
        Ok(Value::Object(row)) if row.len() > COLUMNS_MAX => {
            Err(format!("found more than {COLUMNS_MAX} columns, must be at most {COLUMNS_MAX}"))
        }
        Ok(Value::Object(row)) => Ok(row),
        Ok(_) => Err("found JSON that is no object, must be {\"column\": value, ..}".into()),
        Err(error) => Err(format!("found no JSON ({error}), must be {{\"column\": value, ..}}")),
    }
}

/// A value to be read. What is in a list, or in an object within a row, is passed over: it is no cell, and a list of
/// small numbers would take 36 times its bytes.
#[derive(Clone, Copy)]
enum Part {
    Row,
    Cell,
}

impl<'de> DeserializeSeed<'de> for Part {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, is: bool) -> Result<Value, E> {
        Ok(is.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array(Vec::new()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut row = Map::new();
        match self {
            Self::Cell => while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {},
            Self::Row => {
                while let Some(name) = object.next_key::<String>()? {
                    let value = object.next_value_seed(Self::Cell)?;
                    // One too many is enough to refuse it.
                    if row.len() <= COLUMNS_MAX {
                        row.insert(name, value);
                    }
                }
            }
        }
        Ok(Value::Object(row))
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
    fn a_row_keeps_nothing_of_what_is_no_cell() {
        let row = parse(br#"{"a": [0, [1], {"b": 2}], "c": {"d": [3]}, "e": 4}"#).unwrap();
        assert_eq!(Value::Object(row), serde_json::json!({"a": [], "c": {}, "e": 4}));
        let row = |columns: usize| {
            let cells: Vec<String> = (0..columns).map(|n| format!("\"c{n}\":0")).collect();
            parse(format!("{{{}}}", cells.join(",")).as_bytes())
        };
        assert_eq!(row(COLUMNS_MAX).unwrap().len(), COLUMNS_MAX);
        for columns in [COLUMNS_MAX + 1, 3 * COLUMNS_MAX] {
            let error = row(columns).unwrap_err();
            assert_eq!(error, "found more than 10000 columns, must be at most 10000");
        }
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
