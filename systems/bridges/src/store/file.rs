//! File: whether an SQLite store can be where it is asked for, before a run.

use std::io::ErrorKind;
use std::path::Path;

use crate::finding::{Finding, Findings};

/// Looks where an SQLite file is, or would be. A relative one is in a run's folder, which is looked at by itself.
pub(super) fn examine(path: &Path) -> Vec<Finding> {
    let mut findings = Findings::of("sqlite");
    let shown = path.display();
    if path.is_relative() {
        findings.ok("file", format!("{shown} in the run's folder"));
        return findings.finish();
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            findings.fix("file", format!("{shown}: found a folder, pipe or device, must be a file"))
        }
        Ok(_) => match std::fs::OpenOptions::new().append(true).open(path) {
            Ok(_) => findings.ok("file", format!("{shown} is there and may be written")),
            Err(error) => findings.fix("file", format!("{shown}: {error}, must be writable")),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {
            findings.ok("file", format!("{shown} is not there yet"))
        }
        Err(error) => findings.fix("file", format!("{shown}: {error}")),
    }
    // The log beside it is made there too.
    let shown = folder.display();
    match writable(folder) {
        Ok(()) => findings.ok("folder", format!("{shown} may be written")),
        Err(error) => {
            findings.fix("folder", format!("{shown}: {error}, must be a folder that may be written"))
        }
    }
    findings.finish()
}

/// Whether a file can be made in a folder; it is removed again.
///
/// # Errors
/// What the system says.
pub fn writable(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(format!(".corec-doctor-{}", std::process::id()));
    std::fs::OpenOptions::new().write(true).create_new(true).open(&probe)?;
    std::fs::remove_file(&probe)
}
