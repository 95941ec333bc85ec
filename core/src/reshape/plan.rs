//! The plan: what is to become of a kind's table, and how it is carried out.

use std::collections::{BTreeMap, BTreeSet};

use bevy_ecs::world::World;

use super::moves::{Moves, Segment, merge};
use super::{Change, Reshaped};
use crate::block::{Block, BlockId, Directory, KindId, KindTable, Population};
use crate::column::{Health, StableId};
use crate::raw;
use crate::rows::extend;
use crate::team;
use crate::turns::Turns;

/// What is to become of a kind's table.
pub(super) struct Plan {
    pub kind: KindId,
    /// Its blocks then, in the order of their ids; the new ones last, with ids still to be given.
    blocks: Vec<Block>,
    moves: Moves,
    /// The rows that die, where they are now.
    dead: Vec<u32>,
    retired: Vec<BlockId>,
    /// Blocks that take the rows of others.
    fused: BTreeSet<BlockId>,
    /// Blocks that are split, in the order of the new ones.
    pub splits: Vec<BlockId>,
    grown: Vec<(BlockId, u32)>,
    /// Rows that the blocks take together.
    pub end: u64,
}

impl Plan {
    pub fn new(population: &Population, kind: KindId, changes: &BTreeMap<BlockId, &Change>) -> Self {
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

    /// The blocks that retire.
    pub fn retired(&self) -> impl Iterator<Item = BlockId> {
        self.retired.iter().copied()
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

    pub fn carry_out(mut self, world: &mut World, population: &mut Population, reshaped: &mut Reshaped) {
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
        reshaped.fused.extend(&self.fused);
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
