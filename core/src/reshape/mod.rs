//! Reshape: blocks of a recycled kind are fused, split and grown, many at a time.
//!
//! A block that retires never comes back, nor does its id; entities keep theirs. The blocks of a kind stay in the order of their ids and follow
//! each other without gaps, so that a pass over them is as before: what is left behind is free at the table's end, and taken first when more
//! rows are needed. Rows move column by column, each on a thread of its own, in one order ([`moves`]).

mod error;
mod moves;

use std::collections::{BTreeMap, BTreeSet};

use bevy_ecs::world::World;

use crate::block::{Block, BlockId, Directory, KindId, KindTable, Population};
use crate::column::{Health, StableId};
use crate::config::BLOCK_ROWS_MAX;
use crate::raw;
use crate::rows::extend;
use crate::team;
use crate::turns::Turns;

pub use error::ReshapeError;

use moves::{Moves, Segment, merge};

/// A change of blocks. A block is in one change at a time. Rows are counted from the first of their block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The block `from` retires, and of both blocks these rows live on in `into`; all others die.
    Fuse {
        /// The block that stays.
        into: BlockId,
        /// Its rows that live on, ascending.
        kept: Vec<u32>,
        /// The block that retires: of the same kind.
        from: BlockId,
        /// Its rows that live on, ascending; with the others no more than `into` has room for.
        moved: Vec<u32>,
    },
    /// The second half of a block's rows becomes a block of its own, in the same group. Neither has room for more.
    Split(BlockId),
    /// A block gets new entities: copies of these rows of its own, one each, with ids of their own and in fresh health. It gets room for them.
    Grow {
        /// The block.
        block: BlockId,
        /// Whom each new entity is a copy of, in any order.
        parents: Vec<u32>,
    },
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reshaped {
    /// Blocks that have retired.
    pub retired: Vec<BlockId>,
    /// Blocks that were split, with the new ones.
    pub split: Vec<(BlockId, BlockId)>,
    /// Blocks that have grown, with the first of the new rows.
    pub grown: Vec<(BlockId, u32)>,
    /// Entities that have died.
    pub died: u64,
    /// Entities that were born.
    pub born: u64,
}

/// Changes blocks, all at once. Births and new blocks are numbered in the order of the blocks' ids, whatever the order of `changes`.
///
/// # Errors
/// See [`ReshapeError`]; nothing has changed then.
///
/// # Panics
/// If the world was not populated.
pub fn reshape(world: &mut World, changes: &[Change]) -> Result<Reshaped, ReshapeError> {
    world.resource_scope::<Population, _>(|world, mut population| {
        let by_kind = check(&population, changes)?;
        let plans: Vec<Plan> =
            by_kind.into_iter().map(|(kind, changes)| Plan::new(&population, kind, &changes)).collect();
        check_sizes(&population, &plans)?;
        let mut reshaped = Reshaped::default();
        for plan in plans {
            plan.carry_out(world, &mut population, &mut reshaped);
        }
        Ok(reshaped)
    })
}

/// Whether changes can be made; gives them by kind and block.
fn check<'c>(
    population: &Population,
    changes: &'c [Change],
) -> Result<BTreeMap<KindId, BTreeMap<BlockId, &'c Change>>, ReshapeError> {
    let mut by_kind: BTreeMap<KindId, BTreeMap<BlockId, &Change>> = BTreeMap::new();
    let (mut seen, mut retiring) = (BTreeSet::new(), BTreeMap::new());
    let name = |id: BlockId| population.block_name(id);
    let mut find = |id: BlockId| {
        let block = population.block(id).ok_or(ReshapeError::UnknownBlock(id.0))?;
        let kind = population.group(block.group).kind;
        let table = &population.kinds[usize::from(kind.0)];
        if !table.recycled {
            return Err(ReshapeError::FixedKind(table.name.clone()));
        }
        if seen.insert(id) { Ok((block, kind)) } else { Err(ReshapeError::Twice(name(id))) }
    };
    for change in changes {
        let (at, kind) = match change {
            Change::Fuse { into, kept, from, moved } => {
                let ((block, kind), (gone, other)) = (find(*into)?, find(*from)?);
                if kind != other {
                    return Err(ReshapeError::OtherKind { from: name(*from), into: name(*into) });
                }
                check_rows(block, kept, true, name)?;
                check_rows(gone, moved, true, name)?;
                check_count(block, kept.len() + moved.len(), block.capacity, name)?;
                let gone_of_group = retiring.entry(gone.group).or_insert(0);
                *gone_of_group += 1;
                if *gone_of_group == population.group(gone.group).blocks.len() {
                    return Err(ReshapeError::LastBlock(name(*from)));
                }
                (*into, kind)
            }
            Change::Split(id) => {
                let (block, kind) = find(*id)?;
                check_count(block, (block.live / 2) as usize, BLOCK_ROWS_MAX, name)?;
                (*id, kind)
            }
            Change::Grow { block: id, parents } => {
                let (block, kind) = find(*id)?;
                check_rows(block, parents, false, name)?;
                check_count(block, block.live as usize + parents.len(), BLOCK_ROWS_MAX, name)?;
                (*id, kind)
            }
        };
        by_kind.entry(kind).or_default().insert(at, change);
    }
    Ok(by_kind)
}

