//! Scores: what a run has scored of labelled rows, and how well that tells anomalies from the rest.
//!
//! A column's score is the highest of its twins'; a row's is the mean of its min(3, n) highest columns, or the forest's where the
//! scenario's detector is that, unless a plugin gives it one.
//!
//! Part of the state: a restored run has the scores of all its rows. Bounded: the scores are counted by their bits, exactly as
//! long as there are no more than a million different ones; beyond, the lowest bits are let go, one at a time. Their order is beside
//! them, in [`score_list`](crate::score_list).

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;
use corec_api::row::TableRow;
use corec_core::alert::Alerts;
use corec_core::blocks::Blocks;
use corec_core::digest::Saved;
use corec_core::outputs::{ENGINE, Outputs};
use corec_core::section::ScenarioSettings;
use corec_core::store::{Batch, Metric};
use corec_core::units::Tick;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::detection::{Detector, Detectors, areas};
use crate::row_forest::RowForest;
use crate::score_list::ScoreList;
use crate::settings::{RowDetector, Telemetry};
use crate::twin::Twin;

/// The signal of a table's row: the mean of its three highest columns, or what a plugin scores it.
pub const ROW_SCORE: &str = "row_score";
/// The signal of a column of a table: the highest |z| of its twins.
pub const COLUMN_SCORE: &str = "column_score";
/// Columns whose mean is a row's score.
const HIGHEST: usize = 3;

/// Different scores that are told apart.
const DISTINCT_MAX: usize = 1 << 20;

/// Scores of labelled rows, normal ones and anomalies.
#[derive(Resource, Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scores {
    /// By score, in order: how many normal rows and anomalies have it.
    counts: BTreeMap<u32, [u64; 2]>,
    /// Bits of a score that are no longer told apart.
    bits_lost: u32,
    /// Of every score so far, in order.
    hash: u64,
}

impl Saved for Scores {
    const NAME: &'static str = "row_scores";
    const SINCE: u16 = 3;

    fn is_part(&self) -> bool {
        !self.counts.is_empty()
    }

    fn hash(&self) -> Option<u64> {
        Some(self.hash)
    }
}

impl Scores {
    /// Takes the score of a labelled row.
    pub fn add(&mut self, score: f32, is_anomaly: bool) {
        let mut bytes = [0; 13];
        bytes[..8].copy_from_slice(&self.hash.to_le_bytes());
        bytes[8..12].copy_from_slice(&score.to_le_bytes());
        bytes[12] = is_anomaly.into();
        self.hash = xxh3_64(&bytes);
        self.counts.entry(in_order(score) >> self.bits_lost).or_default()[usize::from(is_anomaly)] += 1;
        if self.counts.len() > DISTINCT_MAX {
            self.bits_lost += 1;
            let mut fewer = BTreeMap::<u32, [u64; 2]>::new();
            for (key, [normal, anomalies]) in std::mem::take(&mut self.counts) {
                let count = fewer.entry(key >> 1).or_default();
                *count = [count[0] + normal, count[1] + anomalies];
            }
            self.counts = fewer;
        }
    }

    /// Rows scored.
    pub fn rows(&self) -> u64 {
        self.counts.values().flatten().sum()
    }

    /// Of every score so far, in order.
    pub(crate) fn hash_of_all(&self) -> u64 {
        self.hash
    }

    /// ROC-AUC and PR-AUC; none when only one class was seen.
    pub fn areas(&self) -> Option<(f64, f64)> {
        areas(self.counts.values().rev().copied())
    }
}

