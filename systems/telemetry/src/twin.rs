//! Twin: follows a column of the table, keeps its own recent normal, and scores what it sees.
//!
//! A twin's normal is an exponentially weighted mean and variance over its window: with the weight
//! `a = max(1 / n, 2 / (window + 1))` for its `n`-th value, `mean += a * d`, `variance = (1 - a) * (variance + a * d^2)`
//! where `d = value - mean` (West 1979, "Updating mean and variance estimates"). Its score is
//! `|d| / max(deviation, floor * range of the column so far)`, taken before the value is learned and at most
//! `score_max`; 0 during `warmup`. A gap changes nothing.

use bevy_ecs::prelude::*;
use bytemuck::{Pod, Zeroable};
use corec_api::row::TableRow;
use corec_core::blocks::Blocks;
use corec_core::column::{Signal, StableId};
use corec_core::section::{GroupSettings, ScenarioSettings};
use corec_core::stats::Totals;
use libm::pow;

use crate::settings::{Replicas, Telemetry};

/// What a twin knows of its column.
#[derive(Component, Pod, Zeroable, Clone, Copy, Default, PartialEq, Debug)]
#[repr(C)]
pub struct Twin {
    /// The running mean.
    pub mean: f64,
    /// The running variance.
    pub variance: f64,
    /// The lowest value so far.
    pub lowest: f64,
    /// The highest value so far.
    pub highest: f64,
    /// Values seen.
    pub seen: u64,
    /// The last value, as far as an `f32` tells it.
    pub value: f32,
    /// The last score.
    pub score: f32,
    /// The column it follows.
    pub column: u32,
    /// Rows it averages over.
    pub window: f32,
}

/// Gives every twin its column and window. The twins of a column follow each other.
pub fn assign(
    row: Option<Res<TableRow>>,
    settings: Res<ScenarioSettings<Telemetry>>,
    replicas: Res<GroupSettings<Replicas>>,
    blocks: Blocks<(&StableId, &mut Twin)>,
) {
    let (Some(row), Some(settings)) = (row, settings.0.as_ref()) else { return };
    let columns = row.values.len() as u32;
    let mut first = None;
    blocks.for_each_block(|view, (ids, twins)| {
        let replicas = replicas.of(view.group_id()).0;
        // Ids of a group are consecutive; a second group starts at column 0 again.
        if first.is_none_or(|(group, _)| group != view.group_id()) {
            first = Some((view.group_id(), ids[0].0));
        }
        let first_id = first.map_or(0, |(_, id)| id);
        for (id, twin) in ids.iter().zip(twins) {
            let at = (id.0 - first_id) as u32;
            twin.column = (at / replicas).min(columns - 1);
            twin.window = window(settings, at % replicas, replicas);
        }
    });
}

/// The window of replica `k` of `n`: spread evenly over a logarithmic scale; a single one takes the middle.
pub fn window(settings: &Telemetry, k: u32, n: u32) -> f32 {
    let at = if n > 1 { f64::from(k) / f64::from(n - 1) } else { 0.5 };
    (settings.window_min * pow(settings.window_max / settings.window_min, at)) as f32
}

/// Process: lets every twin follow its column. Its value is how normal it finds it: 1 at its mean, 0.5 at a score of 3.
pub fn follow(
    row: Option<Res<TableRow>>,
    settings: Res<ScenarioSettings<Telemetry>>,
    blocks: Blocks<(&mut Twin, &mut Signal)>,
    mut totals: ResMut<Totals>,
) {
    let (Some(row), Some(settings)) = (row, settings.0.as_ref()) else { return };
    let mut updates = vec![0u64; blocks.population().block_count()];
    blocks.par_fold_blocks(&mut updates, |updates, _, (twins, signals)| {
        *updates += twins.len() as u64;
        follow_kernel(settings, &row.values, twins, signals);
    });
    totals.entity_updates += updates.iter().sum::<u64>();
}

fn follow_kernel(settings: &Telemetry, values: &[f64], twins: &mut [Twin], signals: &mut [Signal]) {
    for (twin, signal) in twins.iter_mut().zip(signals) {
        let value = values[twin.column as usize];
        if !value.is_nan() {
            learn(settings, twin, value);
            signal.value = 1.0 / (1.0 + twin.score / 3.0);
        }
    }
}

/// Shows a twin the next value of its column.
pub fn learn(settings: &Telemetry, twin: &mut Twin, value: f64) {
    if twin.seen == 0 {
        (twin.mean, twin.lowest, twin.highest) = (value, value, value);
    }
    let distance = value - twin.mean;
    let floor = settings.deviation_floor * (twin.highest - twin.lowest);
    let deviation = twin.variance.sqrt().max(floor);
    twin.score = if twin.seen < u64::from(settings.warmup) || distance == 0.0 {
        0.0
    } else {
        // A column that has never moved and now does is as far from normal as can be told.
        (distance.abs() / deviation).min(settings.score_max) as f32
    };
    twin.seen += 1;
    let weight = (1.0 / twin.seen as f64).max(2.0 / (f64::from(twin.window) + 1.0));
    twin.mean += weight * distance;
    twin.variance = (1.0 - weight) * (twin.variance + weight * distance * distance);
    twin.lowest = twin.lowest.min(value);
    twin.highest = twin.highest.max(value);
    twin.value = value as f32;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twin(window: f32) -> Twin {
        Twin { window, ..Twin::default() }
    }

    #[test]
    fn a_twin_learns_the_mean_and_deviation_of_its_column() {
        let settings = Telemetry::default();
        let mut slow = twin(1e6);
        let values: Vec<f64> = (0..1000).map(|i| 5.0 + f64::from(i % 7)).collect();
        values.iter().for_each(|v| learn(&settings, &mut slow, *v));
        let mean = values.iter().sum::<f64>() / 1000.0;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 1000.0;
        assert!((slow.mean - mean).abs() < 1e-9 && (slow.variance - variance).abs() < 1e-9, "{slow:?}");
    }

    #[test]
    fn a_spike_scores_and_a_slow_drift_does_not() {
        let settings = Telemetry::default();
        let mut t = twin(200.0);
        for i in 0..2000 {
            learn(&settings, &mut t, f64::from(i) * 0.001 + f64::from(i % 2));
            assert!(t.score < 2.0, "row {i}: {}", t.score);
        }
        learn(&settings, &mut t, 12.0);
        assert!(t.score > 15.0, "{}", t.score);
    }

    #[test]
    fn a_constant_column_that_moves_scores_the_most() {
        let settings = Telemetry::default();
        let mut t = twin(200.0);
        (0..500).for_each(|_| learn(&settings, &mut t, 3.0));
        assert_eq!(t.score, 0.0);
        learn(&settings, &mut t, 3.1);
        assert_eq!(f64::from(t.score), settings.score_max);
    }

    #[test]
    fn windows_are_spread_on_a_logarithmic_scale() {
        let settings = Telemetry::default();
        let near = |a: f32, b: f32| assert!((a / b - 1.0).abs() < 1e-6, "{a} is not {b}");
        near(window(&settings, 0, 3), 200.0);
        near(window(&settings, 1, 3), 632.455_5);
        near(window(&settings, 2, 3), 2000.0);
        near(window(&settings, 0, 1), 632.455_5);
    }
}
