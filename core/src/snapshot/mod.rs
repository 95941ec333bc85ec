//! Snapshots: the whole state of a run in one file, from which it goes on bit by bit.
//!
//! ```text
//! "CORECSNP" version u32, 0 u32 | frame | frame | ... | index | its bytes u64, unpacked u64, xxh3 u64, "CORECEN4"
//! ```
//! A frame is a piece of a column (live rows in row order, about 1 MiB, its bytes sorted by their place in the value, zstd)
//! or a saved resource; the index says what each is, where, and its xxh3. Frames follow each other without a gap, so that
//! every byte of the file is accounted for: a damaged file is refused with the place, never read wrongly.
//! Written beside its name, synced, renamed. The digest of the state is in the index and checked after a restore.

mod capture;
mod file;

mod diff;
mod folder;

#[cfg(test)]
mod tests;

pub use capture::{About, Capture, capture};
pub use diff::{Difference, diff};
pub use file::{Frame, Part, Snapshot};
pub use folder::{SnapshotFolder, Written, latest, list, path_of, write, write_in_place};

use crate::config::printable;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use thiserror::Error;

use crate::units::RunId;

/// What a snapshot says of its run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The run; none in a snapshot of version 1.
    pub id: Option<RunId>,
    /// The run's folder, as it was called when the run was started.
    pub run: String,
    /// The history it belongs to.
    pub epoch: u32,
    /// Finished ticks.
    pub tick: u64,
    /// The next stable id.
    pub next_id: u64,
    /// The digest of the state.
    pub digest: u64,
    /// The last record of the journal that the state has taken in; 0 for none.
    pub journal_sequence: u64,
    /// The scenario, as JSON, passwords left out.
    pub scenario: String,
    /// The kinds, in the order they have in the population.
    pub kinds: Vec<SavedKind>,
    /// Blocks that the run has had, those included that have retired.
    pub block_count: u32,
    /// By group, the place that its next block gets.
    pub next_indices: Vec<u32>,
}

/// The head of a snapshot of version 2 or 3.
#[derive(Deserialize)]
struct HeadOfVersion3 {
    id: Option<RunId>,
    run: String,
    epoch: u32,
    tick: u64,
    next_id: u64,
    digest: u64,
    journal_sequence: u64,
    scenario: String,
    kinds: Vec<KindOfVersion3>,
}

/// A kind and its blocks, of which none had ever retired.
#[derive(Deserialize)]
struct KindOfVersion3 {
    name: String,
    recycled: bool,
    columns: Vec<(String, u32)>,
    blocks: Vec<SavedBlock>,
}

impl From<KindOfVersion3> for SavedKind {
    fn from(old: KindOfVersion3) -> Self {
        let KindOfVersion3 { name, recycled, columns, blocks } = old;
        Self { name, recycled, columns, blocks, rows: 0 }
    }
}

impl From<HeadOfVersion3> for Head {
    fn from(old: HeadOfVersion3) -> Self {
        let HeadOfVersion3 { id, run, epoch, tick, next_id, digest, journal_sequence, scenario, kinds } = old;
        let kinds: Vec<SavedKind> = kinds.into_iter().map(SavedKind::from).collect();
        let blocks = || kinds.iter().flat_map(|kind| &kind.blocks);
        let groups = blocks().map(|block| usize::from(block.group) + 1).max().unwrap_or(0);
        let mut next_indices = vec![0; groups];
        blocks().for_each(|block| next_indices[usize::from(block.group)] += 1);
        let block_count = blocks().count() as u32;
        Self {
            id,
            run,
            epoch,
            tick,
            next_id,
            digest,
            journal_sequence,
            scenario,
            kinds,
            block_count,
            next_indices,
        }
    }
}

/// The head of a snapshot of version 1.
#[derive(Deserialize)]
struct HeadOfVersion1 {
    run: String,
    epoch: u32,
    tick: u64,
    next_id: u64,
    digest: u64,
    journal_sequence: u64,
    scenario: String,
    kinds: Vec<KindOfVersion3>,
}

impl From<HeadOfVersion1> for Head {
    fn from(old: HeadOfVersion1) -> Self {
        let HeadOfVersion1 { run, epoch, tick, next_id, digest, journal_sequence, scenario, kinds } = old;
        HeadOfVersion3 { id: None, run, epoch, tick, next_id, digest, journal_sequence, scenario, kinds }
            .into()
    }
}

/// A kind and its blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedKind {
    /// Its name.
    pub name: String,
    /// Whether its rows are born and die.
    pub recycled: bool,
    /// Its columns: name and bytes of a value.
    pub columns: Vec<(String, u32)>,
    /// Its blocks, in row order.
    pub blocks: Vec<SavedBlock>,
    /// Rows of its table, free ones behind the last block included; 0 for no more than the blocks take.
    pub rows: u32,
}

impl SavedKind {
    /// Live rows.
    pub fn live(&self) -> u64 {
        self.blocks.iter().map(|block| u64::from(block.live)).sum()
    }
}

/// A block of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedBlock {
    /// Its id.
    pub id: u32,
    /// Its group.
    pub group: u16,
    /// Its place in the group.
    pub index: u32,
    /// Rows it may have.
    pub capacity: u32,
    /// Rows that are live.
    pub live: u32,
}

/// Why a snapshot can't be written, read or restored.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// A file or folder can't be read or written.
    #[error("{path}: {message}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        message: String,
    },
    /// A file is damaged, or is none of ours.
    #[error("{path}: byte {offset}: found {}, must be {expected}", printable(.found))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What was found.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// A snapshot that this program, with these plugins, can't take.
    #[error("{path}: {}", printable(.message))]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        message: String,
    },
    /// Snapshots of several runs, of which the newest may be none of the wanted one's.
    #[error("{path}: found snapshots of {} runs, must be a file of one, or a run's folder:\n{}", .runs.len(), .runs.join("\n"))]
    Several {
        /// The folder.
        path: PathBuf,
        /// A line for each run.
        runs: Vec<String>,
    },
    /// No snapshot to restore.
    #[error("{path}: found no snapshot{}, must hold one: run with --snapshot-interval", .refused.as_ref().map(|r| format!(" that is whole ({r})")).unwrap_or_default())]
    None {
        /// The folder.
        path: PathBuf,
        /// What was wrong with the last one.
        refused: Option<String>,
    },
}

impl SnapshotError {
    fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::Io { path: path.into(), message: error.to_string() }
    }
}
