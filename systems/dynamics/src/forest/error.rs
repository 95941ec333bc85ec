//! Error: why a forest can't be grown, asked or read: where, what was found, what is allowed.

use std::path::PathBuf;

use thiserror::Error;

/// Why a forest can't be grown, asked or read.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ForestError {
    /// A setting that is not allowed.
    #[error("{name}: found {found}, must be {allowed}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        allowed: String,
    },
    /// Values that are no table.
    #[error("found {values} values in rows of {columns}, must be {allowed}")]
    Shape {
        /// How many values there are.
        values: usize,
        /// How many a row is said to have.
        columns: usize,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A value that is not finite as an f32: a gap has no place in a tree.
    #[error("row {row}, column {column}: found {found}, must be a finite number")]
    Value {
        /// The row, counted from 0.
        row: usize,
        /// The column, counted from 0.
        column: usize,
        /// The value.
        found: f32,
    },
    /// Rows of another width than the forest has been grown on.
    #[error("found rows of {found} columns, must be {expected} as the forest has been grown on")]
    Columns {
        /// The rows' columns.
        found: usize,
        /// The forest's.
        expected: usize,
    },
    /// A tree that is none.
    #[error("tree {tree}, node {node}: found {found}, must be {allowed}")]
    Tree {
        /// The tree, counted from 0.
        tree: usize,
        /// The node, counted from 0 in the order of the tree's nodes.
        node: usize,
        /// What was found.
        found: String,
        /// What is allowed.
        allowed: String,
    },
    /// A file that can't be opened, read or written.
    #[error("{}: {message}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        message: String,
    },
    /// A file that is no forest, or a damaged one.
    #[error("{}: byte {at}: found {found}, must be {allowed}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Where, counted from 0.
        at: usize,
        /// What was found.
        found: String,
        /// What is allowed.
        allowed: String,
    },
}
