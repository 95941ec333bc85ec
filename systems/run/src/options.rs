//! Options: what a run was asked for beside its scenario. It goes on with them after a restore, unless they are given anew.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use corec_core::units::{RunId, parse_count};
use serde::{Deserialize, Serialize};

use crate::error::RunError;

/// How long a start waits for servers unless asked otherwise: a machine that boots starts them at the same time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a run does beside its scenario; none of it changes a result. `None` is what was not asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// The tick to stop at; none for all rows of the input, or the scenario's.
    pub ticks: Option<u64>,
    /// Ticks a second at most.
    pub tick_rate: Option<f64>,
    /// Where the table's anomalies are, as NAB has them.
    pub windows: Option<PathBuf>,
    /// Where the sequence of the last row that the journal has is written.
    pub ack: Option<PathBuf>,
    /// Ticks between two recorded digests; 0 records none.
    pub digest_interval: Option<u64>,
    /// How often a snapshot is made.
    pub snapshot_interval: Option<SnapshotInterval>,
    /// Where snapshots are; none for `snapshots` in the run's folder.
    pub snapshot: Option<PathBuf>,
    /// How many are kept, the newest.
    pub snapshot_keep: Option<usize>,
    /// Where the journal is; none for `journal` in the run's folder.
    pub journal: Option<PathBuf>,
    /// How long the start waits for servers, seconds.
    pub connect_timeout: Option<f64>,
    /// Whether what the journal has committed also survives a loss of power.
    pub journal_sync: Option<bool>,
    /// Where the run is shown over HTTP: an address and a port.
    pub http: Option<String>,
}

impl Options {
    /// These, and where they say nothing those.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            ticks: self.ticks.or(other.ticks),
            tick_rate: self.tick_rate.or(other.tick_rate),
            windows: self.windows.or(other.windows),
            ack: self.ack.or(other.ack),
            digest_interval: self.digest_interval.or(other.digest_interval),
            snapshot_interval: self.snapshot_interval.or(other.snapshot_interval),
            snapshot: self.snapshot.or(other.snapshot),
            snapshot_keep: self.snapshot_keep.or(other.snapshot_keep),
            journal: self.journal.or(other.journal),
            connect_timeout: self.connect_timeout.or(other.connect_timeout),
            journal_sync: self.journal_sync.or(other.journal_sync),
            http: self.http.or(other.http),
        }
    }

    /// How long the start waits for servers.
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout.map_or(CONNECT_TIMEOUT, Duration::from_secs_f64)
    }

    /// Without the places that belong to one run: for another that goes on from it elsewhere.
    #[must_use]
    pub fn without_places(self) -> Self {
        Self { ack: None, snapshot: None, journal: None, http: None, ..self }
    }

    /// With `change` done to every path.
    #[must_use]
    pub(crate) fn with_paths(self, change: impl Fn(PathBuf) -> PathBuf) -> Self {
        Self {
            windows: self.windows.map(&change),
            ack: self.ack.map(&change),
            snapshot: self.snapshot.map(&change),
            journal: self.journal.map(&change),
            ..self
        }
    }
}

/// A distance between two snapshots; its text form is `100` or `30s`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum SnapshotInterval {
    /// In ticks.
    Ticks(u64),
    /// In seconds of the clock on the wall.
    Wall(Duration),
}

impl std::str::FromStr for SnapshotInterval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("found '{text}', must be a number of ticks (100) or of seconds (30s)");
        if let Some(seconds) = text.strip_suffix('s') {
            let seconds =
                seconds.parse::<f64>().ok().filter(|s| (0.001..=1e9).contains(s)).ok_or_else(wrong)?;
            return Ok(Self::Wall(Duration::from_secs_f64(seconds)));
        }
        parse_count(text).ok().filter(|ticks| *ticks > 0).map(Self::Ticks).ok_or_else(wrong)
    }
}

impl From<SnapshotInterval> for String {
    fn from(every: SnapshotInterval) -> Self {
        match every {
            SnapshotInterval::Ticks(ticks) => ticks.to_string(),
            SnapshotInterval::Wall(distance) => format!("{}s", distance.as_secs_f64()),
        }
    }
}

impl TryFrom<String> for SnapshotInterval {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A path that means the same from anywhere, without `.` and `..` where that can be told.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    // `..` after a link is another folder than it looks: such a path stays as it is.
    if !path.components().any(|part| part == Component::ParentDir) {
        return path;
    }
    let folder = path.parent().and_then(|folder| std::fs::canonicalize(folder).ok());
    match (folder, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}

/// A path as a manifest in `folder` has it: relative if it lies in there, so that the folder can be moved.
pub(crate) fn recorded(path: PathBuf, folder: &Path) -> PathBuf {
    let path = absolute(&path);
    path.strip_prefix(absolute(folder)).map(Path::to_path_buf).unwrap_or(path)
}

/// A run's id, from the system's randomness.
pub(crate) fn new_id() -> Result<RunId, RunError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| RunError::Failed(format!("no id for the run: {e}")))?;
    Ok(RunId(u128::from_le_bytes(bytes)))
}
