//! Layout: the blocks of a population and the ids of their rows, before anything is spawned.

use crate::block::{BlockId, GroupId};
use crate::column::StableId;
use crate::config::{BlockGroup, Scenario};

/// A block before it has a place in a table.
pub(super) struct Planned<'s> {
    pub group: &'s BlockGroup,
    pub group_id: GroupId,
    pub id: BlockId,
    pub index: u32,
    pub capacity: u32,
    pub live: u32,
    pub ids: Ids<'s>,
}

/// The ids of a block's live rows.
pub(super) enum Ids<'s> {
    /// One after the other.
    From(u64),
    /// As a snapshot has them: eight bytes each.
    These(&'s [u8]),
}

impl Ids<'_> {
    /// The id of the live row `row` of its block.
    pub fn at(&self, row: u32) -> StableId {
        match self {
            Self::From(first) => StableId(first + u64::from(row)),
            Self::These(bytes) => StableId(bytemuck::pod_read_unaligned(&bytes[row as usize * 8..][..8])),
        }
    }
}

/// The blocks of a population, in the order of their ids.
#[derive(Default)]
pub(super) struct Layout<'s> {
    pub blocks: Vec<Planned<'s>>,
    /// The first stable id that no row has.
    pub next_id: u64,
    /// Blocks that the run has had, retired ones included.
    pub block_count: u32,
    /// By group, the place that its next block gets.
    pub next_indices: Vec<u32>,
    /// Rows that the table of a kind has at least, by the kind's name: behind its blocks they are free.
    pub rows: Vec<(&'s str, u32)>,
}

impl<'s> Layout<'s> {
    /// That of a new population: blocks and ids are numbered from 0, group by group.
    pub fn of(scenario: &'s Scenario) -> Self {
        let mut layout = Self::default();
        let groups = scenario.blocks.iter().enumerate();
        groups.for_each(|(place, group)| layout.add_group(GroupId(place as u16), group));
        layout.block_count = layout.blocks.len() as u32;
        layout
    }

    fn add_group(&mut self, group_id: GroupId, group: &'s BlockGroup) {
        let mut left = group.entities;
        let mut index = 0;
        // A group without entities has a block to be born in.
        while left > 0 || index == 0 {
            let live = left.min(u64::from(group.entities_per_block)) as u32;
            let id = BlockId(self.blocks.len() as u32);
            let (capacity, ids) = (group.entities_per_block, Ids::From(self.next_id));
            self.blocks.push(Planned { group, group_id, id, index, capacity, live, ids });
            self.next_id += u64::from(live);
            left -= u64::from(live);
            index += 1;
        }
        self.next_indices.push(index);
    }
}
