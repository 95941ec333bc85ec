//! The folder: snapshots by tick, the last few kept, the newest whole one found.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use bevy_ecs::world::World;

use super::SnapshotError;
use super::capture::{self, About, Capture};
use super::file::{self, Snapshot, State};

const EXTENSION: &str = "corec";

/// A snapshot that was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// The file of the snapshot of `tick` in `folder`.
pub fn path_of(folder: &Path, tick: u64) -> PathBuf {
    folder.join(format!("tick-{tick:012}.{EXTENSION}"))
}

/// The snapshots in `folder`, oldest first.
///
/// # Errors
/// A folder that can't be read.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, SnapshotError> {
    let entries = fs::read_dir(folder).map_err(|e| SnapshotError::io(folder, &e))?;
    let is_snapshot = |path: &PathBuf| {
        let stem =
            path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.strip_prefix("tick-"));
        path.extension().is_some_and(|e| e == EXTENSION) && stem.is_some_and(|s| s.parse::<u64>().is_ok())
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).filter(is_snapshot).collect();
    // Names are as long as each other: their order is that of the ticks.
    paths.sort();
    Ok(paths)
}

/// Writes a captured state into `folder`, compressing on `threads` threads, and removes all but the newest `keep` snapshots.
/// What is at the name is whole at any moment: written beside it, synced, renamed.
///
/// # Errors
/// What the system says; the snapshots that were there stay.
///
/// # Panics
/// If nothing was captured.
pub fn write(
    capture: &Capture,
    folder: &Path,
    keep: usize,
    threads: usize,
) -> Result<Written, SnapshotError> {
    let head = capture.head.as_ref().expect("captured before it is written");
    let columns = capture.columns.iter().map(Vec::as_slice).collect();
    write_state(&State { head, columns, resources: &capture.resources }, folder, keep, threads)
}

/// As [`write()`], straight from the world: no copy of the columns is made.
///
/// # Errors
/// As [`write()`].
///
/// # Panics
/// If the world was not populated.
pub fn write_in_place(
    world: &World,
    about: &About,
    folder: &Path,
    keep: usize,
    threads: usize,
) -> Result<Written, SnapshotError> {
    let (head, columns, resources) =
        (capture::head(world, about), capture::columns(world), capture::resources(world));
    let columns = columns.iter().map(|column| &**column).collect();
    write_state(&State { head: &head, columns, resources: &resources }, folder, keep, threads)
}

fn write_state(state: &State, folder: &Path, keep: usize, threads: usize) -> Result<Written, SnapshotError> {
    let tick = state.head.tick;
    fs::create_dir_all(folder).map_err(|e| SnapshotError::io(folder, &e))?;
    let (path, temporary) = (path_of(folder, tick), folder.join(format!(".tick-{tick:012}.tmp")));
    let fail = |e: std::io::Error| {
        // A half-written file would keep a full disk full.
        _ = fs::remove_file(&temporary);
        SnapshotError::io(&path, &e)
    };
    let bytes = file::write(state, &temporary, threads).map_err(fail)?;
    fs::rename(&temporary, &path).and_then(|()| File::open(folder)?.sync_all()).map_err(fail)?;
    remove_unfinished(folder);
    let paths = list(folder)?;
    for old in &paths[..paths.len().saturating_sub(keep.max(1))] {
        fs::remove_file(old).map_err(|e| SnapshotError::io(old, &e))?;
    }
    Ok(Written { path, bytes })
}

/// Removes what a process was writing when it was killed.
fn remove_unfinished(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(".tick-") && name.ends_with(".tmp"))
        {
            // It is in nobody's way; the next snapshot tries again.
            _ = fs::remove_file(entry.path());
        }
    }
}

/// The newest whole snapshot at `path`, a folder or a file, and what was wrong with newer ones.
///
/// # Errors
/// A file that is not whole; a folder without one that is.
pub fn latest(path: &Path) -> Result<(Snapshot, Vec<SnapshotError>), SnapshotError> {
    let open = |path: &Path| Snapshot::open(path).and_then(|snapshot| snapshot.verify().map(|()| snapshot));
    if path.is_file() {
        return Ok((open(path)?, Vec::new()));
    }
    let mut refused = Vec::new();
    for path in list(path)?.iter().rev() {
        match open(path) {
            Ok(snapshot) => return Ok((snapshot, refused)),
            Err(error) => refused.push(error),
        }
    }
    Err(SnapshotError::None { path: path.into(), refused: refused.first().map(ToString::to_string) })
}
