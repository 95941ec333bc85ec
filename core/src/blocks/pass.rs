//! A pass: goes over blocks, chooses which of their rows it meets, and calls a system's function for each block.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use bevy_ecs::entity::Entity;
use bevy_ecs::prelude::{Has, Query};
use bevy_ecs::query::ArchetypeFilter;

use super::columns::Columns;
use super::leaf::Leaf;
use super::view::BlockView;
use crate::block::{Block, BlockId, KindTable, Population};
use crate::kind::Recycled;
use crate::place;
use crate::turns::Turns;

/// Which rows of its blocks a pass meets.
#[derive(Clone, Copy)]
pub(super) enum RowSet {
    /// All that are live.
    Live,
    /// Those that are due in this tick.
    Due,
}

/// The rows of each block that a pass meets.
pub(super) struct RowSelection<'p> {
    pub population: &'p Population,
    pub turns: &'p Turns,
    pub row_set: RowSet,
    pub interval: u64,
    pub tick: u64,
}

impl RowSelection<'_> {
    /// The last ones first, then those in front.
    fn of(&self, block: &Block) -> [Range<u32>; 2] {
        match self.row_set {
            RowSet::Live => [0..block.live, 0..0],
            RowSet::Due => self.turns.due(self.population, block, self.interval, self.tick / self.interval),
        }
    }
}

/// What a pass over blocks needs to know, whatever the columns.
pub(super) struct Pass<'p> {
    pub rows: RowSelection<'p>,
    /// The lowest block that panicked, and what with.
    pub panic: Mutex<Option<(BlockId, Box<dyn Any + Send>)>>,
}

/// Every kind that the query finds, with its whole columns. In the order of a hash table, which changes with whatever else is in
/// the world.
pub(super) fn kinds_of<'w, 'p, D: Columns, F: ArchetypeFilter>(
    query: Query<'w, 'p, (Entity, Has<Recycled>, D), F>,
    population: &'p Population,
) -> impl Iterator<Item = (usize, D::Slices<'w>)> + use<'w, 'p, D, F> {
    let tables = query
        .contiguous_iter_inner()
        .expect("kinds have table components only, which is checked when registered");
    tables.filter_map(|(entities, _, columns)| {
        // Plain Bevy entities with the same components are in tables that no kind owns.
        let kind = population.kinds.iter().position(|kind| kind.first == entities[0])?;
        let KindTable { name, rows, .. } = &population.kinds[kind];
        assert_eq!(
            entities.len(),
            *rows as usize,
            "kind '{name}': a row was removed behind the engine's back"
        );
        Some((kind, D::slices(columns)))
    })
}

/// Runs blocks one by one; a panic in one spares the others.
pub(super) fn run_leaf<D: Columns, R: Send>(
    pass: &Pass,
    leaf: Leaf<'_, '_, '_, D, R>,
    f: &(impl Fn(&mut R, &BlockView, D::Slices<'_>) + Sync),
) {
    let Leaf { blocks, mut slices, out } = leaf;
    for block in blocks {
        let (rows, rest) = D::cut(slices, block.capacity as usize);
        slices = rest;
        let item = &mut out[(block.id.0 - blocks[0].id.0) as usize];
        let run = AssertUnwindSafe(|| {
            pieces::<D>(&pass.rows, block, rows, &mut |view, rows| f(item, view, rows));
        });
        if let Err(payload) = catch_unwind(run) {
            let mut lowest = pass.panic.lock().expect("nothing panics while it holds the lock");
            if lowest.as_ref().is_none_or(|(id, _)| block.id < *id) {
                *lowest = Some((block.id, payload));
            }
        }
    }
}

/// Calls `f` for the rows of one block that the pass meets: in one piece, or in two where the window wraps.
#[inline]
pub(super) fn pieces<'w, D: Columns>(
    selection: &RowSelection,
    block: &Block,
    own: D::Slices<'w>,
    f: &mut dyn FnMut(&BlockView, D::Slices<'w>),
) {
    place::at_block(block.id);
    let group = selection.population.group(block.group);
    let [back, front] = selection.of(block);
    let (before, from_back) = D::cut(own, back.start as usize);
    if !back.is_empty() {
        let rows = D::cut(from_back, back.len()).0;
        f(&BlockView { block, group, first_row: back.start }, rows);
    }
    if !front.is_empty() {
        f(&BlockView { block, group, first_row: 0 }, D::cut(before, front.len()).0);
    }
}
