//! Files: a run opens only what is a file.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Opens a file to read it.
///
/// # Errors
/// What the system says; anything there that is no file. To open a pipe is to wait until somebody writes to it, which no signal ends.
pub fn open(path: &Path) -> io::Result<File> {
    check(path)?;
    File::open(path)
}

/// Whether what is at `path` may be opened as a file; it may be missing.
///
/// # Errors
/// Anything there that is no file.
pub fn check(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::Error::other("found a folder, must be a file")),
        Ok(found) if !found.is_file() => Err(io::Error::other("found a pipe or a device, must be a file")),
        _ => Ok(()),
    }
}
