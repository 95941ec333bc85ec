//! Lanes: how it is with the ways to the bus and to the store.

use corec_run::view::View;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A lane.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LaneTold {
    /// `bus` or `store`.
    pub name: String,
    /// Where it goes, without a password.
    pub url: String,
    /// Why the far side can't be reached; null while it can.
    pub away: Option<String>,
    /// How often it could not be.
    pub outages: u64,
    /// For how long in all.
    pub away_seconds: f64,
    /// Items that the far side has.
    pub sent: u64,
    /// Items on their way.
    pub waiting: u64,
    /// Items that its policy has let go.
    pub dropped: u64,
    /// Items that were lost.
    pub lost: u64,
    /// Entries that have come and were not given to the run yet.
    pub lag: u64,
    /// Entries that were given and are not known to be in the journal.
    pub pending: u64,
    /// Items that wait on disk.
    pub spooled: u64,
    /// Bytes of the files that they wait in.
    pub spool_bytes: u64,
}

/// The bus's and the store's.
pub(crate) fn lanes(view: &View) -> [LaneTold; 2] {
    let (bus, store) = (&view.bus, &view.store);
    [
        LaneTold {
            name: "bus".into(),
            url: view.run.bus.clone(),
            away: bus.away.clone(),
            outages: bus.outages,
            away_seconds: bus.away_seconds,
            sent: bus.sent,
            waiting: bus.waiting,
            dropped: bus.dropped,
            lost: bus.lost,
            lag: bus.lag,
            pending: bus.pending,
            spooled: bus.spooled,
            spool_bytes: bus.spool_bytes,
        },
        LaneTold {
            name: "store".into(),
            url: view.run.store.clone(),
            away: store.away.clone(),
            outages: store.outages,
            away_seconds: store.away_seconds,
            sent: store.sent,
            waiting: store.waiting,
            dropped: store.dropped,
            lost: store.spool_lost,
            lag: 0,
            pending: 0,
            spooled: store.spooled,
            spool_bytes: store.spool_bytes,
        },
    ]
}
