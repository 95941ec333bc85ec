//! Times: the cells of a table's time column, also of rows that are passed over.

use std::borrow::Cow;

use super::TableReader;
use crate::cell::{shown, trimmed};
use crate::table_error::TableError;

impl TableReader {
    /// The name of the time column, if the table has one.
    pub fn time_column(&self) -> Option<&str> {
        self.time.map(|column| &*self.names[column])
    }

    /// The cells of the time column in the rows that were read ahead.
    pub(crate) fn times_ahead(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let ahead = move |column: usize| {
            self.ahead.iter().map(move |record| String::from_utf8_lossy(trimmed(&record[column])))
        };
        self.time.into_iter().flat_map(ahead)
    }

    /// Passes over the next row but for its line and the cell of its time column; none at the end, or without such a column.
    ///
    /// # Errors
    /// See [`TableError`].
    pub(crate) fn next_time(&mut self) -> Result<Option<(u64, Cow<'_, str>)>, TableError> {
        let (Some(column), true) = (self.time, self.has_next()?) else { return Ok(None) };
        self.spare = self.ahead.pop_front().unwrap_or_default();
        let line = self.spare.position().map_or(0, csv::Position::line);
        Ok(Some((line, String::from_utf8_lossy(trimmed(&self.spare[column])))))
    }

    /// What is to be said of a cell of the time column that is no time.
    pub(crate) fn time_error(&self, line: u64, cell: &str, allowed: &'static str) -> TableError {
        TableError::Cell {
            path: self.path.clone(),
            line,
            column: self.time_column().unwrap_or_default().into(),
            found: shown(cell.as_bytes()),
            allowed,
        }
    }
}
