//! A recorded run: one that has been, opened in one place.
//!
//! Its manifest, scenario, plugins as recorded, journal, input and snapshots, wherever they are. Who goes on with it, does it
//! again, or only looks at it finds everything here. Nothing here changes anything, and none of it needs the run's lock.

mod continuation;
mod state;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use corec_core::config::{Scenario, load};
use corec_core::journal::{Extent, Journal, extent};
use corec_core::lock;
use corec_core::plugin::Registered;
use corec_core::section::Section;
use corec_core::snapshot::{Head, Snapshot, list};
use corec_dynamics::reshape::SyncInterval;
use corec_dynamics::settings::AuditInterval;
use serde_json::Value;

use crate::error::RunError;
use crate::manifest::{FILE, Manifest, Status};
use crate::options::{Options, new_id};
use crate::plugin_set::PluginSet;
use crate::{JOURNAL, SNAPSHOTS};

pub use continuation::Continuation;

/// A run's folder, read.
pub struct RecordedRun {
    folder: PathBuf,
    manifest: Manifest,
    scenario: Scenario,
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The settings of a run as it had them: one of a version that neither audited nor reshaped goes on without, and is the same when it is
/// done again. A later one has written down what it was to do.
pub(crate) fn as_recorded(mut scenario: Scenario) -> Scenario {
    for name in [AuditInterval::NAME, SyncInterval::NAME] {
        scenario.sections.entry(name).or_insert_with(|| 0.into());
    }
    scenario
}

impl RecordedRun {
    /// Opens the run in `folder`.
    ///
    /// # Errors
    /// A folder without a manifest that can be read, or with settings that this version does not take.
    pub fn open(folder: &Path) -> Result<Self, RunError> {
        let manifest = Manifest::read(folder).map_err(RunError::Usage)?;
        let source = format!("{}: settings", folder.join(FILE).display());
        let scenario = as_recorded(load(&source, &manifest.settings.to_string(), &environment)?.scenario);
        Ok(Self { folder: folder.into(), manifest, scenario })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its settings.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// What else it was asked for, its paths to be used from here.
    pub fn options(&self) -> Options {
        self.manifest.options.clone().with_paths(|path| self.folder.join(path))
    }

    /// Whether a process is running it now.
    pub fn is_going_on(&self) -> bool {
        lock::is_held(&self.folder)
    }

    /// Its plugins, as it had them.
    ///
    /// # Errors
    /// A plugin that `registry` does not have, or a config that it does not take.
    pub fn plugins(&self, registry: &[Registered]) -> Result<PluginSet, RunError> {
        PluginSet::recorded(&self.manifest.plugins, registry, &environment)
    }

    /// Where its journal is.
    pub fn journal(&self) -> PathBuf {
        self.options().journal.unwrap_or_else(|| self.folder.join(JOURNAL))
    }

    /// Where its snapshots are.
    pub fn snapshots(&self) -> PathBuf {
        self.options().snapshot.unwrap_or_else(|| self.folder.join(SNAPSHOTS))
    }

    /// Whether a snapshot is one of this run's.
    pub fn has(&self, head: &Head) -> bool {
        match (head.id, self.manifest.id) {
            (Some(of), Some(own)) => of == own,
            // Of a version that knew no ids: a run is what it was asked for, but for what a restore may change.
            _ => serde_json::from_str::<Value>(&head.scenario).is_ok_and(|asked| {
                let what = ["name", "seed", "tick_seconds", "blocks", "telemetry"];
                what.iter().all(|key| asked.get(key) == self.manifest.settings.get(key))
            }),
        }
    }

    /// Its newest whole snapshot of tick `at` or before whose journal is there as well; warns of those it passes over.
    pub fn snapshot(&self, at: u64, journal: Option<&Extent>) -> Option<Snapshot> {
        // A folder that is not there holds none.
        let paths = list(&self.snapshots()).unwrap_or_default();
        for path in paths.iter().rev() {
            let snapshot = match Snapshot::open(path).and_then(|found| found.verify().map(|()| found)) {
                Ok(snapshot) => snapshot,
                // One that was removed in the meantime had newer ones beside it.
                Err(_) if !path.exists() => continue,
                Err(error) => {
                    tracing::warn!("passed over: {error}");
                    continue;
                }
            };
            if !self.has(snapshot.head()) || snapshot.head().tick > at {
                continue;
            }
            match check_journal(&snapshot, journal) {
                Ok(()) => return Some(snapshot),
                Err(message) => tracing::warn!("passed over: {message}"),
            }
        }
        None
    }

    /// How far its journal reaches; none if there is none.
    ///
    /// # Errors
    /// A journal that is damaged.
    pub fn extent(&self) -> Result<Option<Extent>, RunError> {
        extent_of(&self.journal())
    }

    /// Its last tick that is known of.
    pub fn last_tick(&self, journal: Option<&Extent>) -> u64 {
        let snapshot = self.snapshot(u64::MAX, journal).map_or(0, |snapshot| snapshot.head().tick);
        self.manifest.tick.max(journal.map_or(0, |journal| journal.tick)).max(snapshot)
    }

    /// Its table: `given`, or where it was, or in the same place as seen from the run's folder.
    ///
    /// # Errors
    /// A table that is nowhere to be found.
    pub fn input(&self, given: Option<&Path>) -> Result<Option<PathBuf>, RunError> {
        let Some(recorded) = &self.manifest.input else { return Ok(given.map(Path::to_path_buf)) };
        if let Some(given) = given {
            return Ok(Some(given.into()));
        }
        let name = recorded.file_name().unwrap_or_default();
        // Runs are in `runs/NNNN` of a project, or beside their table.
        let around = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        let near =
            around.ancestors().skip(1).take(3).flat_map(|folder| [folder.join(recorded), folder.join(name)]);
        let found = std::iter::once(recorded.clone()).chain(near).find(|path| path.exists());
        found.map(Some).ok_or_else(|| {
            let shown = recorded.display();
            RunError::Usage(format!("--input: {shown} is not there any more, must be named: --input FILE"))
        })
    }

    /// Makes a run in `folder` that has this one's settings, plugins and inputs and none of its digests, snapshots or options: to do it
    /// again as if it had been killed before its first snapshot.
    ///
    /// # Errors
    /// What can't be read or written.
    pub fn copy_without_digests(&self, folder: &Path) -> Result<(), RunError> {
        let failed = |e: &dyn std::fmt::Display| RunError::Failed(format!("{}: {e}", folder.display()));
        fs::create_dir_all(folder).map_err(|e| failed(&e))?;
        let id = new_id()?;
        let (from, to) = (self.journal(), folder.join(JOURNAL));
        if from.is_dir() {
            Journal::copy(&from, &to, id, |_, input| !input.is_digest()).map_err(|e| failed(&e))?;
        } else {
            Journal::record_in(&to, id, false).map_err(|e| failed(&e))?;
        }
        let mut manifest = self.manifest.clone();
        (manifest.id, manifest.folder, manifest.input) = (Some(id), None, None);
        (manifest.options, manifest.status) = (Options::default(), Status::Running);
        manifest.write(folder).map_err(|e| failed(&e))
    }

    /// What another process would share with this run if it went on in this folder, because the folder is a copy: the original,
    /// which is still there. None if it is not.
    pub fn original(&self) -> Option<PathBuf> {
        let (then, id) = (self.manifest.folder.as_ref()?, self.manifest.id?);
        let place = |folder: &Path| fs::metadata(folder).ok().map(|found| (found.dev(), found.ino()));
        let is_other = place(then).is_some_and(|there| place(&self.folder) != Some(there));
        let is_same_run = || Manifest::read(then).is_ok_and(|there| there.id == Some(id));
        (is_other && is_same_run()).then(|| then.clone())
    }
}

/// Whether a journal has what a snapshot counts on.
fn check_journal(snapshot: &Snapshot, journal: Option<&Extent>) -> Result<(), String> {
    let (path, needed) = (snapshot.path().display(), snapshot.head().journal_sequence);
    if let Some(found) = journal.map(|journal| journal.sequence).filter(|found| *found < needed) {
        return Err(format!(
            "{path}: counts on {needed} records of its journal, which has {found}: it has lost its end, as a loss of power may leave it"
        ));
    }
    Ok(())
}

/// How far a journal reaches; none if there is none.
fn extent_of(journal: &Path) -> Result<Option<Extent>, RunError> {
    if !journal.is_dir() {
        return Ok(None);
    }
    extent(journal).map(Some).map_err(|e| RunError::Usage(format!("journal: {e}")))
}
