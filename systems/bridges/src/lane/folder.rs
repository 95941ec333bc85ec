//! Folder: a spool's, and those of its segments: made, looked through, measured and synced.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The segments in `folder` by the number of their first item, in order. What is left of those that were taken goes.
pub(super) fn segments_in(folder: &Path) -> Result<Vec<(u64, PathBuf)>, String> {
    let fail = |e: std::io::Error| format!("{}: {e}", folder.display());
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(fail)?,
    };
    let mut segments = Vec::new();
    for entry in entries {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|extension| extension == "taken") {
            fs::remove_dir_all(&path).map_err(fail)?;
        }
        let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        segments.extend(number.map(|number| (number, path)));
    }
    segments.sort_unstable();
    Ok(segments)
}

/// Makes a folder, and those above it, so that they survive a loss of power.
pub(super) fn make_folder(path: &Path) -> std::io::Result<()> {
    let Some(parent) = path.parent().filter(|_| !path.is_dir()) else { return Ok(()) };
    make_folder(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ if parent.as_os_str().is_empty() => Ok(()),
        _ => File::open(parent)?.sync_all(),
    }
}

/// Has the disk keep what another process has written.
pub(super) fn sync_files(folder: &Path) -> std::io::Result<()> {
    fs::read_dir(folder)?.try_for_each(|entry| File::open(entry?.path())?.sync_all())
}

/// Bytes of the files in a segment.
pub(super) fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}
