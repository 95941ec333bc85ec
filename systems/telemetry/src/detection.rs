//! Detection: whose the scores are, and how well they tell anomalies from the rest.
//!
//! Functions over scores and labels; accesses nothing.

use std::fmt;

use bevy_ecs::resource::Resource;
use corec_core::units::counted;

/// ROC-AUC and PR-AUC of scores against labels; none when only one class was seen.
///
/// ROC-AUC is the chance that an anomaly scores above a normal row, a tie counting half (Mann-Whitney). PR-AUC is
/// average precision: the sum of precision times the step in recall over descending thresholds, ties together, as
/// scikit-learn's `average_precision_score` has it.
///
/// ```
/// use corec_telemetry::detection::auc;
/// assert_eq!(auc(&mut vec![(0.9, true), (0.4, false), (0.6, true), (0.1, false)]), Some((1.0, 1.0)));
/// assert_eq!(auc(&mut vec![(0.9, true)]), None);
/// ```
pub fn auc(scored: &mut [(f32, bool)]) -> Option<(f64, f64)> {
    scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let ties = scored.chunk_by(|a, b| a.0 == b.0);
    areas(ties.map(|tied| {
        let hits = tied.iter().filter(|s| s.1).count() as u64;
        [tied.len() as u64 - hits, hits]
    }))
}

/// Both areas of normal rows and anomalies counted by score, the highest first.
pub(crate) fn areas(counts: impl Iterator<Item = [u64; 2]> + Clone) -> Option<(f64, f64)> {
    let [negatives, positives] =
        counts.clone().fold([0, 0], |sum, count| [sum[0] + count[0], sum[1] + count[1]]).map(|n| n as f64);
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let (mut roc, mut precision) = (0.0, 0.0);
    let (mut true_positives, mut seen) = (0.0, 0.0);
    for [misses, hits] in counts.map(|count| count.map(|n| n as f64)) {
        // Each miss lies below the hits so far, and half below its ties.
        roc += misses * (true_positives + hits / 2.0);
        true_positives += hits;
        seen += misses + hits;
        precision += hits / positives * (true_positives / seen);
    }
    Some((roc / (positives * negatives), precision))
}

/// Who scores a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detector {
    /// The twins, by their z-scores.
    Twins,
    /// An isolation forest: see [`row_forest`](crate::row_forest).
    Forest,
    /// A plugin, by a method of its own.
    Plugin {
        /// The plugin.
        plugin: &'static str,
        /// Its method.
        method: &'static str,
    },
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twins => f.write_str("twins"),
            Self::Forest => f.write_str("forest"),
            Self::Plugin { plugin, method } => write!(f, "{plugin} ({method})"),
        }
    }
}

/// How many rows of this process each detector has scored, in the order of their first ones.
#[derive(Resource, Clone, Debug, Default, PartialEq, Eq)]
pub struct Detectors(Vec<(Detector, u64)>);

impl Detectors {
    /// Counts a row.
    pub fn count(&mut self, detector: Detector) {
        match self.0.iter_mut().find(|(other, _)| *other == detector) {
            Some((_, rows)) => *rows += 1,
            None => self.0.push((detector, 1)),
        }
    }

    /// Their names: `twins` or `forest`; where there are several, each with its rows. None before the first row.
    ///
    /// ```
    /// use corec_telemetry::detection::{Detector, Detectors};
    /// let mut detectors = Detectors::default();
    /// detectors.count(Detector::Plugin { plugin: "analyzer", method: "forecast" });
    /// assert_eq!(detectors.names().as_deref(), Some("analyzer (forecast)"));
    /// detectors.count(Detector::Twins);
    /// assert_eq!(detectors.names().as_deref(), Some("analyzer (forecast) of 1 row, twins of 1 row"));
    /// ```
    pub fn names(&self) -> Option<String> {
        if let [(only, _)] = self.0[..] {
            return Some(only.to_string());
        }
        let of_rows = |rows: u64| counted(rows, "row");
        let names: Vec<String> =
            self.0.iter().map(|(detector, rows)| format!("{detector} of {}", of_rows(*rows))).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn roc_auc_is_the_share_of_pairs_in_order(scored in prop::collection::vec((0u8..6, any::<bool>()), 2..60)) {
            let scored: Vec<(f32, bool)> = scored.into_iter().map(|(s, l)| (f32::from(s), l)).collect();
            let (mut pairs, mut won) = (0.0, 0.0);
            for a in scored.iter().filter(|s| s.1) {
                for b in scored.iter().filter(|s| !s.1) {
                    pairs += 1.0;
                    won += if a.0 > b.0 { 1.0 } else if a.0 == b.0 { 0.5 } else { 0.0 };
                }
            }
            match auc(&mut scored.clone()) {
                Some((roc, pr)) => {
                    prop_assert!((roc - won / pairs).abs() < 1e-12);
                    prop_assert!((0.0..=1.0).contains(&pr));
                }
                None => prop_assert_eq!(pairs, 0.0),
            }
        }
    }

    /// scikit-learn 1.9.1: roc_auc_score 0.75, average_precision_score 0.8333333333333333 on its own documentation's
    /// example.
    #[test]
    fn both_areas_are_scikit_learns() {
        let (roc, pr) = auc(&mut [(0.1, false), (0.4, false), (0.35, true), (0.8, true)]).unwrap();
        assert!((roc - 0.75).abs() < 1e-12 && (pr - 0.833_333_333_333_333_3).abs() < 1e-12, "{roc} {pr}");
    }
}
