//! Reshape: blocks of a recycled kind are fused, split and grown, many at a time.
//!
//! A block that retires never comes back, nor does its id; entities keep theirs. The blocks of a kind stay in the order of their ids and follow
//! each other without gaps, so that a pass over them is as before: what is left behind is free at the table's end, and taken first when more
//! rows are needed. Rows move column by column, each on a thread of its own, in one order (`moves`).

mod error;
mod moves;

mod plan;

use std::collections::{BTreeMap, BTreeSet};

use bevy_ecs::world::World;

use crate::block::{Block, BlockId, KindId, Population};
use crate::config::BLOCK_ROWS_MAX;

pub use error::ReshapeError;

use plan::Plan;

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
    /// Blocks that have taken in the rows of others.
    pub fused: Vec<BlockId>,
    /// Blocks that were split, with the new ones.
    pub split: Vec<(BlockId, BlockId)>,
    /// Blocks that have grown, with the first of the new rows.
    pub grown: Vec<(BlockId, u32)>,
    /// Entities that have died.
    pub died: u64,
    /// Entities that were born.
    pub born: u64,
}

/// Changes blocks, all at once. Births and new blocks are numbered kind by kind, in the order of the
/// blocks' ids, whatever the order of `changes`.
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
        let gone =
            plans.iter().flat_map(Plan::retired).filter_map(|id| population.block(id)).copied().collect();
        population.retired = gone;
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
    let (mut bytes, mut rows, mut blocks, mut growing) = (0, 0, 0, None);
    for plan in plans {
        let table = &population.kinds[usize::from(plan.kind.0)];
        if plan.end >= u64::from(u32::MAX) {
            return Err(ReshapeError::TableFull(table.name.clone()));
        }
        let more = (plan.end as u32).saturating_sub(table.rows);
        bytes += table.bytes_of(more);
        rows += u64::from(more);
        blocks += plan.splits.len() as u64;
        growing = growing.or((more > 0).then_some(&table.name));
    }
    let needed = population.need_with(bytes, rows, blocks);
    // New blocks of rows that are there take next to nothing.
    match growing.zip(population.bytes_max) {
        Some((kind, limit)) if needed > limit => {
            let (needed, limit) = (needed.div_ceil(1_000_000), limit / 1_000_000);
            Err(ReshapeError::MemoryMax { kind: kind.clone(), needed, limit })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
