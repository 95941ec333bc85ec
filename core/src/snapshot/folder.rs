//! The folder: it holds snapshots by tick, keeps the last few, and gives the newest whole one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use bevy_ecs::world::World;

use super::capture::{self, About, Capture};
use super::file::{self, Snapshot, State};
use super::{Head, SnapshotError};
use crate::units::RunId;

const EXTENSION: &str = "corec";

/// A snapshot that was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// Where the snapshots of a run go, and which of those there are its own.
#[derive(Clone, Debug)]
pub struct SnapshotFolder {
    /// The folder. Other runs may have snapshots in it.
    pub folder: PathBuf,
    /// Whether the folder is the run's alone: then a snapshot of version 1, which names no run, is its own.
    pub is_own: bool,
    /// How many are kept, the newest; at least 1.
    pub keep: usize,
}

impl SnapshotFolder {
    /// A folder of the run's own.
    pub fn own(folder: PathBuf, keep: usize) -> Self {
        Self { folder, is_own: true, keep }
    }

    /// Whether the snapshot at `path` is of the run that `head` is of. One that can't be read is nobody's.
    fn has(&self, path: &Path, head: &Head) -> bool {
        let of = |found: &Head| if found.id.is_none() { self.is_own } else { found.id == head.id };
        Snapshot::open(path).is_ok_and(|snapshot| of(snapshot.head()))
    }

    /// The file for the snapshot of `head`: another run's of the same tick is left alone.
    fn path_for(&self, head: &Head) -> PathBuf {
        let path = path_of(&self.folder, head.tick);
        match head.id {
            Some(id) if path.exists() && !self.has(&path, head) => {
                self.folder.join(format!("tick-{:012}-{}.{EXTENSION}", head.tick, id.short()))
            }
            _ => path,
        }
    }
}

/// The file of the snapshot of `tick` in `folder`, where no other run has one of that tick.
pub fn path_of(folder: &Path, tick: u64) -> PathBuf {
    folder.join(format!("tick-{tick:012}.{EXTENSION}"))
}

/// The tick of a snapshot, by its file's name: `tick-TICK.corec`, or `tick-TICK-RUN.corec` beside another run's.
fn tick_of(path: &Path) -> Option<u64> {
    let stem = path.extension().filter(|e| *e == EXTENSION).and(path.file_stem())?.to_str()?;
    let tick = stem.strip_prefix("tick-")?;
    tick.split_once('-').map_or(tick, |(tick, _)| tick).parse().ok()
}

/// The snapshots in `folder`, oldest first.
///
/// # Errors
/// A folder that can't be read.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, SnapshotError> {
    let entries = fs::read_dir(folder).map_err(|e| SnapshotError::io(folder, &e))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<(u64, PathBuf)> = paths.filter_map(|path| Some((tick_of(&path)?, path))).collect();
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Writes a captured state into its place, compressing on `threads` threads, and removes all but the newest of the run's own
/// snapshots. What is at the name is whole at any moment: written beside it, synced, renamed.
///
/// # Errors
/// What the system says; the snapshots that were there stay.
///
/// # Panics
/// If nothing was captured.
pub fn write(capture: &Capture, place: &SnapshotFolder, threads: usize) -> Result<Written, SnapshotError> {
    let head = capture.head.as_ref().expect("captured before it is written");
    let columns = capture.columns.iter().map(Vec::as_slice).collect();
    write_state(&State { head, columns, resources: &capture.resources }, place, threads)
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
    place: &SnapshotFolder,
    threads: usize,
) -> Result<Written, SnapshotError> {
    let (head, columns, resources) =
        (capture::head(world, about), capture::columns(world), capture::resources(world));
    let columns = columns.iter().map(|column| &**column).collect();
    write_state(&State { head: &head, columns, resources: &resources }, place, threads)
}

