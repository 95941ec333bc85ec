//! Measure: sums up every block of a kind with `Signal`.
//!
//! Reads `Signal`, `Health`; a value that is not a number is a fault, and is stored as 0. Writes `Stats`.
//! Runs in `Phase::Measure`. Fault ratio = inactive / live; raw fitness = (1 - fault ratio) * mean value of the active
//! entities; fitness += 0.1 * (raw - fitness), the first Measure sets it.

use std::sync::atomic::{AtomicU64, Ordering};

use bevy_ecs::prelude::*;
use corec_core::block::BlockId;
use corec_core::blocks::Blocks;
use corec_core::column::{Health, Signal};
use corec_core::maths::{SUM_LANES, finite_mask, fold_lanes, pick};
use corec_core::stats::{BlockStats, Stats, Totals};

/// How fast fitness follows what is measured. A tenth of the way a tick:
/// the old program's fitness could only fall, this one forgets a bad tick in about twenty.
const FITNESS_GAIN: f32 = 0.1;

/// Measures every block.
pub fn measure(
    blocks: Blocks<(&mut Signal, &mut Health)>,
    mut stats: ResMut<Stats>,
    mut totals: ResMut<Totals>,
) {
    stats.blocks.resize(blocks.population().block_count(), BlockStats::default());
    // A block that has become empty or retired says nothing, not what it said when it was last alive.
    let is_empty =
        |id: usize| blocks.population().block(BlockId(id as u32)).is_none_or(|block| block.live() == 0);
    for (_, stats) in stats.blocks.iter_mut().enumerate().filter(|(id, _)| is_empty(*id)) {
        *stats = BlockStats::default();
    }
    // A sum of whole numbers is the same in any order.
    let faults = AtomicU64::new(0);
    blocks.par_fold_blocks(&mut stats.blocks, |stats, view, (signals, healths)| {
        let mut sums = sum_kernel(signals, healths);
        // One value that is not a number makes the sum none: rare, so looked for only then.
        if !(sums.sum.is_finite() && sums.squares.is_finite()) {
            faults.fetch_add(scrub(signals, healths).into(), Ordering::Relaxed);
            sums = sum_kernel(signals, healths);
        }
        *stats = next_stats(stats, &sums, view.group.settings().load);
    });
    totals.faults += faults.into_inner();
    let fitness = stats.fitness();
    totals.fitness_start = totals.fitness_start.or(fitness);
    totals.fitness_end = fitness;
}

/// Sums over the live rows of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sums {
    /// Rows.
    pub live: u32,
    /// Active rows.
    pub active: u32,
    /// Sum of their values.
    pub sum: f64,
    /// Sum of the squares.
    pub squares: f64,
}

/// Sums values and squares of the active rows, in lanes, in order.
///
/// # Panics
/// If the slices differ in length.
pub fn sum_kernel(signals: &[Signal], healths: &[Health]) -> Sums {
    assert_eq!(signals.len(), healths.len(), "columns of one block are of one length");
    let (mut sum, mut squares, mut active) = ([0f32; SUM_LANES], [0f32; SUM_LANES], [0u32; SUM_LANES]);
    let mut add = |lane: usize, signal: Signal, health: Health| {
        let mask = 0u32.wrapping_sub(u32::from(health.state & Health::ACTIVE));
        let value = pick(mask, signal.value, 0.0);
        sum[lane] += value;
        squares[lane] += value * value;
        active[lane] += mask & 1;
    };
    let (signal_chunks, signal_rest) = signals.as_chunks::<SUM_LANES>();
    let (health_chunks, health_rest) = healths.as_chunks::<SUM_LANES>();
    for (signals, healths) in signal_chunks.iter().zip(health_chunks) {
        for lane in 0..SUM_LANES {
            add(lane, signals[lane], healths[lane]);
        }
    }
    for (lane, (signal, health)) in signal_rest.iter().zip(health_rest).enumerate() {
        add(lane, *signal, *health);
    }
    Sums {
        live: signals.len() as u32,
        active: active.iter().sum(),
        sum: fold_lanes(&sum),
        squares: fold_lanes(&squares),
    }
}

