//! Standard: how far each block is from where it usually is beside its group, in units of how far blocks there usually are.
//!
//! A group has a level, which moves in each audit by the median of how far its blocks are from their usual beside it. A residual is the
//! block's feature, less the group's level, less the block's own usual. It is divided by what is usual for the group, or for the block if that is more. So a common trend is nobody's anomaly, nor is a block that has always been
//! unlike the others, and groups of any size, load and kind become comparable.

use serde::{Deserialize, Serialize};

use super::memory::{CHANGE, FAULTS, FEATURES, FITNESS, Memory, Row};

/// Blocks of a group from which on its median says what all of them do.
const GROUP_MIN: usize = 8;
/// A standard deviation from the mean of absolute differences, and from their median, of a normal distribution.
const OF_MEAN: f32 = 1.2533;
const OF_MEDIAN: f32 = 1.4826;
/// Differences that are too small to matter, one for each feature: a fiftieth of the entities, a hundredth of fitness and of faults, half
/// a hundredth of a value, a change of a third.
const FLOOR: Row = [0.02, 0.01, 0.01, 0.005, 0.005, 0.3];
/// The share of the way that what is usual covers in an audit, once it is known.
const USUAL_GAIN: f32 = 0.05;
const SPREAD_GAIN: f32 = 0.02;
/// The same while a block settles: it is expected to go elsewhere.
const SETTLING_GAIN: f32 = 0.3;
/// The largest difference that is learned from, in units of what is usual: what goes wrong slowly is not to become usual.
const LEARNED_MAX: f32 = 2.0;
/// The largest difference that is told, in the same units.
const FAR: f32 = 99.0;

/// What is usual in a group: where its blocks are together, and how far from their usual each is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupMemory {
    level: Row,
    spread: Row,
    learned: u32,
}

/// A block in an audit.
#[derive(Clone, Copy, Debug)]
pub struct Audited {
    /// Its id and its group.
    pub block: u32,
    pub group: u16,
    /// Its live entities.
    pub live: u32,
    /// What it is judged by.
    pub features: Row,
    /// The features, less the group's level.
    beside: Row,
    /// Less its usual.
    residual: Row,
    /// How far from it it is usually.
    scale: Row,
    /// The residual in these units, within -99..=99; 0 for what is no harm.
    pub standard: Row,
}

impl Audited {
    pub fn new(block: u32, group: u16, live: u32, features: Row) -> Self {
        let nothing = [0.0; FEATURES];
        let (beside, residual, scale, standard) = (nothing, nothing, nothing, nothing);
        Self { block, group, live, features, beside, residual, scale, standard }
    }

    /// What a feature would be if nothing were the matter.
    pub fn expected(&self, feature: usize) -> f32 {
        self.features[feature] - self.residual[feature]
    }
}

/// Standardises the blocks of one group, and moves its level.
pub fn standardise(
    group: &mut GroupMemory,
    blocks: &mut [Audited],
    memories: &[Memory],
    scratch: &mut Vec<f32>,
) {
    let is_large = blocks.len() >= GROUP_MIN;
    let live = median(scratch, blocks.iter().map(|block| block.live as f32));
    for (feature, floor) in FLOOR.iter().enumerate() {
        if is_large {
            // A block that has no usual yet tells nothing of the group.
            let known = blocks.iter().map(|block| (block, &memories[block.block as usize]));
            let known = known.filter(|(_, memory)| memory.learned > 0);
            let level = group.level[feature];
            let beside = known.map(|(block, memory)| block.features[feature] - level - memory.usual[feature]);
            group.level[feature] += median(scratch, beside);
        }
        for block in blocks.iter_mut() {
            let memory = &memories[block.block as usize];
            block.beside[feature] = block.features[feature] - group.level[feature];
            let usual = if memory.learned > 0 { memory.usual[feature] } else { block.beside[feature] };
            block.residual[feature] = block.beside[feature] - usual;
        }
        let now = if is_large {
            OF_MEDIAN * median(scratch, blocks.iter().map(|block| block.residual[feature].abs()))
        } else {
            0.0
        };
        let of_group = (OF_MEAN * group.spread[feature]).max(now).max(*floor);
        for block in blocks.iter_mut() {
            let memory = &memories[block.block as usize];
            // The mean of fewer entities is less certain.
            let size = (live / block.live as f32).max(1.0).sqrt();
            let scale = (of_group * size).max(OF_MEAN * memory.spread[feature]);
            let standard = block.residual[feature] / scale;
            let harmless = (feature == FAULTS && standard < 0.0) || (feature == FITNESS && standard > 0.0);
            block.scale[feature] = scale;
            block.standard[feature] = if harmless { 0.0 } else { standard.clamp(-FAR, FAR) };
        }
    }
}

/// Leaves out what says nothing of a block that settles: all but its faults and how many live.
pub fn excuse(block: &mut Audited) {
    (FITNESS..=CHANGE).filter(|feature| *feature != FAULTS).for_each(|feature| block.standard[feature] = 0.0);
}

