//! Memory: what the auditor keeps of a block, and how it follows it from tick to tick.

use corec_core::stats::BlockStats;
use serde::{Deserialize, Serialize};

/// What a block is judged by: see [`NAMES`].
pub const FEATURES: usize = 6;

/// Values of a block, one for each feature.
pub type Row = [f32; FEATURES];

pub const LIVE: usize = 0;
pub const FITNESS: usize = 1;
pub const FAULTS: usize = 2;
pub const MEAN: usize = 3;
pub const DEVIATION: usize = 4;
pub const CHANGE: usize = 5;

/// Their names, for people.
pub const NAMES: [&str; FEATURES] = ["live", "fitness", "fault ratio", "mean", "deviation", "change a tick"];

/// The share of the way that the change a tick covers in a tick. Values that stand still are told by it after some three ticks in which no
/// entity fails, or some six in which one does: what is left to compare then is a single number, which is small by chance more often.
const CHANGE_GAIN: f32 = 0.2;
const CHANGE_GAIN_OF_ONE: f32 = 0.1;
/// The least change that is told from none: an f32 near 0.5 has steps of 6e-8.
const CHANGE_MIN: f32 = 1e-7;
/// What is left after a tick of the largest fault ratio of late: a repair in the tick of the faults would hide them otherwise.
const PEAK_KEPT: f32 = 0.8;

/// What the auditor keeps of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Its active entities when it was last followed, their mean and deviation.
    active: u32,
    mean: f32,
    deviation: f32,
    /// The logarithm of how much its values change in a tick, smoothed; 0 until it is known.
    change: f32,
    /// The largest fault ratio of late.
    peak: f32,
    /// Where it usually is, beside its group, and how far from there it usually is.
    pub usual: Row,
    pub spread: Row,
    /// Audits it has learned from.
    pub learned: u32,
    /// Audits in a row in which it stood apart.
    pub past: u32,
    /// Until this tick it settles: what a repair has changed says nothing of it.
    pub settles: u64,
}

impl Memory {
    /// Follows the block through a tick. `is_first` if the tick before was not followed.
    pub fn follow(&mut self, stats: &BlockStats, is_first: bool) {
        self.peak = if is_first { 0.0 } else { self.peak * PEAK_KEPT }.max(stats.fault_ratio);
        let change = self.change_to(stats).filter(|(change, _)| change.is_finite());
        if let Some((change, gain)) = change.filter(|_| !is_first) {
            let change = libm::logf(change.max(CHANGE_MIN));
            self.change += if self.change == 0.0 { 1.0 } else { gain } * (change - self.change);
        }
        (self.active, self.mean, self.deviation) = (stats.active, stats.mean, stats.deviation);
    }

    /// How much the values have changed, and what that is worth. Where an entity has failed, mean and deviation change although no value
    /// does: then one tells the value that is gone, and the other must be as it is without it. Where more have, nothing is known.
    fn change_to(&self, stats: &BlockStats) -> Option<(f32, f32)> {
        if stats.active == self.active {
            let change = (stats.mean - self.mean).abs() + (stats.deviation - self.deviation).abs();
            return Some((change, CHANGE_GAIN));
        }
        if self.active != stats.active + 1 {
            return None;
        }
        let sums = |active: u32, mean: f32, deviation: f32| {
            let (count, mean, deviation) = (f64::from(active), f64::from(mean), f64::from(deviation));
            (count * mean, count * (mean * mean + deviation * deviation))
        };
        let (sum, squares) = sums(self.active, self.mean, self.deviation);
        let (sum_now, squares_now) = sums(stats.active, stats.mean, stats.deviation);
        let gone = sum - sum_now;
        let change = (squares - squares_now - gone * gone).abs() / f64::from(self.active);
        Some((change as f32, CHANGE_GAIN_OF_ONE))
    }

    /// What the block is judged by; none where it can't be judged.
    pub fn features(&self, stats: &BlockStats) -> Option<Row> {
        let mut row = [0.0; FEATURES];
        // A tenth fewer or more is the same for a large block as for a small one.
        row[LIVE] = libm::logf(stats.live.max(1) as f32);
        row[FITNESS] = stats.fitness;
        row[FAULTS] = self.peak;
        row[MEAN] = stats.mean;
        row[DEVIATION] = stats.deviation;
        row[CHANGE] = self.change;
        row.iter().all(|value| value.is_finite()).then_some(row)
    }

    /// The block's entities have been given new traits: all that was learned of it is void, its faults too.
    pub fn renew(&mut self, until: u64) {
        *self = Self { settles: until, ..Self::default() };
    }

    /// Many of the block's entities have been put to work again: it will not stay as it was, but its faults are still to be told.
    pub fn shake(&mut self, until: u64) {
        self.settles = until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(mean: f32, active: u32) -> BlockStats {
        BlockStats { live: 100, active, mean, is_measured: 1, ..BlockStats::default() }
    }

    fn measured(values: &[f32]) -> BlockStats {
        let count = values.len() as f64;
        let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
        let squares = values.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>() / count;
        let deviation = (squares - mean * mean).sqrt() as f32;
        BlockStats { deviation, ..stats(mean as f32, values.len() as u32) }
    }

    #[test]
    fn values_that_stand_still_are_told_also_where_entities_fail() {
        let values: Vec<f32> = (0..1000).map(|i| (i * 7919 % 1000) as f32 / 1000.0).collect();
        let mut memory = Memory::default();
        for tick in 0..100u32 {
            let moved: Vec<f32> = values.iter().map(|value| value + (tick % 2) as f32 * 1e-3).collect();
            memory.follow(&measured(&moved), tick == 0);
        }
        let moving = memory.change;
        assert!((moving - libm::logf(1e-3)).abs() < 0.1, "{moving}");
        let mut failing = memory;
        memory.follow(&measured(&values[2..]), false);
        assert_eq!(memory.change, moving, "two failed: nothing is known of the values");
        (0..3).for_each(|_| memory.follow(&measured(&values[2..]), false));
        assert!(memory.change < moving - 4.0, "from {moving} to {}", memory.change);
        failing.follow(&measured(&values), false);
        (0..7).for_each(|failed| failing.follow(&measured(&values[failed..]), failed == 0));
        assert!(failing.change < moving - 3.0, "one a tick failed: from {moving} to {}", failing.change);
    }

    #[test]
    fn faults_that_are_repaired_in_their_tick_are_remembered_for_a_while() {
        let mut memory = Memory::default();
        memory.follow(&BlockStats { fault_ratio: 0.3, ..stats(0.5, 70) }, true);
        memory.follow(&stats(0.5, 100), false);
        memory.follow(&stats(0.5, 100), false);
        assert!((memory.peak - 0.3 * 0.64).abs() < 1e-6, "{}", memory.peak);
    }
}
