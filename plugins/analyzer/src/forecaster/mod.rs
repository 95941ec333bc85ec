//! A forecaster is a small neural net of one column, trained online, whose normalised error is the column's score.
//!
//! One [`Forecaster`] follows one column. For every sample it
//!
//! 1. forecasts it from [`INPUTS`] lags: linear, ReLU, linear to one number;
//! 2. scores it: `|error| / scale`, with the scale of errors from before this sample;
//! 3. learns from it: one step of stochastic gradient descent on the squared error.
//!
//! What it learns from, and later forecasts from, is not the sample but what it *trusts* of it: the forecast plus the
//! error, the error no larger than [`ForecastSettings::trust`] scales. So one spike moves neither weights nor lags far, and a
//! fault that lasts is not taken for normal at once (the clipped innovation of robust filters: Masreliez and Martin
//! 1977, "Robust Bayesian estimation for the linear model and robustifying the Kalman filter").
//!
//! Steps use + - * / sqrt, comparisons and a fixed order of sums, nothing else: the same samples give the same bits.
//! A step allocates nothing. [`RowScore`] turns the residuals of a row's columns into the row's score.

mod settings;

mod row_score;

use bytemuck::{Pod, Zeroable};

pub use row_score::{RowScore, aggregate};
pub use settings::{Aggregate, ForecastSettings};

/// Lags that a forecast is made from.
pub const INPUTS: usize = 12;
/// Units of the hidden layer.
pub const HIDDEN: usize = 8;
/// Samples a column remembers: the longest lag.
pub const RING: usize = 64;
/// Highest size of a sample, in the column's unit; a larger one counts as missing. Its square still fits an `f32`.
pub const SAMPLE_MAX: f32 = 1e18;
/// Highest residual, in scales: what a change from next to nothing scores.
pub const RESIDUAL_MAX: f32 = 1e6;
/// Most columns that [`Aggregate::Top`] averages over.
pub const TOP_MAX: usize = 16;
/// Highest size of an input or an error that the net sees, in deviations of the column.
const INPUT_MAX: f32 = 4.0;

/// The state of one column, a plain row of 740 bytes. All zeros means not yet initialised: see [`Forecaster::init`].
#[derive(Pod, Zeroable, Clone, Copy, PartialEq, Debug)]
#[repr(C)]
pub struct Forecaster {
    /// Weights from lags to hidden units.
    hidden_weights: [[f32; INPUTS]; HIDDEN],
    hidden_bias: [f32; HIDDEN],
    /// Weights from hidden units to the forecast.
    out_weights: [f32; HIDDEN],
    out_bias: f32,
    /// The last [`RING`] trusted samples, less the origin; `head` is the oldest.
    ring: [f32; RING],
    /// The first sample. All below is relative to it, so that a column far from zero keeps its digits.
    origin: f32,
    /// Running mean and variance of trusted samples.
    mean: f32,
    variance: f32,
    /// Running mean of the sizes of trusted errors, in the column's unit.
    scale: f32,
    /// Lowest and highest trusted sample so far.
    lowest: f32,
    highest: f32,
    /// Samples learned from.
    seen: u32,
    head: u32,
}

/// What one forward pass computed.
struct ForwardPass {
    hidden: [f32; HIDDEN],
    /// The forecast, in deviations from the column's mean.
    forecast: f32,
}

impl Forecaster {
    /// Makes a fresh forecaster, its weights drawn from `uniform` (in `0..1`): within +-1/sqrt(inputs of the layer).
    pub fn init(&mut self, mut uniform: impl FnMut() -> f32) {
        *self = Self::zeroed();
        let bound = 1.0 / (INPUTS as f32).sqrt();
        for weight in self.hidden_weights.as_flattened_mut() {
            *weight = (2.0 * uniform() - 1.0) * bound;
        }
        let bound = 1.0 / (HIDDEN as f32).sqrt();
        for weight in &mut self.out_weights {
            *weight = (2.0 * uniform() - 1.0) * bound;
        }
    }

