//! Tables: a kind's table has its columns and rows, and is cut into blocks.

use std::any::TypeId;

use bevy_ecs::component::{Component, ComponentId};
use bevy_ecs::entity::Entity;
use bevy_ecs::storage::{Table, TableId};
use bevy_ecs::world::{World, WorldId};

use super::Block;
use crate::kind::{SpawnRows, row_overhead_bytes};
use crate::phase::Owner;

/// A column of a kind's table.
#[derive(Clone, Debug)]
pub struct Column {
    pub(crate) id: ComponentId,
    pub(crate) type_id: TypeId,
    pub(crate) name: &'static str,
    pub(crate) size: usize,
}

impl Column {
    /// The component's name, without its path.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Bytes of one value.
    pub fn size(&self) -> usize {
        self.size
    }
}

/// A table of bevy_ecs, in the world that it was made in: one of that number has other columns in another world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableOf {
    world: WorldId,
    id: TableId,
}

impl TableOf {
    pub fn new(world: &World, id: TableId) -> Self {
        Self { world: world.id(), id }
    }

    /// The table; none in another world.
    pub fn find(self, world: &World) -> Option<&Table> {
        world.storages().tables.get(self.id).filter(|_| world.id() == self.world)
    }
}

/// A kind's table, cut into blocks.
pub struct KindTable {
    pub(crate) name: String,
    pub(crate) recycled: bool,
    pub(crate) owner: Option<Owner>,
    pub(crate) columns: Vec<Column>,
    /// The entity of row 0, which never moves: names the table.
    pub(crate) first: Entity,
    pub(crate) table: TableOf,
    /// Rows of the table, free ones included.
    pub(crate) rows: u32,
    pub(crate) live: u64,
    pub(crate) blocks: Vec<Block>,
    pub(crate) spawn: SpawnRows,
    /// What tells the table apart from others with the same columns; empty for most kinds.
    pub(crate) markers: Vec<ComponentId>,
}

impl KindTable {
    /// The kind's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who registered it; none for a plain Bevy plugin's.
    pub fn owner(&self) -> Option<Owner> {
        self.owner
    }

    /// Whether rows are born and die.
    pub fn is_recycled(&self) -> bool {
        self.recycled
    }

    /// The columns, `StableId` and `Health` first.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Whether it has a component.
    pub fn has<T: Component>(&self) -> bool {
        self.columns.iter().any(|column| column.type_id == TypeId::of::<T>())
    }

    /// Bytes of all rows, free ones included, with what the world keeps for them beside: see
    /// [`KindSpec::row_overhead_bytes`](crate::kind::KindSpec::row_overhead_bytes).
    pub fn bytes(&self) -> u64 {
        self.bytes_of(self.rows)
    }

    /// Bytes of so many rows.
    pub(crate) fn bytes_of(&self, rows: u32) -> u64 {
        let row: usize = self.columns.iter().map(Column::size).sum();
        let row = row as f64 + row_overhead_bytes(self.columns.len() + usize::from(self.recycled));
        (row * f64::from(rows)) as u64
    }

    /// The blocks, in row order.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The rows that its blocks take; those behind are free.
    pub(crate) fn end(&self) -> u32 {
        self.blocks.last().map_or(0, |last| last.start + last.capacity)
    }

    /// Entities alive.
    pub fn live(&self) -> u64 {
        self.live
    }

    /// The block of a row of the table.
    pub(crate) fn block_of(&self, row: u32) -> usize {
        // Blocks of one group are of one size, and most kinds have one group: the first guess is mostly right.
        let guess = (row / self.blocks[0].capacity) as usize;
        match self.blocks.get(guess) {
            Some(block) if block.start <= row && row - block.start < block.capacity => guess,
            _ => self.blocks.partition_point(|block| block.start <= row) - 1,
        }
    }
}

impl std::fmt::Debug for KindTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "kind '{}': {} live of {} rows in {} blocks",
            self.name,
            self.live,
            self.rows,
            self.blocks.len()
        )
    }
}
