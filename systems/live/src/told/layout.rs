//! Layout: which blocks a frame has, in its order.

use corec_run::view::View;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Blocks that a frame has at most: the first ones.
pub const BLOCKS_MAX: usize = 10_000;

/// A group of blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupOfBlocks {
    /// Its name.
    pub name: String,
    /// The kind of its entities.
    pub kind: String,
    /// Its blocks.
    pub blocks: usize,
}

/// Which blocks a frame has, in its order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayoutTold {
    /// A frame that says another one is of other blocks.
    pub version: u32,
    /// Blocks in all.
    pub total: usize,
    /// The groups, by their numbers.
    pub groups: Vec<GroupOfBlocks>,
    /// The blocks' ids; 10,000 at most.
    pub ids: Vec<u32>,
    /// The number of each one's group.
    pub group_of: Vec<u16>,
    /// The place of each in its group, which its name has.
    pub index_of: Vec<u32>,
}

impl LayoutTold {
    /// That of a picture.
    pub fn of(view: &View) -> Self {
        let layout = &view.layout;
        let mut counts = vec![0; layout.groups.len()];
        layout.blocks.iter().for_each(|(_, group, _)| counts[usize::from(group.0)] += 1);
        let groups = layout.groups.iter().zip(counts);
        let groups = groups.map(|((name, kind), blocks)| GroupOfBlocks {
            name: name.clone(),
            kind: kind.clone(),
            blocks,
        });
        let shown = &layout.blocks[..layout.blocks.len().min(BLOCKS_MAX)];
        Self {
            version: layout.version,
            total: layout.blocks.len(),
            groups: groups.collect(),
            ids: shown.iter().map(|(id, ..)| id.0).collect(),
            group_of: shown.iter().map(|(_, group, _)| group.0).collect(),
            index_of: shown.iter().map(|(.., index)| *index).collect(),
        }
    }
}
