//! Objects: rows as JSON, column by column, the form that a row has on a stream.
//!
//! What `corec run telemetry` measures is a number here, and null where there is a gap; label and number of the row are numbers; all
//! other cells, times too, are texts as they stand. So a column has one type in all rows, and a number the digits that it has in the file.

use super::TableReader;
use crate::cell::{is_gap, number, trimmed};
use crate::table_error::TableError;

/// Bytes that a row may have as an object: what a run takes from a stream.
pub const OBJECT_BYTES_MAX: usize = 4 << 20;

impl TableReader {
    /// Writes the next row into `to`, which it clears first, as a JSON object; gives its number: what its column `sequence` says, else
    /// its place in the table, from 1. None at the end. The numbers of a file grow; on a pipe a row may come again.
    ///
    /// # Errors
    /// See [`TableError`].
    pub fn next_object(&mut self, to: &mut Vec<u8>) -> Result<Option<u64>, TableError> {
        let mut values = std::mem::take(&mut self.values);
        values.resize(self.width(), f64::NAN);
        let meta = self.next_row(&mut values);
        self.values = values;
        let Some(meta) = meta? else { return Ok(None) };
        to.clear();
        let is_number: &[bool] = &self.is_number;
        for (column, cell) in self.spare.iter().enumerate() {
            to.extend_from_slice(&self.keys[column]);
            let cell = trimmed(cell);
            if is_number[column] { push_number(to, cell) } else { push_text(to, cell) }
        }
        to.push(b'}');
        if to.len() > OBJECT_BYTES_MAX {
            return Err(TableError::Io {
                path: self.path.clone(),
                message: format!(
                    "line {}: found a row of {} bytes as JSON, must be at most {OBJECT_BYTES_MAX}",
                    meta.line,
                    to.len()
                ),
            });
        }
        let sequence = meta.sequence.unwrap_or(self.rows);
        let before = std::mem::replace(&mut self.last_sequence, sequence);
        if sequence <= before && !self.is_live() {
            let (path, line) = (self.path.clone(), meta.line);
            return Err(TableError::Sequence { path, line, found: sequence, before });
        }
        Ok(Some(sequence))
    }

    /// What [`TableReader::next_object`] has to know of each column: what stands before its value, and whether that is a number.
    pub(super) fn describe_objects(&mut self) {
        let key = |(column, name): (usize, &String)| {
            let mut key = vec![if column == 0 { b'{' } else { b',' }];
            push_text(&mut key, name.as_bytes());
            key.push(b':');
            key
        };
        self.keys = self.names.iter().enumerate().map(key).collect();
        let numbers =
            |column| self.measured.contains(&column) || [self.label, self.sequence].contains(&Some(column));
        self.is_number = (0..self.names.len()).map(numbers).collect();
    }
}

/// A number with the digits of its cell, if JSON has them so.
fn push_number(to: &mut Vec<u8>, cell: &[u8]) {
    match number(cell) {
        Some(value) if !is_gap(cell) && value.is_finite() => {
            if serde_json::from_slice::<f64>(cell).is_ok() {
                to.extend_from_slice(cell);
            } else {
                serde_json::to_writer(to, &value).expect("a vector takes a finite number");
            }
        }
        _ => to.extend_from_slice(b"null"),
    }
}

fn push_text(to: &mut Vec<u8>, text: &[u8]) {
    serde_json::to_writer(to, &String::from_utf8_lossy(text)).expect("a vector takes a text");
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn objects(text: &str) -> Vec<(u64, String)> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let mut table = TableReader::open(file.path()).unwrap();
        let (mut found, mut object) = (Vec::new(), Vec::new());
        while let Some(sequence) = table.next_object(&mut object).unwrap() {
            let parsed: serde_json::Value = serde_json::from_slice(&object).unwrap();
            assert_eq!(parsed.as_object().unwrap().len(), table.names.len());
            found.push((sequence, String::from_utf8(object.clone()).unwrap()));
        }
        found
    }

    #[test]
    fn numbers_keep_their_digits_gaps_are_null_and_the_rest_is_text() {
        let text = "time;cpu;host;\"a \"\"b\"\"\";label\n2026;0.50;x7;+5;0\n2027;NA;\"x\ny\";.5;1\n2028;inf;;1e400;0\n";
        let expected = [
            r#"{"time":"2026","cpu":0.50,"host":"x7","a \"b\"":5.0,"label":0}"#,
            r#"{"time":"2027","cpu":null,"host":"x\ny","a \"b\"":0.5,"label":1}"#,
            r#"{"time":"2028","cpu":null,"host":"","a \"b\"":null,"label":0}"#,
        ];
        let found: Vec<String> = objects(text).into_iter().map(|(_, object)| object).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_row_has_the_number_of_its_column_or_of_its_place() {
        let numbers = |text| objects(text).into_iter().map(|(sequence, _)| sequence).collect::<Vec<_>>();
        assert_eq!(numbers("a\n5\n6\n"), [1, 2]);
        assert_eq!(numbers("sequence,a\n5,1\n9,1\n"), [5, 9]);
    }
}
