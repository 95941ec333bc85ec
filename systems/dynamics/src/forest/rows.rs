//! Rows: a table of finite numbers, as a forest takes it.

use super::error::ForestError;

/// Columns a table may have.
pub const COLUMNS_MAX: usize = 10_000;
/// Rows a table may have.
pub const ROWS_MAX: usize = u32::MAX as usize;

/// Rows of a table: values row after row, all finite. As scikit-learn, a forest knows f32: cast other numbers before.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    values: &'a [f32],
    columns: usize,
}

impl<'a> Rows<'a> {
    /// `values` holds row after row of `columns` values each.
    ///
    /// # Errors
    /// A length that is no multiple of `columns`, no row at all, more than [`ROWS_MAX`] rows or [`COLUMNS_MAX`] columns; a value that is
    /// NaN or infinite, by its row and column.
    pub fn new(values: &'a [f32], columns: usize) -> Result<Self, ForestError> {
        let wrong = |allowed| Err(ForestError::Shape { values: values.len(), columns, allowed });
        if !(1..=COLUMNS_MAX).contains(&columns) {
            return wrong("of 1..=10000 columns");
        }
        if values.is_empty() || !values.len().is_multiple_of(columns) {
            return wrong("whole rows, at least one");
        }
        if values.len() / columns > ROWS_MAX {
            return wrong("at most 4294967295 rows");
        }
        // A fold that vectorises, and a search only where there is something to find.
        let is_finite = |part: &[f32]| part.iter().fold(true, |all, value| all & value.is_finite());
        if let Some(part) = values.chunks(4096).position(|part| !is_finite(part)) {
            let at = (part * 4096..values.len()).find(|at| !values[*at].is_finite()).unwrap_or_default();
            return Err(ForestError::Value { row: at / columns, column: at % columns, found: values[at] });
        }
        Ok(Self { values, columns })
    }

    /// How many there are, at least one.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.values.len() / self.columns
    }

    /// Values of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The values, row after row.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// A row's values.
    pub(super) fn row(&self, at: usize) -> &'a [f32] {
        &self.values[at * self.columns..][..self.columns]
    }
}
