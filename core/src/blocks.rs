//! `Blocks`: a system's view of the rows, as slices of columns, block by block.
//!
//! Live rows only, in block order, of every kind that has the columns asked for. No unsafe and no allocation: whole
//! columns are cut at block boundaries, into what one thread takes at a time. Change ticks are left
//! alone, so `Changed<T>` does not see what is written through `Blocks`.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;

use bevy_ecs::change_detection::ContiguousMut;
use bevy_ecs::component::{Component, Mutable};
use bevy_ecs::entity::Entity;
use bevy_ecs::prelude::{Has, Query, Res};
use bevy_ecs::query::{ArchetypeFilter, ContiguousQueryData};
use bevy_ecs::system::SystemParam;

use crate::block::{Block, BlockId, Group, GroupId, KindTable, Population};
use crate::interval::Interval;
use crate::kind::Recycled;
use crate::team;
use crate::trace::{Trace, What};
use crate::turns::Turns;
use crate::units::Tick;

/// A column, or a tuple of up to eight, that can be cut between two rows.
pub trait Columns: ContiguousQueryData {
    /// The column as a slice, or the tuple of slices.
    type Slices<'w>: Send;

    /// All rows of a table.
    fn slices<'w>(whole: Self::Contiguous<'w, '_>) -> Self::Slices<'w>;

    /// The rows before `at`, and the rest.
    fn cut<'w>(slices: Self::Slices<'w>, at: usize) -> (Self::Slices<'w>, Self::Slices<'w>);
}

impl<T: Component> Columns for &T {
    type Slices<'w> = &'w [T];

    fn slices<'w>(whole: Self::Contiguous<'w, '_>) -> Self::Slices<'w> {
        whole
    }

    fn cut<'w>(slices: Self::Slices<'w>, at: usize) -> (Self::Slices<'w>, Self::Slices<'w>) {
        slices.split_at(at)
    }
}

impl<T: Component<Mutability = Mutable>> Columns for &mut T {
    type Slices<'w> = &'w mut [T];

    fn slices<'w>(whole: Self::Contiguous<'w, '_>) -> Self::Slices<'w> {
        ContiguousMut::bypass_change_detection_split(whole).0
    }

    fn cut<'w>(slices: Self::Slices<'w>, at: usize) -> (Self::Slices<'w>, Self::Slices<'w>) {
        slices.split_at_mut(at)
    }
}

/// A column that only some of the kinds have.
impl<D: Columns> Columns for Option<D> {
    type Slices<'w> = Option<D::Slices<'w>>;

    fn slices<'w>(whole: Self::Contiguous<'w, '_>) -> Self::Slices<'w> {
        whole.map(D::slices)
    }

    fn cut<'w>(slices: Self::Slices<'w>, at: usize) -> (Self::Slices<'w>, Self::Slices<'w>) {
        slices.map(|slices| D::cut(slices, at)).unzip()
    }
}

macro_rules! tuple_of_columns {
    ($($column:ident $left:ident $right:ident),+) => {
        impl<$($column: Columns),+> Columns for ($($column,)+) {
            type Slices<'w> = ($($column::Slices<'w>,)+);

            #[expect(non_snake_case, reason = "one identifier names the type and its value")]
            fn slices<'w>(($($column,)+): Self::Contiguous<'w, '_>) -> Self::Slices<'w> {
                ($($column::slices($column),)+)
            }

            #[expect(non_snake_case, reason = "one identifier names the type and its value")]
            fn cut<'w>(($($column,)+): Self::Slices<'w>, at: usize) -> (Self::Slices<'w>, Self::Slices<'w>) {
                $(let ($left, $right) = $column::cut($column, at);)+
                (($($left,)+), ($($right,)+))
            }
        }
    };
}
tuple_of_columns!(A a0 a1);
tuple_of_columns!(A a0 a1, B b0 b1);
tuple_of_columns!(A a0 a1, B b0 b1, C c0 c1);
tuple_of_columns!(A a0 a1, B b0 b1, C c0 c1, D d0 d1);
tuple_of_columns!(A a0 a1, B b0 b1, C c0 c1, D d0 d1, E e0 e1);
tuple_of_columns!(A a0 a1, B b0 b1, C c0 c1, D d0 d1, E e0 e1, F f0 f1);
tuple_of_columns!(A a0 a1, B b0 b1, C c0 c1, D d0 d1, E e0 e1, F f0 f1, G g0 g1);
tuple_of_columns!(A a0 a1, B b0 b1, C c0 c1, D d0 d1, E e0 e1, F f0 f1, G g0 g1, H h0 h1);

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

