//! Audit: flags blocks that have become unlike themselves and their group.
//!
//! Runs in `Phase::Audit`, every `audit_interval`. Reads `Stats`; of rows only those of a flagged block, where its entities are asked for.
//! Writes [`Auditor`], `Flags`, `Alerts`. Blocks of kinds with `Signal` and `Trait` are audited, those with 32 live entities at least;
//! twins of a table have detectors of their own. It judges a block, and leaves what is to be done to [`repair`](crate::repair).
//!
//! Six features of each block (live, fitness, fault ratio, mean, deviation, change a tick) are made comparable (`standard`) and
//! ranked by an isolation forest (`opinion`). A block whose score is at `threshold` in `hold` audits in a row is flagged, until its score is
//! below `leave`.

mod memory;

mod standard;
mod why;

mod opinion;

mod entities;

use bevy_ecs::prelude::*;
use corec_core::alert::Alerts;
use corec_core::block::{BlockId, Population};
use corec_core::blocks::Blocks;
use corec_core::column::{Health, Signal, StableId, Trait};
use corec_core::digest::Saved;
use corec_core::flags::Flags;
use corec_core::rng::Draws;
use corec_core::section::ScenarioSettings;
use corec_core::simulation::{Ending, RunScenario};
use corec_core::stats::Stats;
use corec_core::units::{Tick, seconds_to_ticks};
use corec_core::width::Simd;
use serde::{Deserialize, Serialize};

use crate::forest::{ForestError, Rows};
use crate::settings::{self, AuditInterval};

pub use entities::{ENTITY_FEATURES, rank_entities};
pub use memory::{FEATURES, NAMES};

use memory::{Memory, Row};
use opinion::Window;
use standard::{Audited, GroupMemory};

/// Live entities from which on a block is audited: the mean of fewer says little.
const LIVE_MIN: u32 = 32;
/// Ticks before an audit in which the changes of a tick are followed: enough for what is smoothed over some five to forget its beginning.
const FOLLOWED: u64 = 32;
/// Ticks after a repair in which a block settles: a value goes half the way to its target in 14 at the smallest gain. With 20, one in forty
/// disturbed blocks of the test was flagged again afterwards.
const SETTLING: u64 = 30;
/// Entities of a flagged block that its reasons name.
const ENTITIES_NAMED: usize = 3;
/// The auditor's name on its flags: the engine's.
const BY: &str = "";

/// What the auditor has learned of blocks and groups.
#[derive(Resource, Debug, Default, Serialize, Deserialize)]
pub struct Auditor {
    /// By block, and by group.
    blocks: Vec<Memory>,
    groups: Vec<GroupMemory>,
    window: Window,
    #[serde(skip)]
    scratch: Scratch,
    /// Those of this process.
    #[serde(skip)]
    audits: u64,
}

/// Memory of an audit that is used again.
#[derive(Debug, Default)]
struct Scratch {
    audited: Vec<Audited>,
    values: Vec<f32>,
    rows: Vec<Row>,
    scores: Vec<f64>,
}

impl Saved for Auditor {
    const NAME: &'static str = "audit";
    const SINCE: u16 = 4;

    fn is_part(&self) -> bool {
        !self.blocks.is_empty()
    }
}

/// The draws of the audit: draw 0 of the forest's seed, draw 1 of the rows that the window takes in.
#[derive(Resource, Clone, Copy)]
pub struct AuditDraws(Draws);

impl FromWorld for AuditDraws {
    fn from_world(world: &mut World) -> Self {
        Self(Draws::new(world.resource::<RunScenario>().0.seed, "audit"))
    }
}