/// Whether these are live rows of a block, and in order where they must be.
fn check_rows(
    block: &Block,
    rows: &[u32],
    in_order: bool,
    name: impl Fn(BlockId) -> String,
) -> Result<(), ReshapeError> {
    let after = |at: usize| !in_order || at == 0 || rows[at - 1] < rows[at];
    match (0..rows.len()).find(|at| rows[*at] >= block.live || !after(*at)) {
        None => Ok(()),
        Some(at) => Err(ReshapeError::Row { block: name(block.id), row: rows[at], live: block.live }),
    }
}

fn check_count(
    block: &Block,
    rows: usize,
    allowed: u32,
    name: impl Fn(BlockId) -> String,
) -> Result<(), ReshapeError> {
    if (1..=allowed as usize).contains(&rows) {
        return Ok(());
    }
    Err(ReshapeError::Rows { block: name(block.id), rows: rows as u64, allowed })
}

/// Whether the tables can have the rows, and the run the memory.
fn check_sizes(population: &Population, plans: &[Plan]) -> Result<(), ReshapeError> {
    let (mut bytes, mut rows, mut blocks) = (0, 0, 0);
    for plan in plans {
        let table = &population.kinds[usize::from(plan.kind.0)];
        if plan.end >= u64::from(u32::MAX) {
            return Err(ReshapeError::TableFull(table.name.clone()));
        }
        let more = (plan.end as u32).saturating_sub(table.rows);
        bytes += table.bytes_of(more);
        rows += u64::from(more);
        blocks += plan.splits.len() as u64;
    }
    let (needed, limit) = (population.need_with(bytes, rows, blocks), population.bytes_max);
    match limit {
        Some(limit) if (rows > 0 || blocks > 0) && needed > limit => {
            let kind = plans
                .first()
                .map_or(String::new(), |plan| population.kinds[usize::from(plan.kind.0)].name.clone());
            let (needed, limit) = (needed.div_ceil(1_000_000), limit / 1_000_000);
            Err(ReshapeError::MemoryMax { kind, needed, limit })
        }
        _ => Ok(()),
    }
}

/// What is to become of a kind's table.
struct Plan {
    kind: KindId,
    /// Its blocks then, in the order of their ids; the new ones last, with ids still to be given.
    blocks: Vec<Block>,
    moves: Moves,
    /// The rows that die, where they are now.
    dead: Vec<u32>,
    retired: Vec<BlockId>,
    /// Blocks that take the rows of others.
    fused: BTreeSet<BlockId>,
    /// Blocks that are split, in the order of the new ones.
    splits: Vec<BlockId>,
    grown: Vec<(BlockId, u32)>,
    /// Rows that the blocks take together.
    end: u64,
}

impl Plan {
    fn new(population: &Population, kind: KindId, changes: &BTreeMap<BlockId, &Change>) -> Self {
        let table = &population.kinds[usize::from(kind.0)];
        let retiring: BTreeSet<BlockId> = changes
            .values()
            .filter_map(|change| if let Change::Fuse { from, .. } = change { Some(*from) } else { None })
            .collect();
        let mut plan = Self {
            kind,
            blocks: Vec::with_capacity(table.blocks.len()),
            moves: Moves::default(),
            dead: Vec::new(),
            retired: retiring.iter().copied().collect(),
            fused: BTreeSet::new(),
            splits: Vec::new(),
            grown: Vec::new(),
            end: 0,
        };
        let mut halves = Vec::new();
        for old in table.blocks.iter().filter(|block| !retiring.contains(&block.id)) {
            let mut block = *old;
            let mut stay = old.live;
            match changes.get(&old.id) {
                None => {}
                Some(Change::Fuse { kept, from, moved, .. }) => {
                    let gone = population.block(*from).expect("it was found when the change was checked");
                    block.live = plan.fuse(old, kept, gone, moved);
                    stay = block.live;
                }
                Some(Change::Split(_)) => {
                    stay = old.live.div_ceil(2);
                    (block.live, block.capacity) = (stay, stay);
                    halves.push((*old, stay));
                }
                Some(Change::Grow { parents, .. }) => {
                    block.live += parents.len() as u32;
                    block.capacity = block.capacity.max(block.live);
                }
            }
            plan.place(&mut block);
            plan.moves.shifts.push(Segment { from: old.start, to: block.start, rows: stay });
            if let Some(Change::Grow { parents, .. }) = changes.get(&old.id) {
                let births = parents.iter().zip(block.start + stay..);
                plan.moves.births.extend(births.map(|(parent, row)| (block.start + parent, row)));
                plan.grown.push((block.id, stay));
            }
            plan.blocks.push(block);
        }
        for (old, stay) in halves {
            let rows = old.live - stay;
            let mut block = Block { live: rows, capacity: rows, ..old };
            plan.place(&mut block);
            plan.moves.aside.push(Segment { from: old.start + stay, to: block.start, rows });
            plan.splits.push(old.id);
            plan.blocks.push(block);
        }
        plan
    }

