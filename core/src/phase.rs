//! Phases: the ordered public system sets inside Bevy's `Update`, and who a system belongs to.

use std::collections::BTreeMap;

use bevy_ecs::resource::Resource;
use bevy_ecs::schedule::{InternedScheduleLabel, ScheduleLabel, SystemKey, SystemSet};

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

/// Whose the systems are that came with a plugin and are in no set of an [`Owner`].
#[derive(Resource, Default)]
pub struct Owners(Vec<(InternedScheduleLabel, BTreeMap<SystemKey, Owner>)>);

impl Owners {
    /// Writes down whose systems these are.
    pub fn add(&mut self, schedule: InternedScheduleLabel, systems: &[SystemKey], owner: Owner) {
        let at = self.0.iter().position(|(label, _)| *label == schedule).unwrap_or_else(|| {
            self.0.push((schedule, BTreeMap::new()));
            self.0.len() - 1
        });
        self.0[at].1.extend(systems.iter().map(|key| (*key, owner)));
    }

    /// The systems of a schedule, and whose they are.
    pub fn of(&self, schedule: InternedScheduleLabel) -> impl Iterator<Item = (SystemKey, Owner)> {
        let of = self.0.iter().filter(move |(label, _)| *label == schedule);
        of.flat_map(|(_, owners)| owners).map(|(key, owner)| (*key, *owner))
    }
}

/// Runs once when a run ends, however it ends: flush, save models, close connections. The guide's `detener`.
#[doc(alias = "detener")]
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Shutdown;
