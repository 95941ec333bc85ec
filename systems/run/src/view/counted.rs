//! Counted: what a run had counted when a process began to go on with it.

use bevy_ecs::world::World;
use corec_core::alert::Alerts;
use corec_core::block::Population;
use corec_core::journal::Journal;
use corec_core::stats::Totals;
use corec_core::units::Tick;

/// What a run has counted since its first tick, whoever ran it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counted {
    /// Finished ticks.
    pub ticks: u64,
    /// What the engine counts.
    pub totals: Totals,
    /// Births that `memory_max` refused.
    pub births_refused: u64,
    /// Alerts that were raised.
    pub alerts: u64,
    /// Records of the journal.
    pub journal_records: u64,
}

impl Counted {
    /// As a world has it now.
    pub(crate) fn of(world: &World) -> Self {
        Self {
            ticks: world.resource::<Tick>().0,
            totals: *world.resource::<Totals>(),
            births_refused: world.resource::<Population>().births_refused(),
            alerts: world.resource::<Alerts>().raised(),
            journal_records: world.resource::<Journal>().sequence(),
        }
    }
}
