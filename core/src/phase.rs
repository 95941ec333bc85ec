//! Phases: ordered public system sets divide Bevy's `Update`, and each system has an owner.

use std::collections::{BTreeMap, BTreeSet};

use bevy_ecs::component::ComponentId;
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

/// Whose a system is, and how often it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owned {
    /// Who it belongs to.
    pub owner: Owner,
    /// Every how many ticks it runs, at least 1.
    pub interval_ticks: u64,
}

/// Whose the systems are that came with a plugin and are in no set of an [`Owner`], and whose the resources.
#[derive(Resource, Default)]
pub struct Owners {
    systems: Vec<(InternedScheduleLabel, BTreeMap<SystemKey, Owned>)>,
    resources: BTreeMap<ComponentId, Owner>,
}

impl Owners {
    /// Writes down whose systems these are, and every how many ticks they run.
    pub fn add_systems(&mut self, schedule: InternedScheduleLabel, systems: &[SystemKey], owned: Owned) {
        let at = self.systems.iter().position(|(label, _)| *label == schedule).unwrap_or_else(|| {
            self.systems.push((schedule, BTreeMap::new()));
            self.systems.len() - 1
        });
        self.systems[at].1.extend(systems.iter().map(|key| (*key, owned)));
    }

    /// The systems of a schedule, and whose they are.
    pub fn of_systems(&self, schedule: InternedScheduleLabel) -> impl Iterator<Item = (SystemKey, Owned)> {
        let of = self.systems.iter().filter(move |(label, _)| *label == schedule);
        of.flat_map(|(_, owned)| owned).map(|(key, owned)| (*key, *owned))
    }

    /// Every how many ticks systems run.
    pub(crate) fn intervals(&self) -> BTreeSet<u64> {
        self.systems.iter().flat_map(|(_, owned)| owned.values()).map(|owned| owned.interval_ticks).collect()
    }

    /// Writes down whose resources these are.
    pub fn add_resources(&mut self, resources: impl IntoIterator<Item = ComponentId>, owner: Owner) {
        self.resources.extend(resources.into_iter().map(|id| (id, owner)));
    }

    /// Whose a resource is; none for one that no plugin inserted while it was built.
    pub fn of_resource(&self, id: ComponentId) -> Option<Owner> {
        self.resources.get(&id).copied()
    }

    /// The resources of an owner.
    pub fn resources(&self, owner: Owner) -> impl Iterator<Item = ComponentId> {
        self.resources.iter().filter(move |(_, other)| **other == owner).map(|(id, _)| *id)
    }
}

/// Runs after [`Shutdown`]: the engine's bridges send what is left and close.
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Close;

/// Runs once when a run ends, however it ends: flush, save models, close connections. The guide's `detener`.
#[doc(alias = "detener")]
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Shutdown;
