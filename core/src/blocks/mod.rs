//! `Blocks`: gives a system the rows as slices of columns, block by block.
//!
//! It meets live rows only, in block order, of every kind that has the columns asked for. It needs no unsafe and no allocation: whole
//! columns are cut at block boundaries, into what one thread takes at a time. Change ticks are left
//! alone, so `Changed<T>` does not see what is written through `Blocks`.

mod columns;

mod leaf;
mod panic;
mod view;

mod pass;

use std::panic::resume_unwind;
use std::sync::Mutex;

use bevy_ecs::entity::Entity;
use bevy_ecs::prelude::{Has, Query, Res};
use bevy_ecs::query::ArchetypeFilter;
use bevy_ecs::system::SystemParam;

use crate::block::Population;
use crate::interval::Interval;
use crate::kind::Recycled;
use crate::place;
use crate::team;
use crate::trace::{SpanLabel, Trace};
use crate::turns::Turns;
use crate::units::Tick;

pub use columns::Columns;
pub use panic::{BlockPanic, panic_message};
pub use view::BlockView;

use leaf::Leaves;
use pass::{Pass, RowSelection, RowSet, kinds_of, pieces, run_leaf};

/// The live rows of every kind that has the columns `D` and passes `F`.
///
/// ```
/// use corec_core::{blocks::Blocks, column::{Signal, Trait}};
///
/// fn relax(blocks: Blocks<(&Trait, &mut Signal)>) {
///     blocks.due().par_for_each(|(inherited, signal)| relax_kernel(inherited, signal));
/// }
///
/// fn relax_kernel(inherited: &[Trait], signal: &mut [Signal]) {
///     for (inherited, signal) in inherited.iter().zip(signal) {
///         signal.value += inherited.gain * (inherited.target - signal.value);
///     }
/// }
/// # bevy_ecs::system::assert_is_system(relax);
/// ```
#[derive(SystemParam)]
pub struct Blocks<'w, 's, D: Columns + 'static, F: ArchetypeFilter + 'static = ()> {
    query: Query<'w, 's, (Entity, Has<Recycled>, D), F>,
    population: Res<'w, Population>,
    tick: Res<'w, Tick>,
    turns: Res<'w, Turns>,
    trace: Option<Res<'w, Trace>>,
    interval: Interval,
}

impl<'w, 's, D: Columns, F: ArchetypeFilter> Blocks<'w, 's, D, F> {
    /// Only the rows that are due in this tick: each block's share `load`, in turns. For a system with an `interval`, in turns
    /// of its own calls.
    ///
    /// A block whose window wraps is met twice: its last rows first.
    pub fn due(self) -> Due<'w, 's, D, F> {
        Due(self)
    }

    /// The same rows, without giving up `self`.
    pub fn reborrow(&mut self) -> Blocks<'_, 's, D, F> {
        Blocks {
            query: self.query.reborrow(),
            population: Res::clone(&self.population),
            tick: Res::clone(&self.tick),
            turns: Res::clone(&self.turns),
            trace: self.trace.as_ref().map(Res::clone),
            interval: self.interval,
        }
    }