/// Follows the blocks, and audits them when it is time to.
#[expect(clippy::too_many_arguments, reason = "each is a resource the system declares that it uses")]
pub fn audit(
    mut blocks: Blocks<(&StableId, &Health, &Signal, &Trait)>,
    scenario: Res<RunScenario>,
    (interval, settings): (Res<ScenarioSettings<AuditInterval>>, Res<ScenarioSettings<settings::Audit>>),
    (tick, draws): (Res<Tick>, Res<AuditDraws>),
    stats: Res<Stats>,
    mut auditor: ResMut<Auditor>,
    (mut flags, mut alerts): (ResMut<Flags>, ResMut<Alerts>),
    mut ending: ResMut<Ending>,
) {
    let AuditInterval(interval) = interval.0.unwrap_or_default();
    if interval == 0.0 {
        // A run that goes on without its audit: nobody would lower what it has raised.
        if !flags.is_empty() {
            let population = blocks.population();
            flags.silence(&mut alerts, BY, |block| population.block_name(block), tick.0);
        }
        return;
    }
    let interval = seconds_to_ticks(interval, scenario.0.tick_seconds);
    let since = (tick.0 + 1) % interval;
    let left = if since == 0 { 0 } else { interval - since };
    if left >= FOLLOWED {
        return;
    }
    let is_first = tick.0 == 0 || (interval > FOLLOWED && left == FOLLOWED - 1);
    let settings = settings.0.unwrap_or_default();
    let (population, auditor) = (blocks.population(), &mut *auditor);
    auditor.follow(population, &stats, is_first);
    if left > 0 {
        return;
    }
    auditor.audits += 1;
    auditor.standardise(population, &stats);
    if let Err(error) = auditor.judge(&settings, &draws.0, tick.0) {
        ending.fail(format!("the audit: {error}"));
        return;
    }
    let mut apart = auditor.decide(&settings, population, &mut flags, &mut alerts, tick.0);
    if settings.entities && apart.iter().any(|block| block.is_new) {
        name_entities(blocks.reborrow(), &mut apart, &draws.0, tick.0);
    }
    for block in &apart {
        let name = blocks.population().block_name(block.id);
        flags.raise(&mut alerts, BY, block.id, &name, block.score, &block.why, tick.0);
    }
    auditor.learn(&settings, &flags, &draws.0, tick.0);
}

/// A block that stands apart.
struct Apart {
    id: BlockId,
    score: f32,
    why: String,
    /// Whether it has not been flagged before.
    is_new: bool,
}

/// Adds the entities that are the least like the others of their block to the reasons.
fn name_entities(
    blocks: Blocks<(&StableId, &Health, &Signal, &Trait)>,
    apart: &mut [Apart],
    draws: &Draws,
    tick: u64,
) {
    blocks.for_each_block(|view, (ids, healths, signals, traits)| {
        let Some(block) = apart.iter_mut().find(|block| block.is_new && block.id == view.id()) else {
            return;
        };
        let [low, high, ..] = draws.words(u64::from(block.id.0), tick, 2);
        let seed = u64::from(high) << 32 | u64::from(low);
        // A value that is no number would have been scrubbed; a trait that is none leaves the entities unnamed.
        let Ok(scores) = rank_entities(signals, traits, healths, seed) else { return };
        let mut rows: Vec<usize> = (0..ids.len()).collect();
        rows.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(ids[*a].cmp(&ids[*b])));
        let named = rows.iter().take(ENTITIES_NAMED).map(|row| {
            format!("{} (value {:.2}, target {:.2})", ids[*row].0, signals[*row].value, traits[*row].target)
        });
        block.why += &format!("; entities {}", named.collect::<Vec<_>>().join(", "));
    });
}

fn is_flagged(flags: &Flags, block: BlockId) -> bool {
    !flags.is_empty() && flags.of(block).any(|(by, _)| by == BY)
}

impl Auditor {
    /// How far each block stood apart in the last audit of this process, 0..=1.
    pub fn scores(&self) -> impl Iterator<Item = (BlockId, f32)> {
        let Scratch { audited, scores, .. } = &self.scratch;
        audited.iter().zip(scores).map(|(block, score)| (BlockId(block.block), *score as f32))
    }

    /// Audits of this process.
    pub fn audits(&self) -> u64 {
        self.audits
    }

    /// A block's entities have all been given new traits.
    pub fn renewed(&mut self, block: BlockId, tick: u64) {
        if let Some(memory) = self.blocks.get_mut(block.0 as usize) {
            memory.renew(tick + SETTLING);
        }
    }

    /// Blocks have been fused, split or grown: what was learned of them is void, and of those that are no more.
    pub fn reshaped(&mut self, blocks: impl Iterator<Item = BlockId>, tick: u64) {
        blocks.for_each(|block| self.renewed(block, tick));
    }

    /// Many of a block's entities have been put to work again.
    pub fn shaken(&mut self, block: BlockId, tick: u64) {
        if let Some(memory) = self.blocks.get_mut(block.0 as usize) {
            memory.shake(tick + SETTLING);
        }
    }

    fn follow(&mut self, population: &Population, stats: &Stats, is_first: bool) {
        self.blocks.resize(population.block_count(), Memory::default());
        self.groups.resize(population.groups().len(), GroupMemory::default());
        for (memory, stats) in self.blocks.iter_mut().zip(&stats.blocks) {
            memory.follow(stats, is_first);
        }
    }