    /// Forecasts, scores and learns one sample. Returns its normalised residual: the error in scales, within
    /// `0..=RESIDUAL_MAX`.
    ///
    /// 0 during the warm-up and as long as the column has been constant; the first change of a constant column is
    /// `1 / floor`. A sample that is missing (not finite, or beyond [`SAMPLE_MAX`]) is 0 and changes nothing.
    pub fn step(&mut self, sample: f32, settings: &ForecastSettings) -> f32 {
        // False for NaN too.
        let is_present = sample.abs() <= SAMPLE_MAX;
        if !is_present {
            return 0.0;
        }
        if self.seen == 0 {
            self.origin = sample;
        }
        let sample = sample - self.origin;
        self.seen = self.seen.saturating_add(1);
        let is_warm = self.seen > settings.warmup_samples;

        let mut range = self.highest - self.lowest;
        let was_constant = range <= 0.0;
        if was_constant {
            // Its first change is all that is known of its range.
            range = sample.abs();
            if range <= 0.0 {
                return 0.0;
            }
        }
        let least = (settings.floor * range).max(f32::MIN_POSITIVE);
        let unit = self.variance.sqrt().max(least);
        let inputs = self.inputs(unit, &settings.lags);
        let pass = self.forward(&inputs);
        let forecast = self.mean + unit * pass.forecast;
        let error = sample - forecast;
        let scale = self.scale.max(least);
        let residual = if is_warm { (error.abs() / scale).min(RESIDUAL_MAX) } else { 0.0 };

        let bound = if is_warm && !was_constant { settings.trust * scale } else { range };
        let error = error.clamp(-bound, bound);
        self.learn(&inputs, &pass, settings.rate(self.seen) * (error / unit).clamp(-INPUT_MAX, INPUT_MAX));
        self.remember(forecast + error, error.abs(), settings);
        residual
    }

    /// What it expects of the next sample, in the column's unit.
    pub fn forecast(&self, settings: &ForecastSettings) -> f32 {
        let least = (settings.floor * (self.highest - self.lowest)).max(f32::MIN_POSITIVE);
        let unit = self.variance.sqrt().max(least);
        self.origin + self.mean + unit * self.forward(&self.inputs(unit, &settings.lags)).forecast
    }

    /// Whether these are numbers that steps can have made: a state from a file is used as it is.
    pub fn is_sound(&self) -> bool {
        let weights =
            self.hidden_weights.as_flattened().iter().chain(&self.hidden_bias).chain(&self.out_weights);
        let others =
            [self.out_bias, self.origin, self.mean, self.variance, self.scale, self.lowest, self.highest];
        weights.chain(&self.ring).chain(&others).all(|number| number.is_finite())
            && self.variance >= 0.0
            && self.scale >= 0.0
            && (self.head as usize) < RING
    }

    /// The lagged samples, in deviations (`unit`) from the mean.
    fn inputs(&self, unit: f32, lags: &[u32; INPUTS]) -> [f32; INPUTS] {
        lags.map(|lag| {
            let at = (self.head as usize + RING - lag as usize) % RING;
            ((self.ring[at] - self.mean) / unit).clamp(-INPUT_MAX, INPUT_MAX)
        })
    }

    fn forward(&self, inputs: &[f32; INPUTS]) -> ForwardPass {
        let mut hidden = self.hidden_bias;
        let mut forecast = self.out_bias;
        for ((hidden, weights), out) in hidden.iter_mut().zip(&self.hidden_weights).zip(&self.out_weights) {
            for (weight, input) in weights.iter().zip(inputs) {
                *hidden += weight * input;
            }
            *hidden = hidden.max(0.0);
            forecast += out * *hidden;
        }
        ForwardPass { hidden, forecast }
    }

    /// Moves every weight along the gradient of the forecast, so far that the forecast moves by about `push`.
    ///
    /// The step is divided by the gradient's squared length, as in normalised LMS (Nagumo and Noda 1967, "A learning
    /// method for system identification"): it needs no tuning to a column's unit and stays stable.
    fn learn(&mut self, inputs: &[f32; INPUTS], pass: &ForwardPass, push: f32) {
        let mut input_power = 1.0;
        for input in inputs {
            input_power += input * input;
        }
        let mut power = 1.0;
        for (hidden, out) in pass.hidden.iter().zip(&self.out_weights) {
            if *hidden > 0.0 {
                power += hidden * hidden + out * out * input_power;
            }
        }
        let push = push / power;
        self.out_bias += push;
        for (unit, hidden) in pass.hidden.iter().enumerate() {
            if *hidden > 0.0 {
                let back = push * self.out_weights[unit];
                self.out_weights[unit] += push * hidden;
                self.hidden_bias[unit] += back;
                for (weight, input) in self.hidden_weights[unit].iter_mut().zip(inputs) {
                    *weight += back * input;
                }
            }
        }
    }

