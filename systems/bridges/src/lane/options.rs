//! Options of a lane: how much may wait, for how long, and what becomes of more; and its report, which says how it is with it.

use std::time::Duration;

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
    /// Items that may wait, at least 1.
    pub items_max: usize,
    /// What becomes of more.
    pub policy: Policy<T>,
    /// How long a full lane may hold a tick, and how long the far side may be away.
    pub patience: Duration,
}

/// What a lane has done so far, and how it is with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneReport {
    /// Items that wait, or are being sent.
    pub waiting: u64,
    /// Items that the far side has.
    pub sent: u64,
    /// Items that the policy has let go.
    pub dropped: u64,
    /// Why the far side can't be reached; none while it can.
    pub away: Option<String>,
    /// Why the lane can't go on; none while it can.
    pub failure: Option<String>,
}