/// A score's bits so that their order is that of the scores, by `f32::total_cmp`.
fn in_order(score: f32) -> u32 {
    // A negative zero is a zero.
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

/// Measure: the scores of columns and row.
pub fn score(
    row: Option<ResMut<TableRow>>,
    blocks: Blocks<&Twin>,
    settings: Res<ScenarioSettings<Telemetry>>,
    forest: Res<RowForest>,
    mut detectors: ResMut<Detectors>,
    (mut scores, mut list): (ResMut<Scores>, ResMut<ScoreList>),
    mut highest: Local<Vec<f32>>,
) {
    let Some(mut row) = row else { return };
    let row = &mut *row;
    for (score, value) in row.column_scores.iter_mut().zip(&row.values) {
        // A gap has no score of its own.
        *score = if value.is_nan() { f32::NAN } else { 0.0 };
    }
    let warmup = settings.0.as_ref().map_or(0, |settings| u64::from(settings.warmup));
    let mut is_warm = false;
    blocks.for_each(|twins| {
        for twin in twins {
            is_warm |= twin.seen > warmup;
            let score = &mut row.column_scores[twin.column as usize];
            if twin.score > *score {
                *score = twin.score;
            }
        }
    });
    highest.clear();
    highest.extend(row.column_scores.iter().filter(|score| !score.is_nan()));
    highest.sort_unstable_by(|a, b| b.total_cmp(a));
    highest.truncate(HIGHEST);
    let of_twins = highest.iter().sum::<f32>() / highest.len().max(1) as f32;
    let wanted = settings.0.as_ref().map_or(RowDetector::Normal, |settings| settings.detector);
    // While every twin still warms up, or there is no forest yet, there is no score to judge.
    let (detector, score, is_known) = match (row.given.take(), wanted) {
        (Some(given), _) => {
            (Detector::Plugin { plugin: given.plugin, method: given.method }, given.score, true)
        }
        (None, RowDetector::Normal) => (Detector::Twins, of_twins, is_warm),
        (None, RowDetector::Forest) => {
            (Detector::Forest, forest.score().unwrap_or(0.0), forest.score().is_some())
        }
    };
    row.score = score;
    detectors.count(detector);
    if let Some(label) = row.label.filter(|_| is_known) {
        scores.add(score, label);
        list.add(score, label, scores.hash_of_all());
    }
}

/// Whom an alert about a signal of this module's is about.
pub fn subject(signal: &str, at: u32, columns: &[String]) -> String {
    match columns.get(at as usize) {
        Some(column) if signal == COLUMN_SCORE => format!("column {column}"),
        _ => "row".into(),
    }
}

/// Measure, after [`score`]: shows the scores to the alert rules, and keeps the row's in the store.
pub fn report(
    row: Option<Res<TableRow>>,
    tick: Res<Tick>,
    mut alerts: ResMut<Alerts>,
    mut outputs: ResMut<Outputs>,
    mut batch: ResMut<Batch>,
) {
    let Some(row) = row else { return };
    let (column_score, row_score) = (alerts.watched(COLUMN_SCORE), alerts.watched(ROW_SCORE));
    for (at, score) in row.column_scores.iter().enumerate().filter(|(_, score)| !score.is_nan()) {
        let name = || subject(COLUMN_SCORE, at as u32, row.columns());
        alerts.observe(column_score, at as u32, f64::from(*score), tick.0, name);
    }
    let value = f64::from(row.score);
    alerts.observe(row_score, 0, value, tick.0, || subject(ROW_SCORE, 0, row.columns()));
    outputs.note(ENGINE, "metrics", tick.0, &[b"row_score", &value.to_bits().to_le_bytes()]);
    batch.metrics.push(Metric { tick: tick.0, name: "row_score".into(), value });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_alert_is_about_its_column_or_the_row() {
        let columns = ["cpu".to_string(), "disk".to_string()];
        let of = [(COLUMN_SCORE, 1), (ROW_SCORE, 0)].map(|(signal, at)| subject(signal, at, &columns));
        assert_eq!(of, ["column disk", "row"]);
    }
    use crate::detection::auc;

    proptest! {
        #[test]
        fn counted_scores_have_the_areas_of_a_list(scored in prop::collection::vec((-3f32..9.0, any::<bool>()), 0..200)) {
            let mut scores = Scores::default();
            scored.iter().for_each(|(score, label)| scores.add(*score, *label));
            prop_assert_eq!(scores.rows(), scored.len() as u64);
            prop_assert_eq!(scores.areas(), auc(&mut scored.clone()));
        }
    }

    #[test]
    fn scores_beyond_a_million_different_ones_take_no_more_memory_and_nearly_the_same_area() {
        let mut scores = Scores::default();
        let mut list = Vec::new();
        for i in 0..(DISTINCT_MAX as u32 * 5 / 4) {
            let score = f32::from_bits(0x3f80_0000 + i.wrapping_mul(2_654_435_761) % 0x0100_0000);
            let label = i % 50 == 0 && score > 1.5;
            scores.add(score, label);
            list.push((score, label));
        }
        assert!(scores.bits_lost > 0 && scores.counts.len() <= DISTINCT_MAX);
        let (found, exact) = (scores.areas().unwrap(), auc(&mut list).unwrap());
        assert!((found.0 - exact.0).abs() < 1e-5 && (found.1 - exact.1).abs() < 1e-5, "{found:?} {exact:?}");
    }
}