    /// Takes a trusted sample and the size of its trusted error into the running numbers and the ring.
    fn remember(&mut self, sample: f32, error_size: f32, settings: &ForecastSettings) {
        let first = 1.0 / self.seen as f32;
        let weight = first.max(settings.level_rate);
        let off = sample - self.mean;
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
        self.scale += first.max(settings.scale_rate) * (error_size - self.scale);
        self.lowest = self.lowest.min(sample);
        self.highest = self.highest.max(sample);
        self.ring[self.head as usize] = sample;
        self.head = (self.head + 1) % RING as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in 0..1 (SplitMix64); the engine draws them from Philox.
    fn uniform(seed: u64) -> impl FnMut() -> f32 {
        let mut state = seed;
        move || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((word ^ (word >> 31)) >> 40) as f32 / (1 << 24) as f32
        }
    }

    fn fresh(seed: u64) -> Forecaster {
        let mut forecaster = Forecaster::zeroed();
        forecaster.init(uniform(seed));
        forecaster
    }

    /// A sine of period 50 by its recurrence, so that the test needs no sine.
    fn sine(samples: usize) -> Vec<f32> {
        let turn = 2.0 * 0.992_114_701_314_477_9_f64;
        let mut wave = vec![0.0f64, 0.125_333_233_564_304_24];
        while wave.len() < samples {
            wave.push(turn * wave[wave.len() - 1] - wave[wave.len() - 2]);
        }
        wave.into_iter().map(|value| value as f32).collect()
    }

    #[test]
    fn a_row_fits_its_budget() {
        assert_eq!(size_of::<Forecaster>(), 740);
    }

    #[test]
    fn learns_a_sine() {
        let settings = ForecastSettings::default();
        let mut forecaster = fresh(1);
        for sample in sine(20_000) {
            forecaster.step(sample, &settings);
        }
        // What it says of the next two periods.
        let mut error = 0.0f32;
        for sample in &sine(20_100)[20_000..] {
            error = error.max((sample - forecaster.forecast(&settings)).abs());
            forecaster.step(*sample, &settings);
        }
        assert!(error < 0.1, "largest error {error} of a sine of amplitude 1");
    }

    #[test]
    fn a_spike_scores_above_everything() {
        let settings = ForecastSettings::default();
        let mut forecaster = fresh(2);
        let mut noise = uniform(3);
        let mut samples: Vec<f32> = sine(5_000).iter().map(|value| value + 0.1 * noise()).collect();
        samples[4_000] += 1.5;
        let residuals: Vec<f32> = samples.iter().map(|sample| forecaster.step(*sample, &settings)).collect();
        for (at, residual) in residuals.iter().enumerate() {
            assert!(
                at == 4_000 || *residual < residuals[4_000],
                "{residual} at {at}, spike {}",
                residuals[4_000]
            );
        }
        let mut rows = RowScore::default();
        let scores: Vec<f32> = residuals.iter().map(|residual| rows.step(&[*residual], &settings)).collect();
        // The rows after it still have the spike among their lags.
        let ranked = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        assert!(
            (4_000..4_000 + RING).contains(&ranked.0),
            "highest row {ranked:?}, spike's {}",
            scores[4_000]
        );
    }

    #[test]
    fn a_level_that_stays_goes_on_scoring() {
        let settings = ForecastSettings::default();
        let mut forecaster = fresh(4);
        let mut noise = uniform(5);
        let mut score = |level: f32, samples: usize| {
            (0..samples).map(|_| forecaster.step(level + noise(), &settings)).sum::<f32>() / samples as f32
        };
        score(0.0, 1_000);
        let before = score(0.0, 1_000);
        let shifted = score(4.0, 100);
        assert!(shifted > 2.0 * before, "{shifted} after the shift, {before} before");
    }

    #[test]
    fn an_absurd_reading_does_not_deafen_the_column() {
        let settings = ForecastSettings::default();
        let mut forecaster = fresh(6);
        let mut noise = uniform(7);
        for _ in 0..1_000 {
            forecaster.step(noise(), &settings);
        }
        forecaster.step(1e17, &settings);
        for _ in 0..1_000 {
            forecaster.step(noise(), &settings);
        }
        let residual = forecaster.step(10.0, &settings);
        assert!(residual > 10.0, "{residual}");
    }

    #[test]
    fn a_constant_column_scores_zero_and_its_first_change_scores_one_over_the_floor() {
        let settings = ForecastSettings::default();
        let mut forecaster = fresh(8);
        for _ in 0..1_000 {
            assert_eq!(forecaster.step(7.0, &settings), 0.0);
        }
        let residual = forecaster.step(8.0, &settings);
        assert!((residual - 1.0 / settings.floor).abs() < 5.0, "{residual}");
    }

