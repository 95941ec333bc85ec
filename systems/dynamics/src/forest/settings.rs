//! Settings: how a forest is grown, by scikit-learn's names and with its defaults.

use super::error::ForestError;
use super::rows::Rows;

/// Trees of a forest.
pub const TREES_MAX: u32 = 10_000;
/// Places for leaves in all trees together, each tree's a power of two: at most 100 bytes of memory each, and 5 KB for a tree that has few.
pub const PLACES_MAX: u64 = 1 << 24;

/// How many rows each tree is grown on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxSamples {
    /// 256, or all if there are fewer.
    Auto,
    /// So many, or all if there are fewer; at least 1.
    Count(u32),
    /// This share of the rows, within 0 (excluded) and 1, rounded down.
    Share(f64),
}

/// How many columns each tree is grown on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxFeatures {
    /// So many, at least 1 and at most all.
    Count(u32),
    /// This share of the columns, within 0 (excluded) and 1, rounded down, at least one column.
    Share(f64),
}

/// Which share of the rows are outliers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Contamination {
    /// As the paper has it: those with an anomaly score above 0.5.
    Auto,
    /// This share of the rows it is grown on, within 0 (excluded) and 0.5.
    Share(f64),
}

/// How a forest is grown. Names, meanings and defaults are those of scikit-learn's `IsolationForest`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Trees, 1 to [`TREES_MAX`]; 100.
    pub n_estimators: u32,
    /// Rows for each tree.
    pub max_samples: MaxSamples,
    /// Columns for each tree; all of them.
    pub max_features: MaxFeatures,
    /// What is an outlier.
    pub contamination: Contamination,
    /// Whether a tree's rows are drawn with replacement. A row that is drawn twice counts once, as in scikit-learn.
    pub bootstrap: bool,
    /// Of all draws: the same forest from the same seed and rows, at any number of threads.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            n_estimators: 100,
            max_samples: MaxSamples::Auto,
            max_features: MaxFeatures::Share(1.0),
            contamination: Contamination::Auto,
            bootstrap: false,
            seed: 0,
        }
    }
}

/// What settings come to for given rows.
pub(super) struct Sizes {
    pub samples: u32,
    pub features: u32,
    pub depth: u32,
}

impl Settings {
    /// Checks them, and says what they come to for `rows`.
    pub(super) fn sizes(&self, rows: Rows<'_>) -> Result<Sizes, ForestError> {
        let wrong = |name, found: String, allowed: String| Err(ForestError::Setting { name, found, allowed });
        if !(1..=TREES_MAX).contains(&self.n_estimators) {
            return wrong("n_estimators", self.n_estimators.to_string(), format!("within 1..={TREES_MAX}"));
        }
        let (n, columns) = (rows.len() as u32, rows.columns() as u32);
        let is_share = |share: f64| share > 0.0 && share <= 1.0;
        let samples = match self.max_samples {
            MaxSamples::Auto => n.min(256),
            MaxSamples::Count(count) if count > 0 => n.min(count),
            MaxSamples::Share(share) if is_share(share) => (share * f64::from(n)) as u32,
            found => {
                return wrong(
                    "max_samples",
                    format!("{found:?}"),
                    "at least 1, or a share within (0, 1]".into(),
                );
            }
        };
        if samples == 0 {
            let found = format!("{:?} of {n} rows, which is none", self.max_samples);
            return wrong("max_samples", found, "one row at least".into());
        }
        let features = match self.max_features {
            MaxFeatures::Count(count) if (1..=columns).contains(&count) => count,
            MaxFeatures::Share(share) if is_share(share) => ((share * f64::from(columns)) as u32).max(1),
            found => {
                let allowed = format!("within 1..={columns}, or a share within (0, 1]");
                return wrong("max_features", format!("{found:?}"), allowed);
            }
        };
        if let Contamination::Share(share) = self.contamination
            && !(share > 0.0 && share <= 0.5)
        {
            return wrong("contamination", share.to_string(), "auto, or within (0, 0.5]".into());
        }
        let sizes = Sizes { samples, features, depth: depth_max(samples) };
        check_places(self.n_estimators as usize, sizes.depth)?;
        Ok(sizes)
    }
}

/// The depth beyond which a tree on so many rows is not grown: ceil(log2(rows)), at least 1. Paper, section 4.1.
pub(super) fn depth_max(samples: u32) -> u32 {
    samples.max(2).next_power_of_two().ilog2()
}

/// Whether the trees fit into the memory that a forest may have.
pub(super) fn check_places(trees: usize, depth: u32) -> Result<(), ForestError> {
    let places = (trees as u64) << depth;
    if places > PLACES_MAX {
        let name = "n_estimators, max_samples";
        let allowed = format!("at most {PLACES_MAX} in all");
        return Err(ForestError::Setting {
            name,
            found: format!("{trees} trees of 2^{depth} leaves"),
            allowed,
        });
    }
    Ok(())
}
