//! Renewal: which flagged blocks may be renewed, and when.
//!
//! Faults are facts, and repaired in their tick. A flag is an opinion, and an auditor may be wrong about every block in every tick: so a
//! block is renewed once in a `cooldown`, and all blocks together up to a share of the run's entities, `rate_max`, at least one block. The oldest
//! flag comes first, then the lower id; a block that has been renewed since its flag was raised is as old as its renewal. What is over
//! the limit waits. A block that is not measured, or whose statistics are no numbers, is not renewed.

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;
use corec_core::block::{Block, BlockId, Population};
use corec_core::column::{Signal, Trait};
use corec_core::digest::Saved;
use corec_core::flags::Flags;
use corec_core::section::GroupSettings;
use corec_core::stats::{BlockStats, Stats};
use corec_core::units::seconds_to_ticks;
use serde::{Deserialize, Serialize};

use crate::settings::{Repair, RepairPolicy};

/// The last renewal of each block that matters still.
#[derive(Resource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Renewals(BTreeMap<u32, Renewal>);

/// A block's renewal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Renewal {
    tick: u64,
    entities: u32,
}

impl Saved for Renewals {
    const NAME: &'static str = "renewals";
    const SINCE: u16 = 4;

    fn is_part(&self) -> bool {
        !self.0.is_empty()
    }
}

impl Renewals {
    /// The flagged blocks that are renewed in this tick, by id; counts them as renewed.
    pub fn admit(
        &mut self,
        flags: &Flags,
        population: &Population,
        stats: &Stats,
        settings: &GroupSettings<Repair>,
        tick_seconds: f64,
        tick: u64,
    ) -> Vec<BlockId> {
        if flags.is_empty() && self.0.is_empty() {
            return Vec::new();
        }
        let cooldown = |policy: &RepairPolicy| seconds_to_ticks(policy.cooldown, tick_seconds);
        let policy = |block: &Block| settings.of(block.group()).0.filter(|policy| policy.on_flag);
        let longest = settings.iter().filter_map(|repair| repair.0.as_ref()).map(cooldown).max().unwrap_or(0);
        self.0.retain(|block, last| last.tick + longest > tick || flags.of(BlockId(*block)).next().is_some());
        // Each with the tick of its oldest flag, and the last in which an auditor said so.
        let mut waiting: Vec<(u64, u64, &Block, RepairPolicy)> = Vec::new();
        for (id, _, flag) in flags.iter() {
            let Some((block, policy)) = population.block(id).and_then(|block| Some((block, policy(block)?)))
            else {
                continue;
            };
            match waiting.last_mut() {
                Some((since, said, last, _)) if last.id() == id => {
                    (*since, *said) = (flag.since.min(*since), flag.last.max(*said));
                }
                _ => waiting.push((flag.since, flag.last, block, policy)),
            }
        }
        waiting.retain_mut(|(since, said, block, policy)| {
            let last = self.0.get(&block.id().0);
            // After those that were flagged in the tick of its renewal.
            *since = last.map_or(*since, |last| (last.tick + 1).max(*since));
            // A flag that is older than the renewal says nothing of what came of it.
            let is_over = last.is_none_or(|last| last.tick + cooldown(policy) <= tick && last.tick < *said);
            is_over && can_be_judged(&stats.of(block.id())) && inherits(population, block)
        });
        waiting.sort_unstable_by_key(|(since, _, block, _)| (*since, block.id()));
        let (mut admitted, mut full) = (Vec::new(), Vec::new());
        for (.., block, policy) in waiting {
            // Who waits is not overtaken by a smaller one of its group.
            if full.contains(&block.group()) {
                continue;
            }
            let spent = self.0.values().filter(|last| last.tick + cooldown(&policy) > tick);
            let spent: u64 = spent.map(|last| u64::from(last.entities)).sum();
            // A share like 0.7 is a little less as an f32.
            let most = f64::from(policy.rate_max) * population.live() as f64 * (1.0 + 1e-6);
            if spent > 0 && (spent + u64::from(block.live())) as f64 > most {
                full.push(block.group());
                continue;
            }
            self.0.insert(block.id().0, Renewal { tick, entities: block.live() });
            admitted.push(block.id());
        }
        admitted.sort_unstable();
        admitted
    }
}

fn can_be_judged(stats: &BlockStats) -> bool {
    let numbers = [stats.mean, stats.deviation, stats.fault_ratio, stats.fitness];
    stats.is_measured == 1 && stats.live > 0 && numbers.iter().all(|number| number.is_finite())
}

/// Whether a block's entities have values and traits.
fn inherits(population: &Population, block: &Block) -> bool {
    let kind = &population.kinds()[usize::from(population.group(block.group()).kind().0)];
    kind.has::<Signal>() && kind.has::<Trait>()
}
