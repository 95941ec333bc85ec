//! Header: the names of a table's columns, and what stands between them.

use std::io::{self, BufRead};

use csv::ByteRecord;

use crate::cell::{number, shown, trimmed};

/// Columns a table may have.
pub(crate) const COLUMNS_MAX: usize = 10_000;

/// What stands between the cells, by the header's line. Passes over a byte order mark.
pub(crate) fn delimiter_of(text: &mut impl BufRead) -> io::Result<u8> {
    let start = text.fill_buf()?;
    let bom = if start.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let first_line = start[bom..].split(|b| *b == b'\n').next().unwrap_or_default();
    let delimiter = *b",;\t|"
        .iter()
        .rev()
        .max_by_key(|d| first_line.iter().filter(|b| b == d).count())
        .expect("there are four to choose from");
    text.consume(bom);
    Ok(delimiter)
}

/// The names in a header, or what is wrong with them.
pub(crate) fn check_header(header: &ByteRecord) -> Result<Vec<String>, String> {
    if header.is_empty() || header.iter().all(|cell| trimmed(cell).is_empty()) {
        return Err("found nothing, must be a header of column names".into());
    }
    if header.len() > COLUMNS_MAX {
        return Err(format!("found {} columns, must be at most {COLUMNS_MAX}", header.len()));
    }
    let mut names: Vec<String> = Vec::with_capacity(header.len());
    for (at, cell) in header.iter().enumerate() {
        let cell = trimmed(cell);
        let name = std::str::from_utf8(cell)
            .map_err(|_| format!("column {}: found a name that is not UTF-8", at + 1))?;
        if name.is_empty() {
            return Err(format!("column {}: found no name, must be a header of column names", at + 1));
        }
        if number(cell).is_some() {
            return Err(format!(
                "column {}: found the number {name}, must be a header of column names",
                at + 1
            ));
        }
        if name.chars().any(char::is_control) || name.chars().count() > 200 {
            return Err(format!(
                "column {}: found '{}', must be a plain name of at most 200 letters",
                at + 1,
                shown(cell)
            ));
        }
        if names.iter().any(|n| n == name) {
            return Err(format!("column {}: found '{name}' again, must be a name of its own", at + 1));
        }
        names.push(name.to_string());
    }
    Ok(names)
}