/// A block, as a system meets it.
pub struct BlockView<'p> {
    /// The block.
    pub block: &'p Block,
    /// Its group.
    pub group: &'p Group,
    /// The first of the rows at hand, counted from the block's own first row.
    pub first_row: u32,
}

impl BlockView<'_> {
    /// The block's id.
    pub fn id(&self) -> BlockId {
        self.block.id()
    }

    /// The group's id.
    pub fn group_id(&self) -> GroupId {
        self.block.group()
    }
}

/// A panic in one block. The others have run; the lowest panicking block is reported, whatever the thread count.
#[derive(Debug)]
pub struct BlockPanic {
    /// The block's name.
    pub block: String,
    /// What the panic said.
    pub message: String,
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
        serial(self, Reach::Live, &mut f);
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

    /// Calls `f` for every block with live rows, in parallel, with the block's own item of `out` (by [`BlockId`]).
    ///
    /// # Panics
    /// As [`Blocks::par_for_each`]; if `out` has not one item for each block.
    pub fn par_fold_blocks<R: Send>(
        self,
        out: &mut [R],
        f: impl Fn(&mut R, &BlockView, D::Slices<'_>) + Sync,
    ) {
        parallel(self, Reach::Live, out, &f);
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
        serial(self.0, Reach::Due, &mut |_, slices| f(slices));
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
        parallel(self.0, Reach::Due, out, &f);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Reach {
    Live,
    Due,
}

/// Which rows of a block a pass is to meet.
struct RowSelection<'p> {
    population: &'p Population,
    turns: &'p Turns,
    reach: Reach,
    interval: u64,
    tick: u64,
}

impl RowSelection<'_> {
    /// The last ones first, then those in front.
    fn of(&self, block: &Block) -> [Range<u32>; 2] {
        match self.reach {
            Reach::Live => [0..block.live, 0..0],
            Reach::Due => self.turns.due(self.population, block, self.interval, self.tick / self.interval),
        }
    }
}

/// What a pass over blocks needs to know, whatever the columns.
struct Pass<'p> {
    rows: RowSelection<'p>,
    panic: Mutex<Option<(BlockId, Box<dyn Any + Send>)>>,
}

