//! An input: what came from outside in a tick, as the journal's records have it.

use serde::{Deserialize, Serialize};

use crate::bus::Cursor;

/// What came from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// The names of a table's columns, before its first row.
    Columns(Vec<String>),
    /// A row of a table.
    Row {
        /// Its number in the table, or what its column `sequence` says.
        sequence: u64,
        /// Its values; NaN for a gap.
        values: Vec<f64>,
        /// Whether it is an anomaly, where that is known.
        label: Option<bool>,
        /// Whether it was known to be the last.
        is_last: bool,
    },
    /// Entries of the input stream.
    Entries {
        /// The cursor of the last one.
        last: Cursor,
        /// How many had gone before they could be read.
        lost: u64,
        /// Their data.
        data: Vec<Vec<u8>>,
    },
    /// The digest of the state, before the tick.
    Digest(u64),
    /// Messages from outside to a plugin's channel.
    Messages {
        /// The channel.
        channel: String,
        /// The stream of the bus that they come from, and the cursor of the last one; none from a plugin's own source.
        cursor: Option<(String, Cursor)>,
        /// Their data.
        data: Vec<Vec<u8>>,
    },
    /// The digest of what the run has said, before the tick; after that of its state.
    Outputs(u64),
    /// Nothing more came in the tick, of which something is said outside: see [`Journal::seal`](super::Journal::seal).
    Sealed,
    /// Somebody outside has paused a plugin, or let it go on, before the tick.
    Paused {
        /// The plugin.
        plugin: String,
        /// Whether it is paused from now on.
        is_paused: bool,
    },
}

impl Input {
    /// Whether it is recorded to be compared, and not to be applied.
    pub fn is_digest(&self) -> bool {
        matches!(self, Self::Digest(_) | Self::Outputs(_))
    }

    /// What it is, for people.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Columns(_) => "columns",
            Self::Row { .. } => "row",
            Self::Entries { .. } => "entries",
            Self::Digest(_) => "digest",
            Self::Messages { .. } => "messages",
            Self::Outputs(_) => "output digest",
            Self::Sealed => "sealed",
            Self::Paused { .. } => "paused",
        }
    }
}

/// An input and its tick.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub tick: u64,
    pub input: Input,
}
