//! A run's folder, and the places outside it that are the run's while it lives.
//!
//! What a start has made is removed again if the start fails; what was there before stays.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use corec_core::lock::{self, Lock, LockError};

use crate::error::RunError;
use crate::manifest;
use crate::options::absolute;
use crate::{JOURNAL, SNAPSHOTS, SUMMARY};

/// The folder of a run that is about to begin, or goes on.
pub(crate) struct RunFolder {
    path: PathBuf,
    /// Removed while the locks are still held: by then a folder may be another's.
    made: Vec<Made>,
    claimed: Vec<PathBuf>,
    /// What holds it for this process.
    locks: Vec<Lock>,
}

impl RunFolder {
    /// Makes the folder asked for, or the next `runs/NNNN`, for a new run.
    pub fn make(out: Option<PathBuf>) -> Result<Self, RunError> {
        let (path, made) = match out {
            Some(path) => (path, Vec::new()),
            None => next()?,
        };
        let mut folder =
            Self { path: path.clone(), made: Vec::new(), claimed: Vec::new(), locks: Vec::new() };
        folder.take(&path, made, "--out", OWN)?;
        // Looked at once it is held: the process that had it may have begun a run there.
        if path.join(manifest::FILE).exists() {
            let shown = path.display();
            return Err(RunError::Usage(format!("--out: {shown} holds a run already, must be a new folder")));
        }
        Ok(folder)
    }

    /// Takes the folder of a run that goes on.
    pub fn go_on_in(path: PathBuf) -> Result<Self, RunError> {
        let lock = lock_of(&path, "--restore")?;
        Ok(Self { path, made: Vec::new(), claimed: Vec::new(), locks: vec![lock] })
    }

    /// Who had it before, in words.
    pub fn had_before(&self) -> &str {
        self.locks.first().map_or("another process", |lock| &lock.before)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes a folder outside this one for the run, which `option` has named. One inside is the run's already, but for another's lock.
    pub fn claim(&mut self, folder: &Path, option: &str) -> Result<(), RunError> {
        if absolute(folder).starts_with(absolute(&self.path)) {
            return match lock::is_held(folder) && !self.has(folder) {
                true => lock_of(folder, option).map(|lock| self.locks.push(lock)),
                false => Ok(()),
            };
        }
        if self.has(folder) {
            return Ok(());
        }
        let whole = absolute(folder);
        if let Some(of_a_run) = whole.ancestors().find(|around| is_a_runs(around)) {
            let (found, shown) = (folder.display(), of_a_run.display());
            return Err(RunError::Usage(format!(
                "{option}: {found} is part of the run in {shown}, must be a folder of its own"
            )));
        }
        self.take(folder, Vec::new(), option, OUTSIDE)
    }

    /// Whether a file that `option` names may be written: it is none of those that a run keeps, this one or another.
    pub fn check_beside(&self, file: &Path, option: &str) -> Result<(), RunError> {
        let (whole, own) = (absolute(file), absolute(&self.path));
        let run = whole.ancestors().find(|around| *around == own || is_a_runs(around));
        let within = run.and_then(|run| whole.strip_prefix(run).ok()?.components().next());
        match within {
            Some(name) if KEPT.iter().any(|kept| name.as_os_str() == *kept) => Err(RunError::Usage(format!(
                "{option}: {} is one of a run's own files, must be a file of its own",
                file.display()
            ))),
            _ => Ok(()),
        }
    }

    /// Whether the run has this folder already.
    fn has(&self, folder: &Path) -> bool {
        self.claimed.contains(&absolute(folder)) || absolute(folder) == absolute(&self.path)
    }

    /// Makes a folder if it is not there, and takes it. `missing` is what has been made on the way already.
    /// `leaves` is what a start may leave in it.
    fn take(
        &mut self,
        folder: &Path,
        mut missing: Vec<PathBuf>,
        option: &str,
        leaves: &'static [&'static str],
    ) -> Result<(), RunError> {
        // A start that failed may remove the folder between the two steps.
        for is_last in [false, false, false, true] {
            missing = if missing.is_empty() { missing_of(folder) } else { missing };
            fs::create_dir_all(folder).map_err(|e| usage(option, folder, &e))?;
            match lock_of(folder, option) {
                Ok(lock) => {
                    self.locks.push(lock);
                    break;
                }
                Err(_) if !is_last && !folder.exists() => {}
                Err(error) => return Err(error),
            }
        }
        // A folder that a loss of power takes away takes all that is in it along.
        for made in missing.iter().filter_map(|made| made.parent()) {
            let around = if made.as_os_str().is_empty() { Path::new(".") } else { made };
            fs::File::open(around)
                .and_then(|around| around.sync_all())
                .map_err(|e| usage(option, around, &e))?;
        }
        self.claimed.push(absolute(folder));
        // Only now is it this process' to clean up, and only what was not there: another start may have made the folder at the
        // same time, had it first, and left a run there.
        let found: Vec<OsString> = names(folder).filter(|name| name != lock::FILE).collect();
        let folders = if found.is_empty() { missing } else { Vec::new() };
        let is_new = |path: &&&str| found.iter().all(|name| !Path::new(path).starts_with(name));
        let left = leaves.iter().filter(is_new).map(|path| folder.join(path)).collect();
        self.made.push(Made { left, folders });
        Ok(())
    }

