//! Populating: lays a scenario's groups out in blocks and spawns their rows.
//!
//! Blocks and stable ids are numbered in the scenario's order; the rows of a kind are spawned in one batch, so that
//! its table is allocated once, without the slack of a growing vector.

mod error;
mod layout;

mod spawn;

mod restore;

use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;

use crate::block::{Directory, Group, KindId, Population};
use crate::config::Scenario;
use crate::guard::Guard;
use crate::kind::{KindSpec, Kinds, Recycled};
use crate::turns::Turns;

pub use error::{PopulateError, RestoreError};
pub(crate) use restore::populate_as;

use layout::{Layout, Planned};
use spawn::spawn_kind;

/// Entities kept free below all rows, for resources that come later. bevy_ecs keeps a resource under an entity, in an array
/// as long as that entity's index: above a million rows every one of them would cost 4 MB.
const LOW_ENTITIES: usize = 1024;

/// The kind a scenario's group names, and what else must hold before anything is allocated.
///
/// # Errors
/// See [`PopulateError`].
pub fn resolve<'k>(kinds: &'k Kinds, scenario: &Scenario) -> Result<Vec<&'k KindSpec>, PopulateError> {
    let mut resolved = Vec::with_capacity(scenario.blocks.len());
    for (index, group) in scenario.blocks.iter().enumerate() {
        let place = || match &group.place {
            Some((source, at)) => format!("{source}: {at}"),
            None => format!("blocks[{index}]."),
        };
        let Some(spec) = kinds.specs().iter().find(|spec| spec.name == group.kind) else {
            let mut known: Vec<&str> = kinds.specs().iter().map(KindSpec::name).collect();
            known.sort_unstable();
            return Err(PopulateError::UnknownKind {
                place: place(),
                kind: group.kind.clone(),
                known: known.join(", "),
            });
        };
        if group.entities == 0 && !spec.recycled {
            return Err(PopulateError::Empty { place: place(), kind: group.kind.clone() });
        }
        if let Some(bytes_max) = group.block_bytes_max
            && group.entities_per_block as u64 * spec.row_bytes() as u64 > bytes_max
        {
            let (rows, row_bytes) = (group.entities_per_block, spec.row_bytes());
            return Err(PopulateError::BlockTooLarge { place: place(), rows, row_bytes, bytes_max });
        }
        resolved.push(spec);
    }
    Ok(resolved)
}

/// Creates the blocks of `scenario` and spawns every row; leaves [`Population`] and [`Directory`] in the world.
///
/// # Errors
/// See [`PopulateError`]; nothing is spawned then.
pub fn populate(world: &mut World, scenario: &Scenario) -> Result<(), PopulateError> {
    lay_out(world, scenario, &Layout::of(scenario))
}

/// Spawns what a layout plans, kind by kind, and leaves in the world where it all is.
fn lay_out(world: &mut World, scenario: &Scenario, layout: &Layout) -> Result<(), PopulateError> {
    let mut kinds = world.remove_resource::<Kinds>().unwrap_or_default();
    if let Some(refused) = kinds.take_refusal() {
        return Err(refused.into());
    }
    resolve(&kinds, scenario)?;
    world.register_disabling_component::<Recycled>();
    world.init_resource::<Turns>();
    world.insert_resource(Guard::default());
    let low: Vec<Entity> = (0..LOW_ENTITIES).map(|_| world.spawn_empty().id()).collect();

    let (mut population, mut directory) =
        (Population::default(), Directory { next: layout.next_id, ..Directory::default() });
    for (at, spec) in kinds.specs().iter().enumerate() {
        let planned: Vec<&Planned> = layout.blocks.iter().filter(|b| b.group.kind == spec.name).collect();
        if planned.is_empty() {
            continue;
        }
        // bevy_ecs would put two kinds of the same components into one table, and a kind has one of its own.
        let needs_marker = kinds.specs()[..at].iter().any(|earlier| earlier.same_components(spec));
        let rows_min = layout.rows.iter().find(|(name, _)| *name == spec.name).map_or(0, |(_, rows)| *rows);
        let (table, locations) = spawn_kind(world, spec, needs_marker, &planned, rows_min)?;
        population.kinds.push(table);
        directory.kinds.push(locations);
    }
    index(&mut population, scenario, layout);
    // The last freed is the first reused.
    low.into_iter().rev().for_each(|entity| _ = world.despawn(entity));
    population.archetypes_known = world.archetypes().len();
    world.insert_resource(population);
    world.insert_resource(directory);
    Ok(())
}

/// Fills in where each block is by its id, and which blocks a group has: known once every kind has its table.
fn index(population: &mut Population, scenario: &Scenario, layout: &Layout) {
    population.by_id = vec![None; layout.block_count as usize];
    population.groups = scenario
        .blocks
        .iter()
        .zip(&layout.next_indices)
        .map(|(settings, next_index)| {
            let kind = population.kinds.iter().position(|k| k.name == settings.kind);
            Group {
                name: settings.id.as_str().into(),
                settings: settings.clone(),
                kind: KindId(kind.expect("every group's kind was resolved, and has a block") as u16),
                blocks: Vec::new(),
                open: 0,
                next_index: *next_index,
            }
        })
        .collect();
    (0..population.kinds.len()).for_each(|kind| population.index(KindId(kind as u16)));
}