    #[test]
    fn the_unit_and_the_origin_of_a_column_do_not_matter() {
        let settings = ForecastSettings::default();
        let (mut plain, mut scaled) = (fresh(9), fresh(9));
        for sample in sine(3_000) {
            // 1024 and whole sixteenths: both exact in f32.
            let sample = (sample * 64.0) as i32 as f32;
            let here = plain.step(sample, &settings);
            assert_eq!(here.to_bits(), scaled.step(sample * 1024.0 + 65_536.0, &settings).to_bits());
        }
    }

    #[test]
    fn the_same_samples_give_the_same_bits() {
        let run = || {
            let settings = ForecastSettings::default();
            let mut forecaster = fresh(10);
            let mut noise = uniform(11);
            let bits: Vec<u32> = (0..3_000).map(|_| forecaster.step(noise(), &settings).to_bits()).collect();
            (bits, bytemuck::bytes_of(&forecaster).to_vec())
        };
        assert_eq!(run(), run());
    }

    #[test]
    fn a_missing_sample_changes_nothing() {
        let settings = ForecastSettings::default();
        let mut forecaster = fresh(12);
        let mut noise = uniform(13);
        for _ in 0..500 {
            forecaster.step(noise(), &settings);
        }
        let before = forecaster;
        for missing in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
            assert_eq!(forecaster.step(missing, &settings), 0.0);
            assert_eq!(bytemuck::bytes_of(&forecaster), bytemuck::bytes_of(&before));
        }
    }

    #[test]
    fn no_finite_sample_makes_a_residual_or_a_weight_that_is_not_finite() {
        let settings = ForecastSettings::default();
        let extremes = [0.0, 1e-45, -1e-38, 1e-30, 1.0, -1e5, 1e18, -1e18, 1e-20];
        for seed in 0..20 {
            let mut forecaster = fresh(seed);
            let mut draw = uniform(seed + 100);
            for step in 0..2_000 {
                let sample = extremes[(draw() * extremes.len() as f32) as usize] * draw();
                let residual = forecaster.step(sample, &settings);
                assert!(residual.is_finite() && residual >= 0.0, "{residual} at step {step} of seed {seed}");
            }
            let floats: &[f32] = &bytemuck::cast_slice(std::slice::from_ref(&forecaster))[..183];
            assert!(floats.iter().all(|value| value.is_finite()), "seed {seed}: {forecaster:?}");
        }
    }

    /// The forecast in `f64`, from parameters in the order of the row: hidden weights, hidden bias, out, out bias.
    fn forward_f64(parameters: &[f64], inputs: &[f32; INPUTS]) -> f64 {
        let (weights, rest) = parameters.split_at(INPUTS * HIDDEN);
        (0..HIDDEN).fold(rest[2 * HIDDEN], |sum, unit| {
            let hidden = (0..INPUTS)
                .fold(rest[unit], |sum, at| sum + weights[unit * INPUTS + at] * f64::from(inputs[at]));
            sum + rest[HIDDEN + unit] * hidden.max(0.0)
        })
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        const PARAMETERS: usize = INPUTS * HIDDEN + 2 * HIDDEN + 1;
        let parameters = |forecaster: &Forecaster| -> Vec<f64> {
            bytemuck::cast_slice::<_, f32>(std::slice::from_ref(forecaster))[..PARAMETERS]
                .iter()
                .map(|value| f64::from(*value))
                .collect()
        };
        for seed in 0..10 {
            let mut forecaster = fresh(seed);
            let mut draw = uniform(seed + 50);
            let inputs = [0.0f32; INPUTS].map(|_| 4.0 * draw() - 2.0);
            let before = parameters(&forecaster);
            let pass = forecaster.forward(&inputs);
            assert!((f64::from(pass.forecast) - forward_f64(&before, &inputs)).abs() < 1e-5);

            let gradient: Vec<f64> = (0..PARAMETERS)
                .map(|at| {
                    let (mut above, mut below) = (before.clone(), before.clone());
                    above[at] += 1e-6;
                    below[at] -= 1e-6;
                    (forward_f64(&above, &inputs) - forward_f64(&below, &inputs)) / 2e-6
                })
                .collect();
            let power: f64 = gradient.iter().map(|slope| slope * slope).sum();
            forecaster.learn(&inputs, &pass, 0.5);
            for (at, (after, slope)) in parameters(&forecaster).iter().zip(&gradient).enumerate() {
                let moved = after - before[at];
                let expected = 0.5 * slope / power;
                assert!(
                    (moved - expected).abs() < 1e-6,
                    "parameter {at}: moved {moved}, expected {expected}"
                );
            }
        }
    }
}
