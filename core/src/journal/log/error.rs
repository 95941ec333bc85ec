//! Errors: they say why a log can't be read or written, with the file and the place in it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::format::RECORD_BYTES_MAX;
use crate::units::RunId;

/// Why a log can't be read or written.
#[derive(Debug, Error)]
pub enum LogError {
    /// A file or folder can't be read or written.
    #[error("{path}: {message}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        message: String,
    },
    /// A file is not as it was written.
    #[error("{path}: byte {offset}: found {found}, must be {expected}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What was found.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A log of another run.
    #[error("{path}: found the journal of run {found}, must be empty or that of run {run}")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        run: RunId,
    },
    /// A record is larger than one may be.
    #[error("a record of {0} bytes, must be at most {RECORD_BYTES_MAX}")]
    TooLarge(usize),
}

pub(super) fn io_error(path: &Path, error: &io::Error) -> LogError {
    LogError::Io { path: path.into(), message: error.to_string() }
}
