//! Why a kind is refused.

use thiserror::Error;

use super::{ALIGN_MAX, NAME_BYTES_MAX, ROW_BYTES_MAX};

/// Why a kind is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KindError {
    /// The row is too large.
    #[error("kind '{kind}': found rows of {bytes} bytes ({columns}), must be at most {ROW_BYTES_MAX}")]
    RowTooLarge {
        /// The kind's name.
        kind: String,
        /// The size of its row.
        bytes: usize,
        /// Every component with its size.
        columns: String,
    },
    /// The name is no name.
    #[error("kind '{}': must be a name of 1 to {NAME_BYTES_MAX} bytes without control characters", .0.escape_debug())]
    Name(String),
    /// The name is taken.
    #[error("kind '{0}': found twice, must be registered once; two plugins need two names")]
    Duplicate(String),
    /// A component is there twice.
    #[error(
        "kind '{kind}': found component {column} twice, must be there once (StableId and Health always are)"
    )]
    DuplicateColumn {
        /// The kind's name.
        kind: String,
        /// The component.
        column: String,
    },
    /// A plugin's config has a group of a kind that is not the plugin's to have one of.
    #[error("{place}: found a kind that the plugin does not register, must be one of: {known}")]
    GroupOfOther {
        /// Where in which file.
        place: String,
        /// The kinds that may be.
        known: String,
    },
    /// A plugin's config has two groups of its first kind.
    #[error(
        "{place}: found the plugin's first kind, whose group the config's own `entities` make, must be one of: {known}"
    )]
    GroupTwice {
        /// Where in which file.
        place: String,
        /// The kinds that may be.
        known: String,
    },
    /// A component is not stored in tables, or wants more than 64 bytes of alignment.
    #[error(
        "kind '{kind}': component {column} must be in table storage and aligned to at most {ALIGN_MAX} bytes"
    )]
    Storage {
        /// The kind's name.
        kind: String,
        /// The component.
        column: String,
    },
}

impl KindError {
    /// Whether it is a plugin's config.json that asks for what can't be, and not the plugin.
    pub fn is_of_config(&self) -> bool {
        matches!(self, Self::GroupOfOther { .. } | Self::GroupTwice { .. })
    }
}