/// Learns from the blocks of a group that do not stand apart.
pub fn learn<'a>(
    group: &mut GroupMemory,
    blocks: impl Iterator<Item = (&'a Audited, bool)>,
    memories: &mut [Memory],
) {
    let (mut sums, mut count) = ([0.0; FEATURES], 0u32);
    for (block, settles) in blocks {
        let memory = &mut memories[block.block as usize];
        let first = 1.0 / (memory.learned + 1) as f32;
        let gain = first.max(if settles { SETTLING_GAIN } else { USUAL_GAIN });
        for (feature, sum) in sums.iter_mut().enumerate() {
            if memory.learned == 0 {
                memory.usual[feature] = block.beside[feature];
                continue;
            }
            let residual = block.residual[feature];
            let most = LEARNED_MAX * block.scale[feature];
            let is_known = !settles && first <= USUAL_GAIN;
            memory.usual[feature] += gain * if is_known { residual.clamp(-most, most) } else { residual };
            if !settles {
                let distance = residual.abs().min(most);
                *sum += distance;
                memory.spread[feature] += first.max(SPREAD_GAIN) * (distance - memory.spread[feature]);
            }
        }
        count += u32::from(memory.learned > 0 && !settles);
        memory.learned = memory.learned.saturating_add(1);
    }
    if count > 0 {
        let gain = (1.0 / (group.learned + 1) as f32).max(SPREAD_GAIN);
        for (spread, sum) in group.spread.iter_mut().zip(sums) {
            *spread += gain * (sum / count as f32 - *spread);
        }
        group.learned = group.learned.saturating_add(1);
    }
}

/// The upper of the middle values; 0 of none.
fn median(scratch: &mut Vec<f32>, values: impl Iterator<Item = f32>) -> f32 {
    scratch.clear();
    scratch.extend(values);
    if scratch.is_empty() {
        return 0.0;
    }
    let middle = scratch.len() / 2;
    *scratch.select_nth_unstable_by(middle, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::super::memory::MEAN;
    use super::*;

    const BLOCKS: u32 = 12;

    /// Audits in which all blocks follow a trend, each in a place and with a wobble of its own; the mean of block 3 is `extra` higher.
    fn audits(count: usize, extra: f32) -> (Vec<Audited>, Vec<Memory>) {
        let (mut group, mut memories) = (GroupMemory::default(), vec![Memory::default(); BLOCKS as usize]);
        let mut audited = Vec::new();
        for at in 0..count {
            audited = (0..BLOCKS)
                .map(|block| {
                    let wobble = ((block * 7 + at as u32 * 5) % 11) as f32 * 0.001;
                    let mut features = [0.5; FEATURES];
                    let more = if block == 3 && at + 1 == count { extra } else { 0.0 };
                    features[MEAN] = 0.3 + at as f32 * 0.01 + block as f32 * 0.02 + wobble + more;
                    Audited::new(block, 0, 1000, features)
                })
                .collect();
            standardise(&mut group, &mut audited, &memories, &mut Vec::new());
            if at + 1 < count {
                learn(&mut group, audited.iter().map(|block| (block, false)), &mut memories);
            }
        }
        (audited, memories)
    }

    #[test]
    fn a_common_trend_and_a_place_of_its_own_are_nobodys_anomaly() {
        let (audited, _) = audits(40, 0.0);
        assert!(audited.iter().all(|block| block.standard[MEAN].abs() < 3.0), "{audited:?}");
    }

    #[test]
    fn a_block_that_leaves_its_place_is_told_by_how_far() {
        let (audited, _) = audits(40, 0.15);
        let block = &audited[3];
        assert!(block.standard[MEAN] > 8.0, "{:?}", block.standard);
        assert!(
            (block.features[MEAN] - block.expected(MEAN) - 0.15).abs() < 0.02,
            "{}",
            block.expected(MEAN)
        );
        assert!(audited.iter().all(|other| other.block == 3 || other.standard[MEAN].abs() < 3.0));
    }

    #[test]
    fn fewer_faults_and_more_fitness_are_no_anomaly_and_a_block_that_settles_has_faults_only() {
        let (mut audited, memories) = audits(40, 0.3);
        audited[0].features[FAULTS] = 0.2;
        audited[1].features[FITNESS] = 0.9;
        audited[2].features[FAULTS] = 0.9;
        standardise(&mut GroupMemory::default(), &mut audited, &memories, &mut Vec::new());
        assert_eq!((audited[0].standard[FAULTS], audited[1].standard[FITNESS]), (0.0, 0.0));
        assert!(audited[2].standard[FAULTS] > 8.0);
        audited[2].standard[MEAN] = 9.0;
        excuse(&mut audited[2]);
        assert!(audited[2].standard[FAULTS] > 8.0 && audited[2].standard[MEAN] == 0.0);
    }
}
