//! Spawning: the rows of a kind, all in one batch, and where each of them is then.

use bevy_ecs::component::ComponentId;
use bevy_ecs::world::World;

use super::error::PopulateError;
use super::layout::{Ids, Planned};
use crate::block::{Block, Column, KindTable, TableOf};
use crate::column::{Health, StableId};
use crate::guard::as_engine;
use crate::kind::{KindSpec, Recycled};
use crate::location::Locations;
use crate::raw;

/// Spawns the blocks of a kind into a table of their own, of at least `rows_min` rows; `needs_marker` if a kind before it has the same
/// components.
pub(super) fn spawn_kind(
    world: &mut World,
    spec: &KindSpec,
    needs_marker: bool,
    planned: &[&Planned],
    rows_min: u32,
) -> Result<(KindTable, Locations), PopulateError> {
    let (blocks, rows) = place(spec, planned)?;
    let rows = rows.max(rows_min);
    let columns: Vec<Column> = spec
        .columns
        .iter()
        .map(|c| Column { id: (c.register)(world), type_id: c.type_id, name: c.name, size: c.size })
        .collect();
    let markers = if needs_marker { register_markers(world, spec) } else { Vec::new() };
    // Rows are asked for from the first to the last: the block that was found for one is that of the next, or before it.
    let mut at = 0;
    let mut head = |row: u32| {
        while blocks.get(at).is_some_and(|block| row >= block.start + block.capacity) {
            at += 1;
        }
        match blocks.get(at) {
            Some(block) if row - block.start < block.live => {
                (planned[at].ids.at(row - block.start), Health::FRESH)
            }
            _ => (StableId::NONE, Health::default()),
        }
    };
    let first = as_engine(|| match &markers[..] {
        [] => (spec.spawn)(world, rows, &mut head),
        markers => raw::spawn_marked(world, &columns, markers, rows, &mut head),
    });
    let first = first.expect("a planned kind has rows");
    let location = world.entity(first).location();
    let archetype = world.archetypes().get(location.archetype_id).expect("a living entity has an archetype");
    // A component that requires another has brought a column along that the engine would neither digest nor save.
    if archetype.component_count() != columns.len() + usize::from(spec.recycled) + usize::from(needs_marker) {
        return Err(PopulateError::RequiredComponents(spec.name.clone()));
    }
    let locations = locate(&blocks, planned);
    let table = KindTable {
        name: spec.name.clone(),
        recycled: spec.recycled,
        owner: spec.owner,
        columns,
        first,
        table: TableOf::new(world, location.table_id),
        rows,
        live: planned.iter().map(|p| u64::from(p.live)).sum(),
        blocks,
        spawn: spec.spawn,
        markers,
    };
    Ok((table, locations))
}

/// Gives the blocks their rows in the table, one block after the other; and how many rows that makes.
fn place(spec: &KindSpec, planned: &[&Planned]) -> Result<(Vec<Block>, u32), PopulateError> {
    let mut blocks = Vec::with_capacity(planned.len());
    let mut rows = 0u64;
    for p in planned {
        // A fixed kind's blocks are full; a recycled kind's have room for the whole block.
        let capacity = if spec.recycled { p.capacity } else { p.live };
        let start = rows as u32;
        rows += u64::from(capacity);
        if rows >= u64::from(u32::MAX) {
            return Err(PopulateError::TooManyRows { kind: spec.name.clone(), rows });
        }
        blocks.push(Block { id: p.id, group: p.group_id, index: p.index, start, capacity, live: p.live });
    }
    Ok((blocks, rows as u32))
}

/// The components that keep a kind apart from an earlier one of the same columns: those that its own spawning would add, and one
/// that nothing else has.
fn register_markers(world: &mut World, spec: &KindSpec) -> Vec<ComponentId> {
    let recycled = spec.recycled.then(|| world.register_component::<Recycled>());
    let own = raw::register_marker(world, format!("kind {}", spec.name));
    recycled.into_iter().chain([own]).collect()
}

/// Where each entity is, by its stable id.
fn locate(blocks: &[Block], planned: &[&Planned]) -> Locations {
    let mut locations = Locations::default();
    for (block, planned) in blocks.iter().zip(planned) {
        match planned.ids {
            Ids::From(first) => locations.set_run(StableId(first), block.start, block.live),
            Ids::These(_) => {
                (0..block.live).for_each(|row| locations.set(planned.ids.at(row), block.start + row));
            }
        }
    }
    locations
}