    /// The start has succeeded: what it made stays. Gives the folder, and what holds the run for this process.
    pub fn keep(mut self) -> (PathBuf, Vec<Lock>) {
        self.made.iter_mut().for_each(Made::keep);
        (self.path, self.locks)
    }
}

/// The next `runs/NNNN`, and what was made for it. Creating it is what claims the number: two runs started at once get two.
fn next() -> Result<(PathBuf, Vec<PathBuf>), RunError> {
    let runs = Path::new("runs");
    let missing = missing_of(runs);
    let fail = |e: io::Error| usage("--out", runs, &e);
    fs::create_dir_all(runs).map_err(fail)?;
    let taken = fs::read_dir(runs).map_err(fail)?;
    let numbers = taken.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut next = numbers.max().unwrap_or(0).saturating_add(1);
    loop {
        let path = runs.join(format!("{next:04}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok((path.clone(), std::iter::once(path).chain(missing).collect())),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => next += 1,
            // The last start there may have failed, and taken the folder around with it.
            Err(e) if e.kind() == io::ErrorKind::NotFound => fs::create_dir_all(runs).map_err(fail)?,
            Err(e) => return Err(usage("--out", &path, &e)),
        }
    }
}

/// Whether a folder is a run's. Programs of other kinds have manifests by that name too.
fn is_a_runs(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).exists();
    has(manifest::FILE) && (has(lock::FILE) || has(JOURNAL))
}

/// The folders that have to be made for this one, itself first.
fn missing_of(folder: &Path) -> Vec<PathBuf> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    folder.ancestors().take_while(is_missing).map(Path::to_path_buf).collect()
}

fn usage(option: &str, path: &Path, error: &io::Error) -> RunError {
    RunError::Usage(format!("{option}: {}: {error}", path.display()))
}

fn lock_of(folder: &Path, option: &str) -> Result<Lock, RunError> {
    let shown = folder.display();
    Lock::of_folder(folder).map_err(|error| match error {
        LockError::Held(who) => RunError::Usage(format!(
            "{option}: {shown} is in use by {who}, must be nobody else's: wait for its end, or stop it"
        )),
        LockError::Io(error) => {
            let file = folder.join(lock::FILE);
            RunError::Usage(format!("{option}: {}: can't be locked: {error}", file.display()))
        }
    })
}

/// What a start may leave in its run's folder, innermost first: what is there beside it is somebody's.
const OWN: &[&str] =
    &["journal/00000001.log", "journal", "store.db", "store.db-wal", "store.db-shm", lock::FILE];
/// What a run keeps in its folder.
const KEPT: [&str; 8] =
    [manifest::FILE, SUMMARY, lock::FILE, JOURNAL, SNAPSHOTS, "store.db", "store.db-wal", "store.db-shm"];
/// What it may leave in its journal's or its snapshots' elsewhere.
const OUTSIDE: &[&str] = &["00000001.log", lock::FILE];

/// What a start has made, to be removed again when it is dropped.
struct Made {
    /// What it may have left.
    left: Vec<PathBuf>,
    /// Folders, the innermost first.
    folders: Vec<PathBuf>,
}

impl Made {
    fn keep(&mut self) {
        self.left.clear();
        self.folders.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in self.left.drain(..) {
            _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
        // A folder that holds anything stays.
        self.folders.drain(..).for_each(|folder| _ = fs::remove_dir(folder));
    }
}

fn names(folder: &Path) -> impl Iterator<Item = OsString> {
    fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.file_name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_fails_removes_what_it_left_and_nothing_else() {
        let around = tempfile::tempdir().unwrap();
        let (folder, journal) = (around.path().join("a/run"), around.path().join("j"));
        let fail = |with: &[&str]| {
            let mut start = RunFolder::make(Some(folder.clone())).unwrap();
            start.claim(&journal, "--journal").unwrap();
            start.claim(&journal, "--snapshot").unwrap();
            fs::create_dir_all(folder.join("journal")).unwrap();
            for path in OWN.iter().filter(|path| **path != "journal").chain(with) {
                fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
                fs::write(folder.join(path), "").unwrap();
            }
            drop(start);
        };
        fail(&[]);
        assert_eq!(names(around.path()).count(), 0);
        // What others put there meanwhile stays, their runs and their databases.
        fail(&["other/manifest.json", "other/store.db", "journal/notes"]);
        let mut left: Vec<_> = names(&folder).collect();
        left.sort();
        assert_eq!(left, ["journal", "other"]);
        assert!(folder.join("other/store.db").exists() && folder.join("journal/notes").exists());
        fs::write(folder.join("store.db"), "mine").unwrap();
        fail(&[]);
        assert!(folder.join("store.db").exists(), "it was there before");
    }

    #[test]
    fn a_run_that_another_start_left_in_the_same_folder_stays() {
        let around = tempfile::tempdir().unwrap();
        let folder = around.path().join("run");
        let first = RunFolder::make(Some(folder.clone())).unwrap();
        fs::write(folder.join(manifest::FILE), "{}").unwrap();
        first.keep();
        assert!(RunFolder::make(Some(folder.clone())).is_err());
        assert!(folder.join(manifest::FILE).exists());
    }
}
