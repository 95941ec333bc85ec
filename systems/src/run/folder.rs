//! A run's folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use corec_core::snapshot::Snapshot;

use super::RunError;

/// The folder of the run that made a snapshot: the one it lies in, or the one it names.
pub fn folder_of(snapshot: &Snapshot) -> Option<PathBuf> {
    let around = snapshot.path().parent().and_then(Path::parent).map(Path::to_path_buf);
    let named = PathBuf::from(&snapshot.head().run);
    around.into_iter().chain([named]).find(|folder| folder.join("manifest.json").is_file())
}

/// Makes the folder asked for, or the next `runs/NNNN`.
pub(super) fn make(out: Option<PathBuf>) -> Result<PathBuf, RunError> {
    let fail = |path: &Path, e: io::Error| RunError::Usage(format!("--out: {}: {e}", path.display()));
    if let Some(out) = out {
        fs::create_dir_all(&out).map_err(|e| fail(&out, e))?;
        if out.join("manifest.json").exists() {
            return Err(RunError::Usage(format!(
                "--out: {} holds a run already, must be a new folder",
                out.display()
            )));
        }
        return Ok(out);
    }
    let runs = Path::new("runs");
    fs::create_dir_all(runs).map_err(|e| fail(runs, e))?;
    let taken = fs::read_dir(runs).map_err(|e| fail(runs, e))?;
    let numbers = taken.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut next = numbers.max().unwrap_or(0).saturating_add(1);
    loop {
        let folder = runs.join(format!("{next:04}"));
        // Creating it is what claims the number: two runs started at once get two.
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => next += 1,
            Err(e) => return Err(fail(&folder, e)),
        }
    }
}