    /// Lists the blocks that are audited, by group and id, and says how far each is from its usual.
    fn standardise(&mut self, population: &Population, stats: &Stats) {
        let Scratch { audited, values, .. } = &mut self.scratch;
        audited.clear();
        let kinds = population.kinds().iter().filter(|kind| kind.has::<Signal>() && kind.has::<Trait>());
        for block in kinds.flat_map(|kind| kind.blocks()) {
            let (id, of) = (block.id().0, stats.of(block.id()));
            let features = self.blocks[id as usize].features(&of);
            let can_be = of.is_measured == 1 && of.live >= LIVE_MIN;
            let Some(features) = features.filter(|_| can_be) else { continue };
            audited.push(Audited::new(id, block.group().0, of.live, features));
        }
        audited.sort_unstable_by_key(|block| (block.group, block.block));
        for group in audited.chunk_by_mut(|a, b| a.group == b.group) {
            let memory = &mut self.groups[usize::from(group[0].group)];
            standard::standardise(memory, group, &self.blocks, values);
        }
    }

    /// Scores the blocks that are audited.
    fn judge(&mut self, settings: &settings::Audit, draws: &Draws, tick: u64) -> Result<(), ForestError> {
        let Scratch { audited, rows, scores, .. } = &mut self.scratch;
        rows.clear();
        for block in audited.iter_mut() {
            if tick < self.blocks[block.block as usize].settles {
                standard::excuse(block);
            }
            rows.push(opinion::seen(&block.standard));
        }
        scores.clear();
        scores.resize(rows.len(), 0.0);
        let [low, high, ..] = draws.words(0, tick, 0);
        let seed = u64::from(high) << 32 | u64::from(low);
        let forest = self.window.grow(settings.trees, seed)?;
        if let Some(forest) = forest.filter(|_| !rows.is_empty()) {
            forest.score_into(Simd::widest(), Rows::new(rows.as_flattened(), FEATURES)?, scores)?;
            // scikit-learn's scores are the opposite of the paper's.
            scores.iter_mut().for_each(|score| *score = -*score);
        }
        Ok(())
    }

    /// Lowers the flags of blocks that are as others again, and gives those that stand apart.
    fn decide(
        &mut self,
        settings: &settings::Audit,
        population: &Population,
        flags: &mut Flags,
        alerts: &mut Alerts,
        tick: u64,
    ) -> Vec<Apart> {
        let Scratch { audited, scores, .. } = &self.scratch;
        let own = flags.iter().filter(|(_, by, _)| *by == BY).map(|(block, ..)| block);
        let mut gone: Vec<BlockId> =
            own.filter(|id| !audited.iter().any(|block| block.block == id.0)).collect();
        gone.drain(..).for_each(|id| flags.lower(alerts, BY, id, &population.block_name(id), 0.0, tick));
        let mut apart = Vec::new();
        for (block, score) in audited.iter().zip(scores) {
            let memory = &mut self.blocks[block.block as usize];
            let (id, score) = (BlockId(block.block), *score as f32);
            let is_past = memory.learned >= settings.warm_up && score >= settings.threshold;
            memory.past = if is_past { memory.past.saturating_add(1) } else { 0 };
            let is_up = is_flagged(flags, id);
            if is_up && score < settings.leave {
                flags.lower(alerts, BY, id, &population.block_name(id), score, tick);
            } else if is_up || memory.past >= settings.hold {
                apart.push(Apart { id, score, why: why::why(block), is_new: !is_up });
            }
        }
        apart
    }

    /// Learns from the blocks that do not stand apart.
    fn learn(&mut self, settings: &settings::Audit, flags: &Flags, draws: &Draws, tick: u64) {
        let Scratch { audited, rows, scores, .. } = &mut self.scratch;
        rows.clear();
        let mut first = 0;
        for group in audited.chunk_by(|a, b| a.group == b.group) {
            let scores = &scores[first..first + group.len()];
            first += group.len();
            let usual = group.iter().zip(scores).filter(|(block, score)| {
                **score < f64::from(settings.threshold) && !is_flagged(flags, BlockId(block.block))
            });
            let settles = |block: &Audited| tick < self.blocks[block.block as usize].settles;
            let usual: Vec<(&Audited, bool)> = usual.map(|(block, _)| (block, settles(block))).collect();
            let known = usual
                .iter()
                .filter(|(block, settles)| !settles && self.blocks[block.block as usize].learned > 1);
            rows.extend(known.map(|(block, _)| opinion::seen(&block.standard)));
            let memory = &mut self.groups[usize::from(group[0].group)];
            standard::learn(memory, usual.into_iter(), &mut self.blocks);
        }
        self.window.take(settings.window as usize, rows, draws, tick);
    }
}
