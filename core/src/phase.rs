//! Phases: the ordered public system sets inside Bevy's `Update`, and who a system belongs to.

use bevy_ecs::schedule::{ScheduleLabel, SystemSet};

/// The parts of a tick, in this order. Outside effects happen in the first and the last only.
///
/// A system in `Update` that names no phase runs in [`Phase::Process`], after all others there.
#[derive(SystemSet, Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Phase {
    /// What waits outside comes in.
    Ingest,
    /// Entities behave.
    Process,
    /// Blocks are summed up.
    Measure,
    /// Outliers among blocks are found.
    Audit,
    /// What is broken is mended.
    Repair,
    /// States, alerts and metrics go out.
    Publish,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Self; 6] =
        [Self::Ingest, Self::Process, Self::Measure, Self::Audit, Self::Repair, Self::Publish];

    /// The phase's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Process => "process",
            Self::Measure => "measure",
            Self::Audit => "audit",
            Self::Repair => "repair",
            Self::Publish => "publish",
        }
    }
}

/// Who a system belongs to. Conflicts without a declared order are errors inside one owner; between owners the order
/// is fixed: built-ins, then plugins by name, then systems of plain Bevy plugins as they were added.
#[derive(SystemSet, Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Owner {
    /// The engine's own systems.
    BuiltIn,
    /// A CoreC plugin's.
    Plugin(&'static str),
}

/// Runs once when a run ends, however it ends: flush, save models, close connections. The guide's `detener`.
#[doc(alias = "detener")]
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Shutdown;
