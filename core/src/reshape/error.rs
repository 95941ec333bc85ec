//! Errors: why blocks can't be reshaped as asked.

use thiserror::Error;

/// Why blocks can't be reshaped as asked.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ReshapeError {
    /// No block has that id, or it has retired.
    #[error("block {0}: found no block of that id")]
    UnknownBlock(u32),
    /// The kind's rows are fixed.
    #[error("kind '{0}': its rows are fixed, must be made with Kind::recycled for its blocks to be reshaped")]
    FixedKind(String),
    /// Two blocks of different kinds.
    #[error("block '{from}': found a block of another kind than that of '{into}', must be of the same")]
    OtherKind {
        /// The block that would retire.
        from: String,
        /// The block that would take its rows.
        into: String,
    },
    /// A block is in two changes.
    #[error("block '{0}': found it in two changes, must be in one at a time")]
    Twice(String),
    /// A group would have no block left.
    #[error("block '{0}': found it to be the last one of its group, must not retire")]
    LastBlock(String),
    /// Rows that are not there, or not in order.
    #[error(
        "block '{block}': found a row {row} out of place, must be rows of it in ascending order, below {live}"
    )]
    Row {
        /// The block.
        block: String,
        /// The row.
        row: u32,
        /// Its live rows.
        live: u32,
    },
    /// More rows than a block may have.
    #[error("block '{block}': found {rows} rows for it, must be within 1..={allowed}")]
    Rows {
        /// The block.
        block: String,
        /// Rows that it would have.
        rows: u64,
        /// Rows that it may have.
        allowed: u32,
    },
    /// The run would need more memory than it may.
    #[error(
        "kind '{kind}': the blocks would need {needed} MB in all, must be at most {limit} MB (memory_max)"
    )]
    MemoryMax {
        /// The kind.
        kind: String,
        /// Megabytes needed.
        needed: u64,
        /// Megabytes allowed.
        limit: u64,
    },
    /// The table is full.
    #[error("kind '{0}': found more than 4,294,967,294 rows, must be fewer")]
    TableFull(String),
}
