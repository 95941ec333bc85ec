//! Statistics: they hold what Measure knows of each block, and what the run counts as it goes.

use bevy_ecs::resource::Resource;
use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};

use crate::block::BlockId;
use crate::digest::Saved;

/// A block as last measured. All zeros before its first Measure.
#[derive(Pod, Zeroable, Clone, Copy, Default, PartialEq, Debug, Serialize, Deserialize)]
#[repr(C)]
pub struct BlockStats {
    /// Live entities.
    pub live: u32,
    /// Live entities that are active.
    pub active: u32,
    /// Mean value of the active entities; 0 without any.
    pub mean: f32,
    /// Standard deviation of their values.
    pub deviation: f32,
    /// Inactive share of the live entities, 0..=1.
    pub fault_ratio: f32,
    /// Smoothed fitness, 0..=1.
    pub fitness: f32,
    /// What a value must exceed to be sent, 0.1..=0.9: the guide's `umbral`.
    #[doc(alias = "umbral")]
    pub threshold: f32,
    /// 1 once the block has been measured.
    pub is_measured: u32,
}

/// Every block's statistics, by [`BlockId`].
#[derive(Resource, Default, Debug, Serialize, Deserialize)]
pub struct Stats {
    /// By block id; shorter than the list of blocks until the next Measure after a block was added.
    pub blocks: Vec<BlockStats>,
}

impl Stats {
    /// A block's statistics; all zeros before its first Measure.
    pub fn of(&self, id: BlockId) -> BlockStats {
        self.blocks.get(id.0 as usize).copied().unwrap_or_default()
    }

    /// Mean fitness over the live entities of measured blocks; none without any.
    pub fn fitness(&self) -> Option<f64> {
        let measured = self.blocks.iter().filter(|b| b.is_measured == 1);
        let (sum, live) = measured.fold((0.0, 0u64), |(sum, live), b| {
            (sum + f64::from(b.fitness) * f64::from(b.live), live + u64::from(b.live))
        });
        (live > 0).then(|| sum / live as f64)
    }
}

impl Saved for Stats {
    const NAME: &'static str = "stats";
}

/// What the run has counted since its first tick.
#[derive(Resource, Clone, Copy, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Totals {
    /// Live entities whose Process kernel ran, once a tick however many systems.
    pub entity_updates: u64,
    /// Entities that became inactive.
    pub faults: u64,
    /// Entities that were repaired: those that had failed, and those of flagged blocks that were renewed.
    pub repairs: u64,
    /// Messages taken from the input stream.
    pub messages: u64,
    /// Messages that could not be read or named no live entity.
    pub messages_refused: u64,
    /// Entries of the input stream that were gone before they could be read.
    pub messages_lost: u64,
    /// Mean fitness after the first Measure.
    pub fitness_start: Option<f64>,
    /// Mean fitness after the last Measure.
    pub fitness_end: Option<f64>,
}

impl Saved for Totals {
    const NAME: &'static str = "totals";
}
