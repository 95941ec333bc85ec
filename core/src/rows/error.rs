//! Errors: they say why a row can't be edited as asked.

use thiserror::Error;

/// Why a row can't be edited as asked.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RowError {
    /// No live entity has that id.
    #[error("entity {0}: found no live entity of that id")]
    UnknownEntity(u64),
    /// No block has that id.
    #[error("block {0}: found no block of that id")]
    UnknownBlock(u32),
    /// No group has that id.
    #[error("group {0}: found no group of that id")]
    UnknownGroup(u16),
    /// The kind's rows are fixed.
    #[error("kind '{0}': its rows are fixed, must be made with Kind::recycled to be born, freed or moved")]
    FixedKind(String),
    /// The block has no room.
    #[error("block '{block}': found {capacity} live rows, must have room: its capacity is {capacity}")]
    BlockFull {
        /// The block's name.
        block: String,
        /// Its rows.
        capacity: u32,
    },
    /// The block is of another kind.
    #[error("block '{block}': found kind '{found}', must be of the entity's kind '{expected}'")]
    OtherKind {
        /// The block's name.
        block: String,
        /// The block's kind.
        found: String,
        /// The entity's kind.
        expected: String,
    },
    /// The kind has no such column.
    #[error("kind '{kind}': found no column {column}, must be added with Kind::with")]
    NoColumn {
        /// The kind.
        kind: String,
        /// The component.
        column: &'static str,
    },
    /// The engine's own columns are not for setting.
    #[error("a StableId is given by the engine, must not be set")]
    EngineColumn,
    /// The run would need more memory than it may.
    #[error("kind '{kind}': a birth needs {needed} MB in all, must be at most {limit} MB (memory_max)")]
    MemoryMax {
        /// The kind.
        kind: String,
        /// Megabytes needed.
        needed: u64,
        /// Megabytes allowed.
        limit: u64,
    },
    /// The table is full.
    #[error("kind '{0}': found 4,294,967,294 rows, must be fewer to add a block")]
    TableFull(String),
}
