//! A row's score is one number from the residuals of its columns, averaged over some rows.

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};

use super::TOP_MAX;
use super::settings::{Aggregate, ForecastSettings};

/// The running score of rows: a plain row of 4 bytes, all zeros at the start.
#[derive(Pod, Zeroable, Serialize, Deserialize, Clone, Copy, Default, PartialEq, Debug)]
#[repr(C)]
pub struct RowScore {
    smoothed: f32,
}

impl RowScore {
    /// The score of a row from the residuals of its columns: their aggregate, averaged over about `1 / row_rate`
    /// rows, within `0..=residual_max` (to its power).
    pub fn step(&mut self, residuals: &[f32], settings: &ForecastSettings) -> f32 {
        self.smoothed += settings.row_rate * (aggregate(residuals, settings) - self.smoothed);
        self.smoothed
    }
}

/// A row's score on its own: one number from its columns' residuals, each clipped at `residual_max`. 0 for no columns.
pub fn aggregate(residuals: &[f32], settings: &ForecastSettings) -> f32 {
    let clipped = residuals.iter().map(|residual| residual.min(settings.residual_max));
    match settings.aggregate {
        Aggregate::Top(columns) => {
            let columns = (columns as usize).min(TOP_MAX).min(residuals.len());
            let mut highest = [0.0f32; TOP_MAX];
            for mut residual in clipped {
                for kept in &mut highest[..columns] {
                    if residual > *kept {
                        std::mem::swap(&mut residual, kept);
                    }
                }
            }
            mean(highest[..columns].iter().copied())
        }
        Aggregate::MeanPower(power) => mean(clipped.map(|residual| {
            let mut product = 1.0;
            for _ in 0..power {
                product *= residual;
            }
            product
        })),
    }
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (mut sum, mut count) = (0.0f32, 0.0f32);
    for value in values {
        sum += value;
        count += 1.0;
    }
    if count > 0.0 { sum / count } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rows_score_is_the_highest_clipped_residual_at_first() {
        let settings = ForecastSettings { row_rate: 1.0, ..ForecastSettings::default() };
        assert_eq!(aggregate(&[1.0, 3.0, 2.0], &settings), 3.0);
        assert_eq!(aggregate(&[1.0, 30.0, 2.0], &settings), settings.residual_max);
        assert_eq!(aggregate(&[], &settings), 0.0);
        let top = ForecastSettings { aggregate: Aggregate::Top(2), ..settings };
        assert_eq!(aggregate(&[1.0, 3.0, 2.0], &top), 2.5);
        let squares = ForecastSettings { aggregate: Aggregate::MeanPower(2), ..settings };
        assert_eq!(aggregate(&[1.0, 3.0], &squares), 5.0);
    }
}
