//! Opinion: an isolation forest says how much each block stands apart.
//!
//! It is grown at each audit, on a window of what blocks were like in the last audits, and a fixed frame. A tree splits between the least
//! and the most that it has seen: without the frame all that is further out would be the same to it. Rows are seen as how far off they are
//! in each feature, beyond what is usual and up to what is far. The frame has two rows for each: the far one leaves room for splits out
//! there, so that the further out a row is, the sooner it is alone; the near one keeps rows that are hardly off from being alone there.

use corec_core::rng::{Draws, below};
use serde::{Deserialize, Serialize};

use super::memory::{FEATURES, Row};
use crate::forest::{ForestError, IsolationForest, MaxSamples, Rows, Settings};

/// Standard deviations up to which a difference is usual, and from which on all are as far.
const USUAL: f32 = 2.5;
const FAR: f32 = 12.0;
/// Where the frame's near rows are. At 4 and at 6 as many of the test's disturbances are found.
const NEAR: f32 = 5.0;
/// Rows of the frame.
const FRAME: usize = 2 * FEATURES;
/// A window is renewed in so many audits, where there are enough blocks.
const AUDITS: usize = 4;

/// What blocks that did not stand apart were like in the last audits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    rows: Vec<Row>,
    /// The row that is the next to go.
    oldest: u32,
}

impl Window {
    /// Takes rows of an audit in, some drawn by chance where there are more than a share of the window.
    pub fn take(&mut self, size: usize, rows: &[Row], draws: &Draws, tick: u64) {
        if self.rows.len() > size || (self.rows.len() < size && self.oldest > 0) {
            // A fork may have a window of another size: the newest rows, in order.
            self.rows.rotate_left(self.oldest as usize);
            self.rows.drain(..self.rows.len().saturating_sub(size));
            self.oldest = 0;
        }
        let share = (size / AUDITS).max(1);
        for at in 0..rows.len().min(share) {
            let drawn = below(draws.words(at as u64, tick, 1)[0], rows.len() as u32) as usize;
            let row = rows[if rows.len() > share { drawn } else { at }];
            if self.rows.len() < size {
                self.rows.push(row);
            } else {
                self.rows[self.oldest as usize % size] = row;
                self.oldest = (self.oldest + 1) % size as u32;
            }
        }
    }

    /// Grows a forest on the window and the frame; none while the window has fewer rows than the frame.
    ///
    /// # Errors
    /// Settings that are not allowed.
    pub fn grow(&self, trees: u32, seed: u64) -> Result<Option<IsolationForest>, ForestError> {
        if self.rows.len() < FRAME {
            return Ok(None);
        }
        let mut rows: Vec<Row> = frame().to_vec();
        rows.extend_from_slice(&self.rows);
        let max_samples = MaxSamples::Count(rows.len() as u32);
        let settings = Settings { n_estimators: trees, max_samples, seed, ..Settings::default() };
        IsolationForest::fit(&settings, Rows::new(rows.as_flattened(), FEATURES)?).map(Some)
    }
}

/// How the forest sees a row of standard deviations.
pub fn seen(standard: &Row) -> Row {
    standard.map(|far| (far.abs().min(FAR) - USUAL).max(0.0))
}

/// One near row and one far row of each feature.
fn frame() -> [Row; FRAME] {
    std::array::from_fn(|at| {
        let mut row = [0.0; FEATURES];
        row[at / 2] = if at % 2 == 0 { FAR } else { NEAR };
        seen(&row)
    })
}

#[cfg(test)]
mod tests {
    use corec_core::rng::unit;
    use proptest::prelude::*;

    use super::*;

    /// Rows as blocks have them: about normal, of deviation 1.
    pub(super) fn usual(count: u64) -> Vec<Row> {
        let draws = Draws::new(5, "rows");
        let row = |row| -> Row {
            std::array::from_fn(|feature| {
                let words = (0..3).flat_map(|draw| draws.words(row, feature as u64, draw));
                words.map(unit).sum::<f32>() - 6.0
            })
        };
        (0..count).map(|at| seen(&row(at))).collect()
    }

    fn score(forest: &IsolationForest, row: Row) -> f64 {
        -forest.score_samples(Rows::new(&row, FEATURES).expect("a row")).expect("of its width")[0]
    }

    #[test]
    fn the_further_out_the_higher_the_score_also_beyond_all_that_was_seen() {
        let mut window = Window::default();
        for tick in 0..4 {
            window.take(244, &usual(1000), &Draws::new(1, "audit"), tick);
        }
        assert_eq!(window.rows.len(), 244);
        let forest = window.grow(100, 9).expect("settings").expect("a full window");
        let scores: Vec<f64> = usual(1000).into_iter().map(|row| score(&forest, row)).collect();
        let most = scores.iter().copied().fold(0.0, f64::max);
        assert!(most < 0.5, "rows as were seen: {most}");
        for feature in 0..FEATURES {
            let out = |far: f32, features: usize| {
                let mut row = [0.0; FEATURES];
                (0..features).for_each(|more| row[(feature + more) % FEATURES] = far);
                score(&forest, seen(&row))
            };
            let rising = [2.0, 4.0, 6.0, 8.0, 10.0, 12.0].map(|far| out(far, 1));
            assert!(rising.is_sorted(), "feature {feature}: {rising:?}");
            assert!(rising[1] < 0.49 && rising[4] > 0.5 && rising[5] > 0.55, "feature {feature}: {rising:?}");
            assert!(out(8.0, 2) > rising[3], "feature {feature}: in two features it is more");
        }
    }

    proptest! {
        #[test]
        fn what_is_seen_grows_with_distance_on_either_side_up_to_what_is_far(a in -200f32..200.0, b in -200f32..200.0) {
            let [low, high, ..] = seen(&[a.abs().min(b.abs()), a.abs().max(b.abs()), a, b, 0.0, 0.0]);
            prop_assert!(0.0 <= low && low <= high && high <= FAR - USUAL);
            prop_assert_eq!(seen(&[a; FEATURES]), seen(&[-a; FEATURES]));
        }
    }

    #[test]
    fn a_window_keeps_the_latest_rows() {
        let (mut window, draws) = (Window::default(), Draws::new(1, "audit"));
        for tick in 0..20 {
            window.take(16, &[[tick as f32; FEATURES]; 3], &draws, tick);
        }
        let mut ticks: Vec<f32> = window.rows.iter().map(|row| row[0]).collect();
        ticks.sort_by(f32::total_cmp);
        assert_eq!((ticks.len(), ticks[0], ticks[15]), (16, 14.0, 19.0));
    }
}
