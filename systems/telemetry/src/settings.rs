//! Settings: how twins learn what is normal, and how many a column has.

use corec_core::section::Section;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who scores the rows of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowDetector {
    /// The twins: the mean of the three columns that are furthest from normal.
    #[default]
    Normal,
    /// An isolation forest over what the twins find of all columns, on the last 1024 rows, grown anew every 128 rows.
    Forest,
}

impl RowDetector {
    /// Their names, as a scenario and `--detector` have them.
    pub const NAMES: [&'static str; 2] = ["normal", "forest"];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Normal, Self::Forest].into_iter().find(|detector| detector.name() == name)
    }
}

/// How a twin learns what is normal for its column.
///
/// A twin keeps an exponentially weighted mean and deviation of its column. Its score is
/// `|value - mean| / deviation`, taken before the value is learned. The replicas of a column learn at different
/// speeds: their windows are spread evenly, on a logarithmic scale, from `window_min` to `window_max`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// Rows over which the quickest replica averages, at least 2. A single replica uses the geometric middle.
    pub window_min: f64,
    /// Rows over which the slowest replica averages, at least `window_min`.
    pub window_max: f64,
    /// Values of its column a twin sees before it scores, at least 2.
    pub warmup: u32,
    /// The least deviation, as a share of the column's range so far, 0..=1: a quiet column may stir a little.
    pub deviation_floor: f64,
    /// The largest score a twin gives, above 0: one wild column must not drown the others.
    pub score_max: f64,
    /// Who scores a row, unless a plugin does: `normal`, the twins, or `forest`, an isolation forest.
    pub detector: RowDetector,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            window_min: 200.0,
            window_max: 2000.0,
            warmup: 100,
            deviation_floor: 0.01,
            score_max: 20.0,
            detector: RowDetector::Normal,
        }
    }
}

impl Section for Telemetry {
    const NAME: &'static str = "telemetry";
    const RANGES: &'static [(&'static str, &'static str)] = &[
        ("warmup", "a whole number of at least 2"),
        ("deviation_floor", "within 0..=1"),
        ("detector", "normal or forest"),
    ];

    fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        let Self { window_min, window_max, warmup, deviation_floor, score_max, .. } = *self;
        if !(2.0..=1e9).contains(&window_min) {
            return Err(("window_min", window_min.to_string(), "within 2..=1e9 rows"));
        }
        if !(window_min..=1e9).contains(&window_max) {
            return Err(("window_max", window_max.to_string(), "within window_min..=1e9 rows"));
        }
        if warmup < 2 {
            return Err(("warmup", warmup.to_string(), "at least 2"));
        }
        if !(0.0..=1.0).contains(&deviation_floor) {
            return Err(("deviation_floor", deviation_floor.to_string(), "within 0..=1"));
        }
        if !(score_max > 0.0 && score_max.is_finite()) {
            return Err(("score_max", score_max.to_string(), "above 0"));
        }
        Ok(())
    }
}

/// Twins for each column of the input table, at least 1. Only for a group of twins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Replicas(pub u32);

impl Default for Replicas {
    fn default() -> Self {
        Self(1)
    }
}

impl Section for Replicas {
    const NAME: &'static str = "replicas";
    const RANGES: &'static [(&'static str, &'static str)] = &[("", "a whole number within 1..=100000")];

    fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        match (1..=100_000).contains(&self.0) {
            true => Ok(()),
            false => Err(("", self.0.to_string(), "within 1..=100000")),
        }
    }
}
