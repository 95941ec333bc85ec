//! The view: tells a system which block its rows are of, and of which group.

use crate::block::{Block, BlockId, Group, GroupId};

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
