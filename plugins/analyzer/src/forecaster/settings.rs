//! The settings say how forecasters learn and how rows are scored; their numbers come from a search on train files.

use super::INPUTS;

/// How forecasters learn and how rows are scored. One setting serves every data set.
///
/// The numbers were chosen on train files only: the one that finds most of the anomalies injected there
/// (see plugins/analyzer/README.md). In the comments of [`ForecastSettings::default`] a pair is the mean average precision on the
/// machines (SMD) / on the channels (SMAP) with that number, all others as they are. Other injections move both by more
/// than neighbours differ (.333/.393 for these settings), so neighbours are as good as equal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForecastSettings {
    /// Lags in samples, each within `1..=RING`.
    pub lags: [u32; INPUTS],
    /// Step size of the first sample, as a part of the error; normalised steps turn unstable near 2.
    pub rate_first: f32,
    /// Lowest step size: `rate = max(rate_first / (1 + n / rate_halving_samples), rate_last)`.
    pub rate_last: f32,
    /// Samples after which the step size has halved.
    pub rate_halving_samples: f32,
    /// Lowest weight of a sample in the running mean and variance; the `n`-th weighs `1 / n` before.
    pub level_rate: f32,
    /// Lowest weight of an error in the running scale; the `n`-th weighs `1 / n` before.
    pub scale_rate: f32,
    /// Scales up to which an error is trusted, by the weights, the lags and the scale itself.
    pub trust: f32,
    /// Lowest scale and deviation, as a part of the column's trusted range so far.
    pub floor: f32,
    /// Samples before the first score; their errors are trusted up to the whole range.
    pub warmup_samples: u32,
    /// Residual above which a column's share of a row's score grows no more, in scales.
    pub residual_max: f32,
    /// What a row's score is of its columns' clipped residuals.
    pub aggregate: Aggregate,
    /// Weight of a row in the running mean that is its score; 1 leaves rows as they are.
    pub row_rate: f32,
}

/// One number from the clipped residuals of a row's columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregate {
    /// The mean of that many highest, at most [`TOP_MAX`](super::TOP_MAX).
    Top(u32),
    /// The mean of all, each to that power.
    MeanPower(u32),
}

impl Default for ForecastSettings {
    fn default() -> Self {
        Self {
            // .364/.493; dense 1..=12 .321/.499; from 4, 16, 32 samples back .351/.499, .344/.487, .324/.489.
            lags: [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64],
            // .01 .333/.479, .03 .339/.488, .1 .364/.493, .3 .354/.432.
            rate_first: 0.1,
            // No matter up to .001; .003 .362/.493, .01 .344/.493.
            rate_last: 0.001,
            // 100 .322/.490, 300 .364/.493, 1000 .364/.464.
            rate_halving_samples: 300.0,
            // .0001 .364/.493, .001 .353/.492, .003 .284/.493, .01 .281/.487.
            level_rate: 0.0001,
            // .0001 .345/.477, .0003 .369/.477, .001 .364/.493, .003 .293/.510.
            scale_rate: 0.001,
            // 1 .060/.290, 3 .211/.451, 5 .311/.499, 7 .364/.493, 10 .350/.475, 30 .330/.478, no bound .266/.437.
            trust: 7.0,
            // .001 .364/.493, .003 .323/.499, .01 .260/.429, .1 .194/.131; less was not tried.
            floor: 0.001,
            // Not searched: two turns of the ring.
            warmup_samples: 128,
            // With the next two searched together; sums: the mean of all .648, of their squares .673, of the two
            // highest .782, the highest .846 at 20 and .2.
            residual_max: 20.0,
            aggregate: Aggregate::Top(1),
            row_rate: 0.2,
        }
    }
}

impl ForecastSettings {
    /// The step size of the `seen`-th sample.
    pub(super) fn rate(&self, seen: u32) -> f32 {
        (self.rate_first / (1.0 + seen as f32 / self.rate_halving_samples)).max(self.rate_last)
    }
}
