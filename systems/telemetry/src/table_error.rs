//! Why a table can't be read: where, what was found, what is allowed.

use std::path::PathBuf;

use thiserror::Error;

/// Why a table can't be read.
#[derive(Debug, Error)]
pub enum TableError {
    /// The file can't be opened or read.
    #[error("{path}: {message}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        message: String,
    },
    /// The header is not one. The run does not start.
    #[error("{path}: line 1: {message}")]
    Header {
        /// The file.
        path: PathBuf,
        /// What was found and what is allowed.
        message: String,
    },
    /// A header and no row below it, or not even that.
    #[error("{path}: line 1: found {found}, must be rows below a header")]
    NoRow {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: &'static str,
    },
    /// A cell that is not allowed.
    #[error("{path}: line {line}, column '{column}': found '{found}', must be {allowed}")]
    Cell {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// The column's name.
        column: String,
        /// The cell.
        found: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Numbers of rows that do not grow.
    #[error(
        "{path}: line {line}, column 'sequence': found {found} after {before}, must be more: the numbers of rows grow"
    )]
    Sequence {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// The row's number.
        found: u64,
        /// That of the row before.
        before: u64,
    },
    /// No window of a pipe's rows has held one.
    #[error("{0}")]
    Windows(String),
    /// A row of another length than the header.
    #[error("{path}: line {line}: found {found} cells, must be {expected} as in the header")]
    Row {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// Cells found.
        found: u64,
        /// Cells of the header.
        expected: u64,
    },
}
