//! Schedules: each is built on the executor, and refused or warned of where its systems could not run as they are meant to.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bevy_ecs::schedule::{Schedule, Schedules};
use bevy_ecs::system::{System, SystemAccess};
use bevy_ecs::world::World;

use super::error::SimulationError;
use crate::block::{KindTable, Population};
use crate::blocks::panic_message;
use crate::executor::{self, Reports};
use crate::kind::Recycled;

/// Builds every schedule on the executor; a schedule that can't be built is an error, never a panic.
pub(super) fn build_schedules(world: &mut World, reports: &Reports) -> Result<(), SimulationError> {
    let mut labels: Vec<_> =
        world.resource::<Schedules>().iter().map(|(_, schedule)| schedule.label()).collect();
    labels.sort_by_key(|label| format!("{label:?}"));
    for label in labels {
        let Some(mut schedule) = world.resource_mut::<Schedules>().remove(label) else { continue };
        executor::install(&mut schedule, reports);
        // bevy_ecs panics on a system whose own parameters conflict.
        let built = catch_unwind(AssertUnwindSafe(|| {
            schedule.initialize(world).map(drop).map_err(|error| error.to_string(schedule.graph(), world))
        }));
        let result = built.unwrap_or_else(|payload| Err(panic_message(&*payload)));
        let result =
            result.map_err(|message| SimulationError::Schedule { schedule: format!("{label:?}"), message });
        warn_of_unseen_kinds(world, &schedule);
        world.resource_mut::<Schedules>().insert(schedule);
        result?;
    }
    if let Some(system) = reports.tick_writers().into_iter().next() {
        return Err(SimulationError::WritesTick(system));
    }
    let (errors, warnings): (Vec<_>, Vec<_>) = reports.ambiguities().into_iter().partition(|a| a.is_error);
    if let Some(first) = warnings.first() {
        let more = warnings.len() - 1;
        tracing::warn!(more, "systems of plain Bevy plugins run in the order they were added: {first}");
    }
    if errors.is_empty() { Ok(()) } else { Err(SimulationError::Ambiguous(errors)) }
}

/// Warns of plain queries that would find rows of a recycled kind, were those not hidden from them.
fn warn_of_unseen_kinds(world: &World, schedule: &Schedule) {
    let (Some(recycled), Ok(systems)) = (world.component_id::<Recycled>(), schedule.systems_with_access())
    else {
        return;
    };
    for (_, system) in systems {
        let SystemAccess::Shared(access) = system.access() else { continue };
        for query in access.filtered_accesses() {
            let hides = query.without_filters().any(|id| id == recycled);
            let is_met = |kind: &KindTable| {
                let mut wanted = query.required().iter().peekable();
                wanted.peek().is_some()
                    && wanted.all(|id| kind.columns().iter().any(|column| column.id == id))
            };
            let unseen =
                world.resource::<Population>().kinds().iter().find(|kind| kind.is_recycled() && is_met(kind));
            if let (true, Some(kind)) = (hides, unseen) {
                let (system, kind) = (system.name(), kind.name());
                tracing::warn!(
                    "system '{system}' has a Query that sees nothing of the recycled kind '{kind}': use Blocks"
                );
            }
        }
    }
}