    /// Gives a block the next rows.
    fn place(&mut self, block: &mut Block) {
        block.start = self.end as u32;
        self.end += u64::from(block.capacity);
    }

    fn fuse(&mut self, into: &Block, kept: &[u32], gone: &Block, moved: &[u32]) -> u32 {
        self.fused.insert(into.id);
        let of_table =
            |block: &Block, rows: &[u32]| rows.iter().map(|row| block.start + row).collect::<Vec<u32>>();
        let (kept, moved) = (of_table(into, kept), of_table(gone, moved));
        for (block, alive) in [(into, &kept), (gone, &moved)] {
            let rows = block.start..block.start + block.live;
            self.dead.extend(rows.filter(|row| alive.binary_search(row).is_err()));
        }
        merge(into.start, into.live, &kept, &moved, &mut self.moves.copies)
    }

    fn carry_out(mut self, world: &mut World, population: &mut Population, reshaped: &mut Reshaped) {
        self.number(population, reshaped);
        let table = &mut population.kinds[usize::from(self.kind.0)];
        let id_column = table.columns[0].clone();
        let ids: &[StableId] = bytemuck::cast_slice(raw::column_bytes(world, table.table, &id_column));
        let dead: Vec<StableId> = self.dead.iter().map(|row| ids[*row as usize]).collect();
        extend(world, table, self.end as u32);
        let columns: Vec<_> = table.columns.iter().filter(|column| column.size > 0).cloned().collect();
        let sizes = columns.iter().map(|column| column.size);
        team::for_each(
            raw::columns_bytes_mut(world, table.table, &columns).into_iter().zip(sizes),
            |(column, size)| {
                self.moves.run(column, size);
            },
        );
        let old = std::mem::replace(&mut table.blocks, self.blocks);
        table.live = table.blocks.iter().map(|block| u64::from(block.live)).sum();
        let mut directory = std::mem::take(&mut *world.resource_mut::<Directory>());
        let born = self.moves.births.iter().map(|(_, row)| *row);
        write_ids(world, table, born, &mut directory.next);
        let locations = &mut directory.kinds[usize::from(self.kind.0)];
        dead.iter().for_each(|id| locations.remove(*id));
        let ids: &[StableId] = bytemuck::cast_slice(raw::column_bytes(world, table.table, &id_column));
        let is_as_before = |block: &Block| {
            old.binary_search_by_key(&block.id, |old| old.id).is_ok_and(|at| old[at] == *block)
                && !self.fused.contains(&block.id)
        };
        for block in table.blocks.iter().filter(|block| !is_as_before(block)) {
            let rows = &ids[block.start as usize..(block.start + block.live) as usize];
            let mut row = block.start;
            for run in rows.chunk_by(|one, next| next.0 == one.0 + 1) {
                locations.set_run(run[0], row, run.len() as u32);
                row += run.len() as u32;
            }
        }
        *world.resource_mut::<Directory>() = directory;
        reshaped.died += dead.len() as u64;
        reshaped.born += self.moves.births.len() as u64;
        population.index(self.kind);
        let mut turns = world.resource_mut::<Turns>();
        let changed = reshaped
            .retired
            .iter()
            .chain(&self.fused)
            .chain(reshaped.split.iter().flat_map(|(old, new)| [old, new]));
        changed.chain(reshaped.grown.iter().map(|(block, _)| block)).for_each(|block| turns.restart(*block));
    }

    /// Gives the new blocks their ids and places in their groups.
    fn number(&mut self, population: &mut Population, reshaped: &mut Reshaped) {
        reshaped.retired.append(&mut self.retired);
        reshaped.grown.append(&mut self.grown);
        let first_new = self.blocks.len() - self.splits.len();
        for (block, of) in self.blocks[first_new..].iter_mut().zip(&self.splits) {
            let group = &mut population.groups[usize::from(block.group.0)];
            (block.id, block.index) = (BlockId(population.by_id.len() as u32), group.next_index);
            group.next_index += 1;
            population.by_id.push(None);
            reshaped.split.push((*of, block.id));
        }
    }
}

/// Gives the rows that are born ids and fresh health, from `next` on, and takes those of free rows away.
fn write_ids(world: &mut World, table: &KindTable, born: impl Iterator<Item = u32> + Clone, next: &mut u64) {
    let healths = raw::column_bytes_mut(world, table.table, &table.columns[1]);
    let healths: &mut [Health] = bytemuck::cast_slice_mut(healths);
    born.clone().for_each(|row| healths[row as usize] = Health::FRESH);
    let ids = raw::column_bytes_mut(world, table.table, &table.columns[0]);
    let ids: &mut [StableId] = bytemuck::cast_slice_mut(ids);
    for row in born {
        ids[row as usize] = StableId(*next);
        *next += 1;
    }
    for block in &table.blocks {
        ids[(block.start + block.live) as usize..(block.start + block.capacity) as usize]
            .fill(StableId::NONE);
    }
    ids[table.end() as usize..].fill(StableId::NONE);
}

#[cfg(test)]
mod tests;