fn write_state(state: &State, place: &SnapshotFolder, threads: usize) -> Result<Written, SnapshotError> {
    let SnapshotFolder { folder, keep, .. } = place;
    if !folder.is_dir() {
        let around =
            folder.parent().filter(|around| !around.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let make = || fs::create_dir_all(folder).and_then(|()| File::open(around)?.sync_all());
        make().map_err(|e| SnapshotError::io(folder, &e))?;
    }
    let path = place.path_for(state.head);
    let temporary = folder.join(format!(".{}", temporary_name(state.head)));
    let fail = |e: std::io::Error| {
        // A half-written file would keep a full disk full.
        _ = fs::remove_file(&temporary);
        SnapshotError::io(&path, &e)
    };
    let bytes = file::write(state, &temporary, threads).map_err(fail)?;
    fs::rename(&temporary, &path).and_then(|()| File::open(folder)?.sync_all()).map_err(fail)?;
    remove_unfinished(place, state.head);
    let own: Vec<PathBuf> = list(folder)?.into_iter().filter(|path| place.has(path, state.head)).collect();
    for old in &own[..own.len().saturating_sub((*keep).max(1))] {
        fs::remove_file(old).map_err(|e| SnapshotError::io(old, &e))?;
    }
    Ok(Written { path, bytes })
}

/// The name of a file that is being written: the run's own, so that nobody else's is overwritten or removed.
fn temporary_name(head: &Head) -> String {
    let id = head.id.map(|id| format!("-{}", id.short())).unwrap_or_default();
    format!("tick-{:012}{id}.tmp", head.tick)
}

/// Removes what a process of this run was writing when it was killed.
fn remove_unfinished(place: &SnapshotFolder, head: &Head) {
    let suffix = head.id.map(|id| format!("-{}.tmp", id.short()));
    for entry in fs::read_dir(&place.folder).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(".tick-")) else { continue };
        let is_own = match &suffix {
            Some(suffix) if rest.contains('-') => rest.ends_with(suffix.as_str()),
            _ => place.is_own && rest.ends_with(".tmp"),
        };
        if is_own {
            // It is in nobody's way; the next snapshot tries again.
            _ = fs::remove_file(entry.path());
        }
    }
}

/// The newest whole snapshot at `path`, a folder or a file, and what was wrong with newer ones.
///
/// # Errors
/// A file that is not whole; a folder without one that is, or with those of several runs.
pub fn latest(path: &Path) -> Result<(Snapshot, Vec<SnapshotError>), SnapshotError> {
    let open = |path: &Path| Snapshot::open(path).and_then(|snapshot| snapshot.verify().map(|()| snapshot));
    if path.is_file() {
        return Ok((open(path)?, Vec::new()));
    }
    let paths = list(path)?;
    let runs = runs_of(&paths);
    if runs.len() > 1 {
        return Err(SnapshotError::Several { path: path.into(), runs });
    }
    let mut refused = Vec::new();
    for path in paths.iter().rev() {
        match open(path) {
            Ok(snapshot) => return Ok((snapshot, refused)),
            Err(error) => refused.push(error),
        }
    }
    Err(SnapshotError::None { path: path.into(), refused: refused.first().map(ToString::to_string) })
}

/// A line for each run that has a snapshot at these paths: its id, its folder, its newest file.
fn runs_of(paths: &[PathBuf]) -> Vec<String> {
    let mut runs: BTreeMap<(Option<RunId>, String), &PathBuf> = BTreeMap::new();
    for path in paths {
        let Ok(snapshot) = Snapshot::open(path) else { continue };
        let Head { id, run, .. } = snapshot.head();
        // An id is enough: the run may have been moved since its first snapshot.
        let key = runs.keys().find(|(known, name)| known == id && (id.is_some() || name == run)).cloned();
        runs.insert(key.unwrap_or_else(|| (*id, run.clone())), path);
    }
    let line = |((id, run), path): (&(Option<RunId>, String), &&PathBuf)| {
        let id = id.map_or_else(|| "of an older version".into(), |id| id.to_string());
        format!("  run {} ({id}), newest {}", run.escape_debug(), path.display())
    };
    runs.iter().map(line).collect()
}
