//! Isolation: tells whether a system can write what others read.
//!
//! A plugin's own are the kinds that it registered and the resources that it inserted while it was built. A system that
//! writes nothing else may stop without the run: nothing of anyone else's is left half-written or missing.

use bevy_ecs::component::{ComponentId, IS_RESOURCE};
use bevy_ecs::query::FilteredAccess;
use bevy_ecs::system::SystemAccess;
use bevy_ecs::world::World;

use crate::block::{KindTable, Population};
use crate::phase::{Owner, Owners};

/// Whether a system with `access` can write rows of a kind or a resource that is not its plugin's. One that belongs to
/// no plugin has nothing of its own. What it queues as commands is not counted: that is applied wholly or not at all.
pub(super) fn can_write_others(world: &World, access: &SystemAccess, owner: Option<Owner>) -> bool {
    match (access, owner) {
        (SystemAccess::None, _) => false,
        (SystemAccess::Exclusive, _) => true,
        (SystemAccess::Shared(access), Some(Owner::Plugin(plugin))) => {
            access.filtered_accesses().iter().any(|query| query_can_write_others(world, query, plugin))
        }
        (SystemAccess::Shared(access), _) => access.combined_access().has_any_write(),
    }
}

fn query_can_write_others(world: &World, query: &FilteredAccess, plugin: &'static str) -> bool {
    let Some(writes) = query.access().writes().as_finite_set() else { return true };
    let is_resource = query.with_filters().any(|id| id == IS_RESOURCE);
    writes
        .iter()
        .any(|id| if is_resource { !owns(world, id, plugin) } else { meets(world, query, id, plugin) })
}

fn owns(world: &World, resource: ComponentId, plugin: &'static str) -> bool {
    let owners = world.get_resource::<Owners>();
    owners.and_then(|owners| owners.of_resource(resource)) == Some(Owner::Plugin(plugin))
}

/// Whether `query` finds rows with the column `id` of a kind that is not the plugin's.
fn meets(world: &World, query: &FilteredAccess, id: ComponentId, plugin: &'static str) -> bool {
    let has = |kind: &KindTable, id| kind.columns().iter().any(|column| column.id == id);
    let kinds = world.get_resource::<Population>().map_or(&[][..], Population::kinds);
    kinds.iter().any(|kind| {
        kind.owner() != Some(Owner::Plugin(plugin))
            && has(kind, id)
            && query.required().iter().all(|required| has(kind, required))
    })
}