    /// The kinds, groups and blocks.
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// Calls `f` for every block with live rows, in order, on this thread.
    pub fn for_each(self, mut f: impl FnMut(D::Slices<'_>)) {
        self.for_each_block(|_, slices| f(slices));
    }

    /// As [`Blocks::for_each`], with the block.
    pub fn for_each_block(self, mut f: impl FnMut(&BlockView, D::Slices<'_>)) {
        serial(self, RowSet::Live, &mut f);
    }

    /// Calls `f` for every block with live rows, in parallel.
    ///
    /// # Panics
    /// If `f` panics for a block: after all others have run, with a [`BlockPanic`] for the lowest.
    pub fn par_for_each(self, f: impl Fn(D::Slices<'_>) + Sync) {
        self.par_for_each_block(|_, slices| f(slices));
    }

    /// As [`Blocks::par_for_each`], with the block.
    ///
    /// # Panics
    /// As [`Blocks::par_for_each`].
    pub fn par_for_each_block(self, f: impl Fn(&BlockView, D::Slices<'_>) + Sync) {
        let mut nothing = vec![(); self.population.block_count()];
        self.par_fold_blocks(&mut nothing, |(), view, slices| f(view, slices));
    }

    /// Calls `f` for every block with live rows, in parallel, with the block's own item of `out` (by [`BlockId`](crate::block::BlockId)).
    ///
    /// # Panics
    /// As [`Blocks::par_for_each`]; if `out` has not one item for each block.
    pub fn par_fold_blocks<R: Send>(
        self,
        out: &mut [R],
        f: impl Fn(&mut R, &BlockView, D::Slices<'_>) + Sync,
    ) {
        parallel(self, RowSet::Live, out, &f);
    }

    /// Maps every block in parallel and folds the results in block order on this thread: the same bits at any
    /// thread count. Allocates one result for each block; a system that runs every tick keeps its own in a `Local` and
    /// uses [`Blocks::par_fold_blocks`].
    ///
    /// # Panics
    /// As [`Blocks::par_for_each`].
    pub fn reduce<R: Send, T>(
        self,
        init: T,
        map: impl Fn(&BlockView, D::Slices<'_>) -> R + Sync,
        fold: impl FnMut(T, R) -> T,
    ) -> T {
        let mut results: Vec<Option<R>> = Vec::new();
        results.resize_with(self.population.block_count(), || None);
        self.par_fold_blocks(&mut results, |result, view, slices| *result = Some(map(view, slices)));
        results.into_iter().flatten().fold(init, fold)
    }
}

/// The rows that are due in this tick.
pub struct Due<'w, 's, D: Columns + 'static, F: ArchetypeFilter + 'static = ()>(Blocks<'w, 's, D, F>);

impl<D: Columns, F: ArchetypeFilter> Due<'_, '_, D, F> {
    /// As [`Blocks::for_each`].
    pub fn for_each(self, mut f: impl FnMut(D::Slices<'_>)) {
        serial(self.0, RowSet::Due, &mut |_, slices| f(slices));
    }

    /// As [`Blocks::par_for_each`].
    ///
    /// # Panics
    /// As [`Blocks::par_for_each`].
    pub fn par_for_each(self, f: impl Fn(D::Slices<'_>) + Sync) {
        let mut nothing = vec![(); self.0.population.block_count()];
        self.par_fold_blocks(&mut nothing, |(), _, slices| f(slices));
    }

    /// As [`Blocks::par_fold_blocks`]. A block whose window wraps gets its item twice.
    ///
    /// # Panics
    /// As [`Blocks::par_fold_blocks`].
    pub fn par_fold_blocks<R: Send>(
        self,
        out: &mut [R],
        f: impl Fn(&mut R, &BlockView, D::Slices<'_>) + Sync,
    ) {
        parallel(self.0, RowSet::Due, out, &f);
    }
}

fn serial<D: Columns, F: ArchetypeFilter>(
    blocks: Blocks<'_, '_, D, F>,
    row_set: RowSet,
    f: &mut dyn FnMut(&BlockView, D::Slices<'_>),
) {
    let Blocks { query, population, tick, turns, interval, .. } = blocks;
    let rows =
        RowSelection { population: &population, turns: &turns, row_set, interval: interval.0, tick: tick.0 };
    let mut kinds: Vec<_> = kinds_of::<D, F>(query, &population).collect();
    kinds.sort_by_key(|(kind, _)| *kind);
    for (kind, mut slices) in kinds {
        place::at(place::here(), || {
            for block in &population.kinds[kind].blocks {
                let (own, rest) = D::cut(slices, block.capacity as usize);
                slices = rest;
                pieces::<D>(&rows, block, own, &mut *f);
            }
        });
    }
}

fn parallel<D: Columns, F: ArchetypeFilter, R: Send>(
    blocks: Blocks<'_, '_, D, F>,
    row_set: RowSet,
    out: &mut [R],
    f: &(impl Fn(&mut R, &BlockView, D::Slices<'_>) + Sync),
) {
    let Blocks { query, population, tick, turns, trace, interval } = blocks;
    assert_eq!(out.len(), population.block_count(), "one item of `out` for each block");
    let rows =
        RowSelection { population: &population, turns: &turns, row_set, interval: interval.0, tick: tick.0 };
    let (pass, place) = (Pass { rows, panic: Mutex::new(None) }, place::here());
    // What each block gives is in a place of its own: the order of kinds is no matter.
    for (kind, slices) in kinds_of::<D, F>(query, &population) {
        let table = &population.kinds[kind].blocks[..];
        // Kinds may have their blocks in any places of the list.
        let Some(first) = table.first() else { continue };
        let out = &mut out[first.id.0 as usize..];
        let leaves = Leaves::<D, R>::of(table, slices, out, team::threads());
        team::for_each(leaves, |leaf| {
            let label = || SpanLabel::Blocks(leaf.blocks[0].id, leaf.blocks[leaf.blocks.len() - 1].id);
            place::at(place, || match trace.as_deref() {
                None => run_leaf(&pass, leaf, f),
                Some(trace) => trace.span(label, || run_leaf(&pass, leaf, f)),
            });
        });
    }
    let panic = pass.panic.into_inner().expect("nothing panics while it holds the lock");
    if let Some((block, payload)) = panic {
        let message = panic_message(&*payload);
        resume_unwind(Box::new(BlockPanic { block: population.block_name(block), message }));
    }
}

#[cfg(test)]
mod tests;
