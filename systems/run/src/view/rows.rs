//! Rows of a block, for who looks closer.

use bevy_ecs::world::World;
use corec_core::block::{BlockId, Population};
use corec_core::column::{Health, Signal, StableId, Trait};
use corec_core::look::column;

/// Blocks whose rows are in a picture at most.
pub const ROWS_OF_MAX: usize = 16;

/// The live rows of a block, column by column in row order. Columns that its kind has not are empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BlockRows {
    /// Finished ticks when they were read.
    pub tick: u64,
    /// Ids.
    pub ids: Vec<StableId>,
    /// Values.
    pub signals: Vec<Signal>,
    /// Whether they work, and how often they failed.
    pub healths: Vec<Health>,
    /// What they inherit.
    pub traits: Vec<Trait>,
}

impl BlockRows {
    /// Reads them; none where there is no such block.
    pub(crate) fn of(world: &World, block: BlockId, tick: u64) -> Option<Self> {
        world.get_resource::<Population>()?.block(block)?;
        Some(Self {
            tick,
            ids: column(world, block).unwrap_or_default().to_vec(),
            signals: column(world, block).unwrap_or_default().to_vec(),
            healths: column(world, block).unwrap_or_default().to_vec(),
            traits: column(world, block).unwrap_or_default().to_vec(),
        })
    }
}
