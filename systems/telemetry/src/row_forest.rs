//! Row forest: scores the table's rows by an isolation forest that is grown anew as they come.
//!
//! Reads the twins after they have followed the row. It is shown two numbers of each column: how far, and to which side, its twins
//! find the value from their mean, in their deviations; and the value itself. A gap is as their mean. Of all that was
//! tried both together told anomalies best (docs/decisions.md).
//!
//! A row is scored before it is learned. The forest is grown on the last [`ROWS`] rows, anew every [`EVERY`] rows, with draws of
//! the scenario's seed and the number of the growth. So it is a function of the rows that are kept, which are the state; after a
//! restore it is grown again.
//!
//! The scale is the twins', for which alert rules are written: of the scores that the forest gives the rows which it was grown on, mean
//! and deviation are known, and a row that is `z` such deviations above has the score `2^(z / 2)`: 1 for an ordinary row, 4 at
//! four deviations, 8 at six. For one forest that rises with its score and so keeps every order; two forests are compared by how
//! unusual a row is to each.

use bevy_ecs::prelude::*;
use corec_api::row::TableRow;
use corec_core::blocks::Blocks;
use corec_core::digest::Saved;
use corec_core::rng::Draws;
use corec_core::section::ScenarioSettings;
use corec_core::simulation::RunScenario;
use corec_dynamics::forest::{self, IsolationForest, Rows, Settings, Walk};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::settings::{RowDetector, Telemetry};
use crate::twin::Twin;

/// Rows that a forest is grown on, at most.
pub const ROWS: usize = 1024;
/// Rows between two forests; there is none before so many.
pub const EVERY: usize = 128;
/// Numbers that it is shown of a column.
const PER_COLUMN: usize = 2;
/// Columns of a table that a forest takes.
pub const COLUMNS_MAX: usize = forest::COLUMNS_MAX / PER_COLUMN;
/// The largest value that it is shown, either way: a range of such values is an f32 still.
const VALUE_MAX: f64 = 1e37;
/// The least deviation of a forest's scores, which lie within 0..=1. Rows that are alike have nearly none, and none of them would be
/// ordinary. So eight is some 0.24 above the mean at least: about 0.7, which the paper calls clear.
const DEVIATION_MIN: f64 = 0.04;

/// The rows that a forest is grown on, and the forest.
#[derive(Resource, Debug, Default, Serialize, Deserialize)]
pub struct RowForest {
    /// Rows learned.
    learned: u64,
    columns: u32,
    /// The last rows, those since the forest was grown among them.
    values: Vec<f32>,
    /// Of each of these rows.
    #[serde(skip)]
    hashes: Vec<u64>,
    #[serde(skip)]
    grown: Option<Grown>,
    /// The score of this tick's row; none while there is no forest.
    #[serde(skip)]
    score: Option<f32>,
}

/// A forest, and the scores of the rows that it was grown on.
#[derive(Debug)]
struct Grown {
    walk: Walk,
    mean: f64,
    deviation: f64,
}

impl Saved for RowForest {
    const NAME: &'static str = "row_forest";
    const SINCE: u16 = 4;

    fn is_part(&self) -> bool {
        self.learned > 0
    }

    fn hash(&self) -> Option<u64> {
        Some(xxh3_64_with_seed(bytemuck::cast_slice(&self.hashes), self.learned))
    }

    fn restore(&mut self, saved: Self) {
        *self = saved;
        let columns = self.columns.max(1) as usize;
        self.hashes = self.values.chunks(columns).map(hash_of).collect();
    }
}

fn hash_of(row: &[f32]) -> u64 {
    xxh3_64(bytemuck::cast_slice(row))
}

impl RowForest {
    /// The score of this tick's row; none while there is no forest.
    pub fn score(&self) -> Option<f32> {
        self.score
    }

    /// Scores a row and learns it. All values are finite; a row has as many as the one before.
    fn take(&mut self, row: &[f32], seed: u64, score_max: f64) {
        if self.grown.is_none() && self.learned >= EVERY as u64 {
            self.grow(seed);
        }
        self.score = self.grown.as_ref().map(|grown| grown.score(row, score_max));
        self.columns = row.len() as u32;
        self.values.extend_from_slice(row);
        self.hashes.push(hash_of(row));
        self.learned += 1;
        if self.learned.is_multiple_of(EVERY as u64) {
            let over = self.hashes.len().saturating_sub(ROWS);
            self.hashes.drain(..over);
            self.values.drain(..over * row.len());
            self.grown = None;
        }
    }

    /// Grows the forest on the rows up to the last multiple of [`EVERY`].
    fn grow(&mut self, seed: u64) {
        let since = (self.learned % EVERY as u64) as usize;
        let columns = self.columns as usize;
        let known = self.values.len().saturating_sub(since * columns);
        let number = self.learned / EVERY as u64;
        let words = Draws::new(seed, "row forest").words(number, 0, 0);
        let seed = u64::from(words[0]) << 32 | u64::from(words[1]);
        let grown = Rows::new(&self.values[..known], columns).and_then(|rows| {
            let forest = IsolationForest::fit(&Settings { seed, ..Settings::default() }, rows)?;
            let scores = forest.score_samples(rows)?;
            Ok((forest.walk(), scores))
        });
        // Finite rows of one width, at most as many as a forest takes: a table of more columns was refused.
        let Ok((walk, scores)) = grown else { return };
        let n = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / n;
        let variance = scores.iter().map(|score| (score - mean) * (score - mean)).sum::<f64>() / n;
        self.grown = Some(Grown { walk, mean, deviation: variance.sqrt().max(DEVIATION_MIN) });
    }
}

