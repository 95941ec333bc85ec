//! Look: reads a block's live rows between two ticks, for who watches a run.

use bevy_ecs::component::Component;
use bevy_ecs::world::World;
use bytemuck::Pod;

use crate::block::{BlockId, Population};
use crate::raw;

/// The values of column `T` in the live rows of a block; none where there is no such block, or its kind has no such column.
pub fn column<T: Component + Pod>(world: &World, block: BlockId) -> Option<&[T]> {
    let population = world.get_resource::<Population>()?;
    let block = population.block(block)?;
    let kind = &population.kinds()[usize::from(population.group(block.group()).kind().0)];
    let id = world.component_id::<T>()?;
    let column = kind.columns().iter().find(|column| column.id == id)?;
    let values: &[T] = bytemuck::cast_slice(raw::column_bytes(world, kind.table, column));
    values.get(block.start() as usize..)?.get(..block.live() as usize)
}
