//! Rows of a table as a forest takes them: f32, and no gap.

use std::path::{Path, PathBuf};

use corec_core::stop::Stop;
use corec_telemetry::table::{RowMeta, TableReader};

use crate::error::RunError;

/// A table that is read for a forest.
#[derive(Clone, Debug)]
pub struct Table {
    /// The file: CSV, plain or gzipped, or a named pipe.
    pub path: PathBuf,
    /// Whether rows with a gap are left out; otherwise the first ends the command.
    pub skip_gaps: bool,
}

/// The rows of a table, one by one.
pub(super) struct TableRows<'a> {
    reader: TableReader,
    stop: &'a Stop,
    skip_gaps: bool,
    row: Vec<f64>,
    /// Rows with a gap that were left out.
    pub skipped: u64,
}

impl Table {
    /// Opens it.
    pub(super) fn open<'a>(&self, stop: &'a Stop) -> Result<TableRows<'a>, RunError> {
        let reader = TableReader::open_until(&self.path, stop);
        check(stop)?;
        let reader = reader.map_err(|e| RunError::Usage(e.to_string()))?;
        let row = vec![0.0; reader.width()];
        Ok(TableRows { reader, stop, skip_gaps: self.skip_gaps, row, skipped: 0 })
    }
}

fn check(stop: &Stop) -> Result<(), RunError> {
    stop.signal().map_or(Ok(()), |signal| Err(RunError::Interrupted(signal)))
}

impl TableRows<'_> {
    /// The names of the columns, in the order of a row's values.
    pub fn names(&self) -> Vec<String> {
        (0..self.reader.width()).map(|at| self.reader.column(at).to_string()).collect()
    }

    /// Gives the columns this order; they must have these names.
    pub fn arrange(&mut self, names: &[String], forest: &Path) -> Result<(), RunError> {
        if self.reader.arrange(names) {
            return Ok(());
        }
        let (own, table) = (self.names(), self.reader.path().display());
        let of = |all: &[String], others: &[String]| {
            let only: Vec<&str> =
                all.iter().filter(|name| !others.contains(name)).map(String::as_str).collect();
            only.join(", ")
        };
        let (more, missing) = (of(&own, names), of(names, &own));
        Err(RunError::Usage(format!(
            "{table}: line 1: found columns of numbers that {} has not ({more}), and not all that it has ({missing}); must be the same",
            forest.display()
        )))
    }

    /// The next row without a gap, its values at the end of `values`; none at the end.
    pub fn next(&mut self, values: &mut Vec<f32>) -> Result<Option<RowMeta>, RunError> {
        let broken = |e: corec_telemetry::table_error::TableError| RunError::Failed(e.to_string());
        while self.reader.wait().map_err(broken)? {
            check(self.stop)?;
            let Some(meta) = self.reader.next_row(&mut self.row).map_err(broken)? else { return Ok(None) };
            match self.row.iter().position(|value| value.is_nan()) {
                None => {
                    values.extend(self.row.iter().map(|value| *value as f32));
                    return Ok(Some(meta));
                }
                Some(_) if self.skip_gaps => self.skipped += 1,
                Some(at) => {
                    let (path, line) = (self.reader.path().display(), meta.line);
                    let column = self.reader.column(at);
                    return Err(RunError::Failed(format!(
                        "{path}: line {line}, column '{column}': found a gap, must be a number; --skip-gaps leaves such rows out"
                    )));
                }
            }
        }
        check(self.stop)?;
        Ok(None)
    }
}