fn serial<D: Columns, F: ArchetypeFilter>(
    blocks: Blocks<'_, '_, D, F>,
    reach: Reach,
    f: &mut dyn FnMut(&BlockView, D::Slices<'_>),
) {
    let Blocks { query, population, tick, turns, interval, .. } = blocks;
    let rows =
        RowSelection { population: &population, turns: &turns, reach, interval: interval.0, tick: tick.0 };
    let mut kinds: Vec<_> = kinds_of::<D, F>(query, &population).collect();
    kinds.sort_by_key(|(kind, _)| *kind);
    for (kind, mut slices) in kinds {
        for block in &population.kinds[kind].blocks {
            let (own, rest) = D::cut(slices, block.capacity as usize);
            slices = rest;
            pieces::<D>(&rows, block, own, &mut *f);
        }
    }
}

fn parallel<D: Columns, F: ArchetypeFilter, R: Send>(
    blocks: Blocks<'_, '_, D, F>,
    reach: Reach,
    out: &mut [R],
    f: &(impl Fn(&mut R, &BlockView, D::Slices<'_>) + Sync),
) {
    let Blocks { query, population, tick, turns, trace, interval } = blocks;
    assert_eq!(out.len(), population.block_count(), "one item of `out` for each block");
    let rows =
        RowSelection { population: &population, turns: &turns, reach, interval: interval.0, tick: tick.0 };
    let pass = Pass { rows, panic: Mutex::new(None) };
    // What each block gives is in a place of its own: the order of kinds is no matter.
    for (kind, slices) in kinds_of::<D, F>(query, &population) {
        let table = &population.kinds[kind].blocks[..];
        // Kinds may have their blocks in any places of the list.
        let Some(first) = table.first() else { continue };
        let out = &mut out[first.id.0 as usize..];
        let leaves = Leaves::<D, R>::of(table, slices, out, team::threads());
        team::for_each(leaves, |leaf| {
            let what = || What::Blocks(leaf.blocks[0].id, leaf.blocks[leaf.blocks.len() - 1].id);
            match trace.as_deref() {
                None => run_leaf(&pass, leaf, f),
                Some(trace) => trace.span(what, || run_leaf(&pass, leaf, f)),
            }
        });
    }
    let panic = pass.panic.into_inner().expect("nothing panics while it holds the lock");
    if let Some((block, payload)) = panic {
        let message = panic_message(&*payload);
        resume_unwind(Box::new(BlockPanic { block: population.block_name(block), message }));
    }
}

/// Every kind that the query reaches, with its whole columns. In the order of a hash table, which changes with whatever else is in
/// the world.
fn kinds_of<'w, 'p, D: Columns, F: ArchetypeFilter>(
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

/// What one thread takes at a time: blocks that follow each other, their rows, and their items of the result.
struct Leaf<'p, 'w, 'o, D: Columns, R> {
    blocks: &'p [Block],
    slices: D::Slices<'w>,
    out: &'o mut [R],
}

/// The leaves of a kind, cut off the front one by one. By rows, so that uneven blocks balance: large ones first, then smaller ones,
/// so that all threads come to their end together.
struct Leaves<'p, 'w, 'o, D: Columns, R> {
    rest: Option<Leaf<'p, 'w, 'o, D, R>>,
    rows_left: u32,
    rows_min: u32,
    threads: u32,
}

impl<'p, 'w, 'o, D: Columns, R> Leaves<'p, 'w, 'o, D, R> {
    fn of(blocks: &'p [Block], slices: D::Slices<'w>, out: &'o mut [R], threads: usize) -> Self {
        let rows_left = blocks.last().map_or(0, |last| last.start + last.capacity - blocks[0].start);
        let threads = threads as u32;
        let rows_min = if threads == 1 { rows_left } else { rows_left / (128 * threads) };
        Self { rest: Some(Leaf { blocks, slices, out }), rows_left, rows_min, threads }
    }
}

impl<'p, 'w, 'o, D: Columns, R> Iterator for Leaves<'p, 'w, 'o, D, R> {
    type Item = Leaf<'p, 'w, 'o, D, R>;

    fn next(&mut self) -> Option<Self::Item> {
        let Leaf { blocks, slices, out } = self.rest.take()?;
        let wanted = (self.rows_left / (2 * self.threads)).max(self.rows_min);
        let start = blocks[0].start;
        let taken = blocks.partition_point(|block| block.start - start < wanted).max(1);
        if taken == blocks.len() {
            return Some(Leaf { blocks, slices, out });
        }
        let (first, rest) = blocks.split_at(taken);
        let rows = rest[0].start - start;
        let (slices, slices_after) = D::cut(slices, rows as usize);
        let (out, out_after) = out.split_at_mut((rest[0].id.0 - first[0].id.0) as usize);
        self.rows_left -= rows;
        self.rest = Some(Leaf { blocks: rest, slices: slices_after, out: out_after });
        Some(Leaf { blocks: first, slices, out })
    }
}

/// Runs blocks one by one; a panic in one spares the others.
fn run_leaf<D: Columns, R: Send>(
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

/// Calls `f` for the rows of one block that the pass reaches: in one piece, or in two where the window wraps.
#[inline]
fn pieces<'w, D: Columns>(
    selection: &RowSelection,
    block: &Block,
    own: D::Slices<'w>,
    f: &mut dyn FnMut(&BlockView, D::Slices<'w>),
) {
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

/// What a panic said, as well as its payload tells.
pub fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(panic) = payload.downcast_ref::<BlockPanic>() {
        format!("block {}: {}", panic.block, panic.message)
    } else if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_string()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".into()
    }
}

#[cfg(test)]
mod tests {
    use bevy_app::App;
    use bevy_ecs::system::RunSystemOnce;
    use bevy_ecs::world::World;

    use super::*;
    use crate::column::{Signal, StableId};
    use crate::config::{BlockGroup, Scenario};
    use crate::kind::{AddKind, Kind};
    use crate::populate::populate;

    fn world(load: f32) -> World {
        let mut app = App::new();
        app.add_kind(Kind::new("rock").with::<Signal>());
        app.add_kind(Kind::new("spark").with::<Signal>().recycled());
        let group = |id: &str, kind: &str, entities| BlockGroup {
            id: id.into(),
            kind: kind.into(),
            entities,
            entities_per_block: 7,
            load,
            ..Default::default()
        };
        // Blocks of the two kinds alternate in the list of ids.
        let blocks = vec![group("a", "rock", 40), group("b", "spark", 20), group("c", "rock", 3)];
        populate(app.world_mut(), &Scenario { blocks, ..Default::default() }).unwrap();
        app.insert_resource(Tick(3));
        std::mem::take(app.world_mut())
    }

    #[test]
    fn every_live_row_is_met_once_with_its_own_block() {
        let mut world = world(1.0);
        world
            .run_system_once(|blocks: Blocks<(&StableId, &mut Signal)>| {
                blocks.par_for_each_block(|view, (ids, signal)| {
                    assert_eq!(ids.len(), view.block.live() as usize);
                    signal.iter_mut().for_each(|s| s.value += 1.0 + view.id().0 as f32);
                });
            })
            .unwrap();
        world
            .run_system_once(|blocks: Blocks<(&StableId, &Signal)>| {
                let mut met = Vec::new();
                blocks.for_each_block(|view, (ids, signal)| {
                    assert!(signal.iter().all(|s| s.value == 1.0 + view.id().0 as f32));
                    met.extend(ids.iter().map(|id| id.0));
                });
                met.sort_unstable();
                assert_eq!(met, (0..63).collect::<Vec<_>>());
            })
            .unwrap();
    }

    #[test]
    fn kinds_come_in_their_order_whatever_else_is_in_the_world() {
        #[derive(bevy_ecs::resource::Resource)]
        struct Filler<const N: usize>;
        macro_rules! fillers {
            ($($n:literal)+) => { [$(|world: &mut World| world.insert_resource(Filler::<$n>)),+] };
        }
        let fillers = fillers!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
        for count in 0..=fillers.len() {
            let mut app = App::new();
            fillers[..count].iter().for_each(|fill| fill(app.world_mut()));
            let names = ["a", "b", "c", "d", "e"];
            for name in names {
                app.add_kind(Kind::new(name).with::<Signal>());
            }
            let group = |name: &str| BlockGroup {
                id: name.into(),
                kind: name.into(),
                entities: 3,
                ..Default::default()
            };
            let scenario = Scenario { blocks: names.map(group).into(), ..Default::default() };
            populate(app.world_mut(), &scenario).unwrap();
            app.insert_resource(Tick(0));
            let met = app.world_mut().run_system_once(|blocks: Blocks<&Signal>| {
                let mut met = Vec::new();
                blocks.for_each_block(|view, _| met.push(view.group.settings().id.clone()));
                met
            });
            assert_eq!(met.unwrap(), names, "{count} resources before");
        }
    }

    #[test]
    fn the_due_rows_are_the_window_and_nothing_else() {
        let mut world = world(0.5);
        for tick in 0..9 {
            world.insert_resource(Tick(tick));
            Turns::begin(&mut world, tick);
            let due = world.run_system_once(|blocks: Blocks<&StableId>| {
                let mut counts = vec![0u32; blocks.population().block_count()];
                let expected: Vec<u32> =
                    blocks.population().blocks().map(|block| (block.live / 2).max(1)).collect();
                blocks.due().par_fold_blocks(&mut counts, |count, _, ids| *count += ids.len() as u32);
                assert_eq!(counts, expected);
                counts.iter().sum::<u32>()
            });
            assert_eq!(due.unwrap(), 5 * 3 + 2 + 2 * 3 + 3 + 1);
        }
    }

    #[test]
    fn a_panic_in_a_block_lets_the_others_run_and_names_the_lowest() {
        for threads in [1, 2, 8] {
            let team = team::Team::new(threads).unwrap();
            let mut world = world(1.0);
            let panic = team
                .enter(|| {
                    catch_unwind(AssertUnwindSafe(|| {
                        world.run_system_once(|blocks: Blocks<&mut Signal>| {
                            blocks.par_for_each_block(|view, signal| {
                                signal.iter_mut().for_each(|s| s.value = 1.0);
                                assert!(![2, 4, 8].contains(&view.id().0), "bad block");
                            });
                        })
                    }))
                })
                .unwrap_err();
            assert_eq!(panic_message(&*panic), "block a/2: bad block", "{threads} threads");
            let sum = world.run_system_once(|blocks: Blocks<&Signal>| {
                blocks.reduce(0.0, |_, signal| signal.iter().map(|s| s.value).sum::<f32>(), |a, b| a + b)
            });
            assert_eq!(sum.unwrap(), 63.0, "{threads} threads");
        }
    }
}
