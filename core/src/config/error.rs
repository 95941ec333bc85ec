//! Why settings are refused: where, what was found, what is allowed.

use thiserror::Error;

use super::messages::printable;

/// Why a scenario is refused: where, what was found, what is allowed. Nothing that a terminal would obey comes out of its text,
/// whatever the file holds.
#[derive(Debug, Error, PartialEq)]
pub enum ConfigError {
    /// Not JSON.
    #[error("{}: line {line}, column {column}: {}", printable(.source_name), printable(.message))]
    Syntax {
        /// The file or built-in scenario.
        source_name: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What the parser met.
        message: String,
    },
    /// A value that is not allowed.
    #[error("{}: {}: found {}, must be {}", printable(.source_name), printable(.path), printable(.found), printable(.allowed))]
    Value {
        /// The file or built-in scenario.
        source_name: String,
        /// The JSON path.
        path: String,
        /// What was found.
        found: String,
        /// What is allowed.
        allowed: String,
    },
    /// A value or key that is not allowed, in one sentence.
    #[error("{}: {}: {}", printable(.source_name), printable(.path), printable(.message))]
    Text {
        /// The file or built-in scenario.
        source_name: String,
        /// The JSON path.
        path: String,
        /// What is wrong and what would be right.
        message: String,
    },
}

impl ConfigError {
    /// The same of something that stands at `path`.
    pub(crate) fn below(self, at: &str) -> Self {
        let whole = |path: String| match path.as_str() {
            "." | "" => at.to_string(),
            within => format!("{at}.{within}"),
        };
        match self {
            Self::Text { source_name, path, message } => {
                Self::Text { source_name, path: whole(path), message }
            }
            Self::Value { source_name, path, found, allowed } => {
                Self::Value { source_name, path: whole(path), found, allowed }
            }
            other => other,
        }
    }
}
