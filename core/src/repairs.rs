//! Repairs: they record what was done to which entities of a block, and why.

use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};

/// Why entities were repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepairCause {
    /// Too many of their block had failed.
    Faults,
    /// Their block's fitness was too low.
    Fitness,
    /// An auditor had flagged their block.
    Flag,
}

impl RepairCause {
    /// "faults", "fitness" or "flag".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Faults => "faults",
            Self::Fitness => "fitness",
            Self::Flag => "flag",
        }
    }
}

/// A repair of entities of one block in one tick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepairRecord {
    /// The tick.
    pub tick: u64,
    /// The block's id.
    pub block: u32,
    /// Why.
    pub cause: RepairCause,
    /// The entities, in row order.
    pub entities: Vec<RepairedEntity>,
}

/// An entity that was repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairedEntity {
    /// Who lives in the row from now on.
    pub entity: u64,
    /// Whom it replaces; none for one that keeps its id.
    pub replaced: Option<u64>,
    /// Whom it inherits from; none for a fresh one.
    pub parent: Option<u64>,
}

/// The repairs of the tick in hand, by block: whoever publishes takes them.
#[derive(Resource, Clone, Debug, Default)]
pub struct Repairs(pub Vec<RepairRecord>);