impl Grown {
    fn score(&self, row: &[f32], score_max: f64) -> f32 {
        // scikit-learn's scores are the lower, the more a row stands apart.
        let z = (self.mean - self.walk.score(row)) / self.deviation;
        libm::exp2(z / 2.0).min(score_max) as f32
    }
}

/// What the twins of a column find, summed over them.
#[derive(Clone, Copy, Default)]
pub struct Found {
    twins: u32,
    distance: f32,
    mean: f64,
}

impl Found {
    /// What the forest is shown of a column whose value is this.
    fn shown(&self, value: f64) -> [f32; PER_COLUMN] {
        let twins = self.twins.max(1);
        let value = if value.is_nan() { self.mean / f64::from(twins) } else { value };
        [self.distance / twins as f32, value.clamp(-VALUE_MAX, VALUE_MAX) as f32]
    }
}

/// Whether the scenario wants it.
pub fn is_wanted(settings: Option<Res<ScenarioSettings<Telemetry>>>, row: Option<Res<TableRow>>) -> bool {
    let settings = settings.and_then(|settings| settings.0);
    row.is_some() && settings.is_some_and(|settings| settings.detector == RowDetector::Forest)
}

/// Measure, before the scores of rows: scores the tick's row by the forest.
pub fn judge(
    row: Option<Res<TableRow>>,
    blocks: Blocks<&Twin>,
    settings: Res<ScenarioSettings<Telemetry>>,
    scenario: Res<RunScenario>,
    mut forest: ResMut<RowForest>,
    mut sums: Local<Vec<Found>>,
    mut shown: Local<Vec<f32>>,
) {
    let (Some(row), Some(settings)) = (row, settings.0.as_ref()) else { return };
    sums.clear();
    sums.resize(row.values.len(), Found::default());
    let mut is_warm = false;
    blocks.for_each(|twins| {
        for twin in twins {
            is_warm |= twin.seen > u64::from(settings.warmup);
            let (value, found) = (row.values[twin.column as usize], &mut sums[twin.column as usize]);
            found.twins += 1;
            found.mean += twin.mean;
            if !value.is_nan() {
                // What the twin has learned moved its mean towards the value, and not past it.
                found.distance += if value < twin.mean { -twin.score } else { twin.score };
            }
        }
    });
    // What twins say that still warm up is nothing to learn from.
    if is_warm {
        shown.clear();
        shown.extend(sums.iter().zip(&row.values).flat_map(|(found, value)| found.shown(*value)));
        forest.take(&shown, scenario.0.seed, settings.score_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows around 0, of two columns, from a small generator.
    fn rows(count: u32) -> Vec<[f32; 2]> {
        let mut state = 3u32;
        let mut unit = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        (0..count).map(|_| [(); 2].map(|()| unit() + unit() + unit() - 1.5)).collect()
    }

    #[test]
    fn a_row_apart_scores_high_and_ordinary_ones_low() {
        let mut forest = RowForest::default();
        let mut highest = 0f32;
        for row in rows(1500) {
            forest.take(&row, 7, 20.0);
            highest = highest.max(forest.score().unwrap_or(0.0));
        }
        forest.take(&[9.0, -9.0], 7, 20.0);
        let apart = forest.score().unwrap();
        assert!(apart > 3.0 && apart > highest * 0.8, "{apart}, others up to {highest}");
        forest.take(&[0.0, 0.0], 7, 20.0);
        assert!(forest.score().unwrap() < 1.0, "{forest:?}");
    }

    #[test]
    fn memory_is_bounded_and_the_first_rows_have_no_score() {
        let mut forest = RowForest::default();
        for (at, row) in rows(3000).iter().enumerate() {
            forest.take(row, 7, 20.0);
            assert_eq!(forest.score().is_some(), at >= EVERY, "row {at}");
            assert!(
                forest.values.len() < 2 * (ROWS + EVERY) && forest.hashes.len() * 2 == forest.values.len()
            );
        }
    }

    #[test]
    fn a_restored_forest_goes_on_to_the_same_bits() {
        let rows = rows(1290);
        for at in [1, 129, 1280] {
            let (mut whole, mut part) = (RowForest::default(), RowForest::default());
            rows[..at].iter().for_each(|row| whole.take(row, 7, 20.0));
            let bytes = serde_json::to_vec(&whole).unwrap();
            part.restore(serde_json::from_slice(&bytes).unwrap());
            assert_eq!(part.hash(), whole.hash());
            for row in rows[at..].iter().take(140) {
                whole.take(row, 7, 20.0);
                part.take(row, 7, 20.0);
                assert_eq!(
                    part.score().map(f32::to_bits),
                    whole.score().map(f32::to_bits),
                    "restored at {at}"
                );
            }
            assert_eq!(part.hash(), whole.hash());
        }
    }
}
