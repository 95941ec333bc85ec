//! Continuation: what a run goes on from, the recorded run, its snapshot, or both.

use std::path::{Path, PathBuf};

use corec_core::config::{Loaded, load, redact_url};
use corec_core::snapshot::{Snapshot, SnapshotError, latest};

use super::{RecordedRun, as_recorded, check_journal, environment, extent_of};
use crate::JOURNAL;
use crate::error::RunError;
use crate::manifest::FILE;
use crate::options::absolute;

/// What a run goes on from.
pub struct Continuation {
    /// The run; none if only its snapshot is there.
    pub run: Option<RecordedRun>,
    /// The snapshot; none if it was killed before its first one, and begins again.
    pub snapshot: Option<Snapshot>,
}

impl Continuation {
    /// The settings of the run; of a snapshot alone those that it was made under.
    ///
    /// # Errors
    /// Settings that this version does not take.
    pub fn settings(&self) -> Result<Loaded, RunError> {
        let (source, settings) = match (&self.snapshot, &self.run) {
            (Some(snapshot), None) => {
                (format!("{}: scenario", snapshot.path().display()), snapshot.head().scenario.clone())
            }
            (_, Some(run)) => {
                (format!("{}: settings", run.folder().display()), run.manifest().settings.to_string())
            }
            (None, None) => {
                return Err(RunError::Usage("--restore: found neither a run nor a snapshot".into()));
            }
        };
        let mut loaded = load(&source, &settings, &environment)?;
        loaded.scenario = as_recorded(loaded.scenario);
        if let Some(run) = &self.run {
            loaded.given = run.manifest().scenario_given.clone();
            // Passwords are in no file of a run; where they are to be had from is.
            if [&loaded.scenario.bus, &loaded.scenario.store].iter().any(|url| url.contains(":***@")) {
                let given = load(&source, &loaded.given.to_string(), &environment)?.scenario;
                let of_given = |url: &mut String, given: String| {
                    if redact_url(&given) == *url {
                        *url = given;
                    }
                };
                of_given(&mut loaded.scenario.bus, given.bus);
                of_given(&mut loaded.scenario.store, given.store);
            }
        }
        Ok(loaded)
    }

    /// Finds it at `path`: a run's folder, a snapshot, or a folder of snapshots. `journal` is where the run's journal is now, if it
    /// was moved.
    ///
    /// # Errors
    /// A text that says what is there instead.
    pub fn find(path: &Path, journal: Option<&Path>) -> Result<Self, RunError> {
        let usage = |e: &dyn std::fmt::Display| RunError::Usage(format!("--restore: {e}"));
        let extent = |run: &RecordedRun| journal.map_or_else(|| run.extent(), extent_of);
        if path.join(FILE).exists() {
            let run = RecordedRun::open(path)?;
            let snapshot = run.snapshot(u64::MAX, extent(&run)?.as_ref());
            return Ok(Self { run: Some(run), snapshot });
        }
        let (mut snapshot, refused) = latest(path).map_err(|e| match e {
            SnapshotError::Io { .. } if !path.exists() => usage(&format!(
                "{}: No such file or directory, must be a run's folder, a snapshot or a folder of snapshots",
                path.display()
            )),
            _ if path.join(JOURNAL).is_dir() => usage(&format!(
                "{}: the run had not begun when it ended, and has nothing to go on from: start it again",
                path.display()
            )),
            other => usage(&other),
        })?;
        for error in refused {
            tracing::warn!("passed over: {error}");
        }
        let run = run_of(&snapshot);
        if let Some(run) = &run {
            let extent = extent(run)?;
            if let Err(message) = check_journal(&snapshot, extent.as_ref()) {
                // Asked for by its name it is this one or none.
                let older =
                    if path.is_file() { None } else { run.snapshot(snapshot.head().tick, extent.as_ref()) };
                snapshot = older.ok_or_else(|| {
                    usage(&format!("{message}: an older one, or the run's folder {}", run.folder.display()))
                })?;
            }
        }
        Ok(Self { run, snapshot: Some(snapshot) })
    }
}

/// The run that made a snapshot: the one around it, or the one it names, if that is still the same.
fn run_of(snapshot: &Snapshot) -> Option<RecordedRun> {
    let around = absolute(snapshot.path()).parent().and_then(Path::parent).map(Path::to_path_buf);
    let named = PathBuf::from(&snapshot.head().run);
    let folders = around.into_iter().chain([named]).filter(|folder| folder.join(FILE).exists());
    let mut runs = folders.filter_map(|folder| RecordedRun::open(&folder).ok());
    runs.find(|run| run.has(snapshot.head()))
}
