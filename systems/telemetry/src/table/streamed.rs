//! A table whose rows are the entries of a stream: anybody may write there, so a bad row ends nothing.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::TableReader;
use crate::live::Lines;
use crate::table_error::TableError;

impl TableReader {
    /// A table whose lines come one after the other, with commas, as those of a stream do; errors call it `name`. It measures `columns`,
    /// where that is known from before, and else what is a number in its first row.
    ///
    /// # Errors
    /// See [`TableError`].
    pub fn open_lines(name: &Path, lines: Lines, columns: Option<&[String]>) -> Result<Self, TableError> {
        let mut table = Self::read(name, Some(lines), Some(b','))?;
        table.is_stream = true;
        if let Some(columns) = columns {
            let place = |name: &String| table.names.iter().position(|own| own == name);
            table.measured = columns.iter().filter_map(place).collect();
            table.gaps = vec![0; table.measured.len()];
        }
        Ok(table)
    }

    /// Whether what is wrong with a row is left to be: on a stream anybody may write, and whoever does must not end a run. Counts it, and
    /// tells of the first three and then of every thousandth.
    pub fn passes_over(&mut self, error: &TableError) -> bool {
        let Some(counts) = self.live.as_ref().filter(|_| self.is_stream).map(Lines::counts) else {
            return false;
        };
        if !matches!(error, TableError::Cell { .. } | TableError::Row { .. }) {
            return false;
        }
        let before = counts.refused.fetch_add(1, Ordering::Relaxed);
        if before < 3 || (before + 1).is_multiple_of(1000) {
            tracing::warn!("stream {error}: left out, {} of its kind so far", before + 1);
        }
        true
    }

    /// Whether rows are the entries of a stream.
    pub fn is_stream(&self) -> bool {
        self.is_stream
    }
}
