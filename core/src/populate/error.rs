//! Errors of populating: what a scenario asks for that can't be laid out, anew or as a snapshot has it.

use thiserror::Error;

use crate::kind::KindError;
use crate::snapshot::SnapshotError;

/// Why a scenario can't be populated.
#[derive(Debug, Error, PartialEq)]
pub enum PopulateError {
    /// A kind was refused when a plugin registered it.
    #[error(transparent)]
    Kind(#[from] KindError),
    /// A group names a kind that no plugin registered.
    #[error("{place}kind: found '{kind}', must be one of: {known}")]
    UnknownKind {
        /// Where the group stands: `blocks[0].`, or in a plugin's config.
        place: String,
        /// The name found.
        kind: String,
        /// The names registered.
        known: String,
    },
    /// A group's blocks are larger than it allows itself.
    #[error(
        "{place}entities_per_block: found {rows} rows of {row_bytes} bytes, must be at most {bytes_max} bytes \
         a block (block_bytes_max, max_size_mb)"
    )]
    BlockTooLarge {
        /// Where the group stands: `blocks[0].`, or in a plugin's config.
        place: String,
        /// Rows a block.
        rows: u32,
        /// Bytes a row.
        row_bytes: usize,
        /// The bound.
        bytes_max: u64,
    },
    /// A component brings others along.
    #[error(
        "kind '{0}': found a component with #[require(..)], must have none: add what it needs with Kind::with"
    )]
    RequiredComponents(String),
    /// A group of a fixed kind without entities.
    #[error(
        "{place}entities: found 0, must be at least 1: the rows of '{kind}' are fixed, those of a recycled kind may be none at first"
    )]
    Empty {
        /// Where the group stands: `blocks[0].`, or in a plugin's config.
        place: String,
        /// Its kind.
        kind: String,
    },
    /// More rows of one kind than a table can number.
    #[error("kind '{kind}': found {rows} rows, must be at most 4,294,967,294 of one kind")]
    TooManyRows {
        /// The kind.
        kind: String,
        /// Rows asked for.
        rows: u64,
    },
}

/// Why a population can't be laid out as a snapshot has it.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The scenario can't be populated.
    #[error(transparent)]
    Populate(#[from] PopulateError),
    /// The snapshot can't be read, or does not fit.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}
