//! Options of a lane: how much may wait, for how long, and what becomes of more; and its report, which says how it is with it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use corec_core::units::{RunId, counted};
use serde::Serialize;

/// What becomes of an item that a full lane has no room for.
#[derive(Debug)]
pub enum Policy<T> {
    /// The tick waits, for the lane's patience at most; then the lane has failed. The only one that promises no loss.
    Block,
    /// It takes the place of the oldest item of the same key; where there is none, the oldest item goes.
    Coalesce(fn(&T) -> u64),
    /// It is let go, and counted.
    Drop,
}

/// How a lane is.
#[derive(Debug)]
pub struct LaneOptions<T> {
    /// What the far side is, for people and for the thread's name: "store".
    pub name: &'static str,
    /// Items that may wait in memory, at least 1.
    pub items_max: usize,
    /// Bytes that may wait in memory; a single item may have more.
    pub bytes_max: usize,
    /// What becomes of more, where there is no spool or no room left in it.
    pub policy: Policy<T>,
    /// How long a full lane may hold a tick; without a spool, also how long the far side may be away.
    pub patience: Duration,
    /// Where items wait on disk while the far side is away. Only a lane with a thread may have one.
    pub spool: Option<SpoolOptions>,
}

/// Where items wait on disk.
#[derive(Clone, Debug)]
pub struct SpoolOptions {
    /// The lane's own folder. It is made when something is to be kept in it, and removed when all of it has been sent.
    pub folder: PathBuf,
    /// Bytes that may be in it.
    pub bytes_max: u64,
    /// Whose items they are: a folder with those of another run is refused.
    pub run: RunId,
}

/// What a lane has done so far, and how it is with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LaneReport {
    /// Items that wait in memory, or are being sent from there.
    pub waiting: u64,
    /// Items that the far side has.
    pub sent: u64,
    /// Items that the policy has let go.
    pub dropped: u64,
    /// Why the far side can't be reached; none while it can.
    pub away: Option<String>,
    /// Why the lane can't go on; none while it can.
    pub failure: Option<String>,
    /// How often the far side could not be reached, the present outage included.
    pub outages: u64,
    /// For how long together.
    pub away_seconds: f64,
    /// Items that wait on disk.
    pub spooled: u64,
    /// Bytes that they take there.
    pub spool_bytes: u64,
    /// Items that this process has put on disk so far.
    pub spooled_total: u64,
    /// Items on disk that could not be read again.
    pub spool_lost: u64,
    /// Why the spool can't be written; none while it can.
    pub spool_failure: Option<String>,
}

/// What a lane that was closed has left on disk, for a process that goes on with the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOnDisk {
    /// How many items.
    pub items: u64,
    /// Where.
    pub folder: PathBuf,
}

impl fmt::Display for LeftOnDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (items, folder) = (counted(self.items, "item"), self.folder.display());
        write!(f, "{items} could not be sent, kept in {folder}")
    }
}