/// A block's statistics from its sums and what they were.
pub fn next_stats(last: &BlockStats, sums: &Sums, load: f32) -> BlockStats {
    let active = f64::from(sums.active.max(1));
    // Sums of numbers may still be beyond f32; nothing that is not a number is kept.
    let number = |x: f64| if x.is_finite() { x } else { 0.0 };
    let mean = number(sums.sum / active);
    let deviation = number((sums.squares / active - mean * mean).max(0.0).sqrt());
    let fault_ratio = f64::from(sums.live - sums.active) / f64::from(sums.live.max(1));
    let raw = ((1.0 - fault_ratio) * mean).clamp(0.0, 1.0) as f32;
    let fitness =
        if last.is_measured == 1 { last.fitness + FITNESS_GAIN * (raw - last.fitness) } else { raw };
    // The old program's rule: clamp(0.5*load + 0.3*stdev(values) + 0.2*errors/n, 0.1, 0.9).
    let threshold = 0.5 * load + 0.3 * deviation as f32 + 0.2 * fault_ratio as f32;
    BlockStats {
        live: sums.live,
        active: sums.active,
        mean: mean as f32,
        deviation: deviation as f32,
        fault_ratio: fault_ratio as f32,
        fitness,
        threshold: threshold.clamp(0.1, 0.9),
        is_measured: 1,
    }
}

/// Fails every active row whose value is not a number; gives how many.
fn scrub(signals: &mut [Signal], healths: &mut [Health]) -> u32 {
    let mut faults = 0;
    for (signal, health) in signals.iter_mut().zip(healths) {
        if finite_mask(signal.value) == 0 {
            signal.value = 0.0;
            if health.is_active() {
                *health = Health { state: Health::INACTIVE, failures: health.failures.saturating_add(1) };
                faults += 1;
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(values: &[(f32, bool)]) -> (Vec<Signal>, Vec<Health>) {
        let health = |on: bool| if on { Health::FRESH } else { Health::default() };
        values.iter().map(|&(value, on)| (Signal { value }, health(on))).unzip()
    }

    proptest! {
        #[test]
        fn sums_are_those_of_the_active_rows(values in prop::collection::vec((0f32..1.0, any::<bool>()), 0..300)) {
            let (signals, healths) = rows(&values);
            let sums = sum_kernel(&signals, &healths);
            let active: Vec<f64> = values.iter().filter(|v| v.1).map(|v| f64::from(v.0)).collect();
            prop_assert_eq!((sums.live as usize, sums.active as usize), (values.len(), active.len()));
            prop_assert!((sums.sum - active.iter().sum::<f64>()).abs() < 1e-3);
            prop_assert!((sums.squares - active.iter().map(|v| v * v).sum::<f64>()).abs() < 1e-3);
        }
    }

    #[test]
    fn fitness_and_threshold_are_the_documented_ones() {
        let (signals, healths) = rows(&[(0.8, true), (0.4, true), (0.0, false), (0.6, true)]);
        let first = next_stats(&BlockStats::default(), &sum_kernel(&signals, &healths), 0.5);
        let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
        near(first.mean, 0.6);
        near(first.fault_ratio, 0.25);
        near(first.fitness, 0.45);
        near(first.deviation, 0.163_299_32);
        near(first.threshold, 0.25 + 0.3 * 0.163_299_32 + 0.05);
        let (signals, healths) = rows(&[(1.0, true); 4]);
        let second = next_stats(&first, &sum_kernel(&signals, &healths), 1.0);
        near(second.fitness, 0.45 + 0.1 * (1.0 - 0.45));
        near(second.threshold, 0.5);
    }

    #[test]
    fn a_block_without_rows_has_statistics_all_the_same() {
        let stats = next_stats(&BlockStats::default(), &sum_kernel(&[], &[]), 0.0);
        assert_eq!((stats.mean, stats.fitness, stats.threshold), (0.0, 0.0, 0.1));
    }
}
