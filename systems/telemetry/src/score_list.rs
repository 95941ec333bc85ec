//! Score list: the scores of labelled rows in their order, for the volumes that order decides.
//!
//! Part of the state, so that a restored run has the rows before. Bounded: beyond [`ROWS_MAX`] rows it is let go, and stays so, for
//! a part of the rows would have another volume.

use bevy_ecs::resource::Resource;
use corec_core::digest::Saved;
use corec_core::units::grouped;
use serde::{Deserialize, Serialize};

use crate::vus::{Volume, WINDOW, volume};

/// Labelled rows whose scores are kept: 17 MB.
pub const ROWS_MAX: usize = 4_000_000;

/// Scores of labelled rows, in the order of the rows.
#[derive(Resource, Clone, Debug, Default, Serialize, Deserialize)]
pub struct ScoreList {
    scores: Vec<f32>,
    /// A bit for each score, set for an anomaly; 64 a word.
    labels: Vec<u64>,
    /// Of every score so far, in order.
    hash: u64,
    /// Whether there were too many.
    is_over: bool,
}

impl Saved for ScoreList {
    const NAME: &'static str = "row_score_list";
    const SINCE: u16 = 4;

    fn is_part(&self) -> bool {
        !self.scores.is_empty() || self.is_over
    }

    fn hash(&self) -> Option<u64> {
        Some(self.hash)
    }
}

impl ScoreList {
    /// Takes the score of the next labelled row; `hash` is of all scores up to it.
    pub(crate) fn add(&mut self, score: f32, is_anomaly: bool, hash: u64) {
        self.hash = hash;
        if self.scores.len() == ROWS_MAX {
            *self = Self { hash, is_over: true, ..Self::default() };
        }
        if self.is_over {
            return;
        }
        let at = self.scores.len();
        if at.is_multiple_of(64) {
            self.labels.push(0);
        }
        self.labels[at / 64] |= u64::from(is_anomaly) << (at % 64);
        self.scores.push(score);
    }

    /// The volumes under the curves of all `rows` labelled rows, at the window [`WINDOW`]; none when only one class was seen.
    /// Sorts the scores once.
    ///
    /// # Errors
    /// Why they can't be told.
    pub fn volume(&self, rows: u64) -> Result<Option<Volume>, String> {
        if self.is_over {
            let (found, most) = (grouped(rows), grouped(ROWS_MAX as u64));
            return Err(format!("{found} labelled rows, of at most {most}"));
        }
        if self.scores.len() as u64 != rows {
            return Err("an older version of CoreC kept no order of the rows before the restore".into());
        }
        // A list that was read from a damaged snapshot may lack words.
        let is_anomaly = |at: usize| self.labels.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1);
        Ok(volume(&self.scores, is_anomaly, WINDOW))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_the_volume_of_its_rows_in_order() {
        let label = |at: usize| at % 100 >= 95;
        let scores: Vec<f32> = (0..1000).map(|at| (at % 7) as f32 + f32::from(u8::from(label(at)))).collect();
        let mut list = ScoreList::default();
        assert!(!list.is_part());
        scores.iter().enumerate().for_each(|(at, score)| list.add(*score, label(at), 1));
        assert_eq!(list.volume(1000), Ok(volume(&scores, label, WINDOW)));
        assert!(list.volume(1100).unwrap_err().contains("older version"));
    }

    #[test]
    fn a_list_of_too_many_rows_is_let_go() {
        let mut list = ScoreList::default();
        (0..ROWS_MAX).for_each(|at| list.add(1.0, at == 7, 1));
        assert!(list.volume(ROWS_MAX as u64).is_ok_and(|volume| volume.is_some()));
        list.add(1.0, false, 2);
        assert!(list.is_part() && list.scores.capacity() == 0 && list.hash() == Some(2));
        let why = list.volume(ROWS_MAX as u64 + 1).unwrap_err();
        assert_eq!(why, "4,000,001 labelled rows, of at most 4,000,000");
    }
}
