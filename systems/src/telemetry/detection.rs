//! Detection: whose the scores are, how well they tell anomalies from the rest, and which rows are anomalies.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use corec_core::units::grouped;
use serde_json::Value;

/// Bytes a file of windows may have.
const WINDOW_BYTES_MAX: u64 = 64 << 20;

/// ROC-AUC and PR-AUC of scores against labels; none when only one class was seen.
///
/// ROC-AUC is the chance that an anomaly scores above a normal row, a tie counting half (Mann-Whitney). PR-AUC is
/// average precision: the sum of precision times the step in recall over descending thresholds, ties together, as
/// scikit-learn's `average_precision_score` has it.
///
/// ```
/// use corec_systems::telemetry::detection::auc;
/// assert_eq!(auc(&mut vec![(0.9, true), (0.4, false), (0.6, true), (0.1, false)]), Some((1.0, 1.0)));
/// assert_eq!(auc(&mut vec![(0.9, true)]), None);
/// ```
pub fn auc(scored: &mut [(f32, bool)]) -> Option<(f64, f64)> {
    let positives = scored.iter().filter(|s| s.1).count() as f64;
    let negatives = scored.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut roc, mut precision) = (0.0, 0.0);
    let (mut true_positives, mut seen) = (0.0, 0.0);
    for tied in scored.chunk_by(|a, b| a.0 == b.0) {
        let hits = tied.iter().filter(|s| s.1).count() as f64;
        let misses = tied.len() as f64 - hits;
        // Each miss lies below the hits so far, and half below its ties.
        roc += misses * (true_positives + hits / 2.0);
        true_positives += hits;
        seen += tied.len() as f64;
        precision += hits / positives * (true_positives / seen);
    }
    Some((roc / (positives * negatives), precision))
}

/// Who scores a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detector {
    /// The twins, by their z-scores.
    Twins,
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
            Self::Plugin { plugin, method } => write!(f, "{plugin} ({method})"),
        }
    }
}

/// How many rows each detector has scored, in the order of their first ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detectors(Vec<(Detector, u64)>);

impl Detectors {
    /// Counts a row.
    pub fn count(&mut self, detector: Detector) {
        match self.0.iter_mut().find(|(other, _)| *other == detector) {
            Some((_, rows)) => *rows += 1,
            None => self.0.push((detector, 1)),
        }
    }

    /// Their names: `twins`; where there are several, each with its rows. None before the first row.
    ///
    /// ```
    /// use corec_systems::telemetry::detection::{Detector, Detectors};
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
        let of_rows = |rows: u64| format!("{} row{}", grouped(rows), if rows == 1 { "" } else { "s" });
        let names: Vec<String> =
            self.0.iter().map(|(detector, rows)| format!("{detector} of {}", of_rows(*rows))).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

/// Spans of time that hold anomalies, as in NAB's `combined_windows.json`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Windows(Vec<(String, String)>);

impl Windows {
    /// Reads the windows of `table` from a file `{"folder/name.csv": [["from", "to"], ...], ...}`. The table is found
    /// by the end of its path.
    ///
    /// # Errors
    /// A text that says where, what was found and what is allowed.
    pub fn load(file: &Path, table: &Path) -> Result<Self, String> {
        let shown = file.display();
        let mut text = String::new();
        let read =
            File::open(file).and_then(|file| file.take(WINDOW_BYTES_MAX + 1).read_to_string(&mut text));
        read.map_err(|e| format!("{shown}: {e}"))?;
        if text.len() as u64 > WINDOW_BYTES_MAX {
            return Err(format!("{shown}: must be at most {WINDOW_BYTES_MAX} bytes"));
        }
        let root: Value = serde_json::from_str(&text).map_err(|e| format!("{shown}: {e}"))?;
        let Value::Object(tables) = root else { return Err(format!("{shown}: must be an object of tables")) };
        let Some((key, spans)) = tables.iter().find(|(key, _)| table.ends_with(Path::new(key))) else {
            return Err(format!(
                "{shown}: found no windows for {}: a key must be the end of that path, such as {}",
                table.display(),
                tables.keys().next().map_or("folder/name.csv", |k| k)
            ));
        };
        let wrong = || format!("{shown}: {key}: must be a list of [\"from\", \"to\"]");
        let spans = spans.as_array().ok_or_else(wrong)?.iter().map(|span| {
            let [from, to] = span.as_array()?.as_slice() else { return None };
            Some((comparable(from.as_str()?), comparable(to.as_str()?)))
        });
        spans.collect::<Option<Vec<_>>>().map(Self).ok_or_else(wrong)
    }

    /// Whether a time lies within a window, its ends included.
    pub fn contains(&self, timestamp: &str) -> bool {
        let at = comparable(timestamp);
        self.0.iter().any(|(from, to)| *from <= at && at <= *to)
    }
}

/// An ISO 8601 time in a form that compares as text: a space for `T`, no zone, no fraction of nothing.
fn comparable(timestamp: &str) -> String {
    let text = timestamp.trim().trim_end_matches('Z').replace('T', " ");
    match text.split_once('.') {
        Some((whole, fraction)) => {
            let fraction = fraction.trim_end_matches('0');
            if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") }
        }
        None => text,
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

    #[test]
    fn windows_are_found_by_the_end_of_the_path() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            r#"{"a/x.csv": [["2014-04-10 07:15:00.000000", "2014-04-11 16:45:00.000000"]]}"#,
        )
        .unwrap();
        let windows = Windows::load(file.path(), Path::new("/data/a/x.csv")).unwrap();
        assert!(windows.contains("2014-04-10 07:15:00") && windows.contains("2014-04-11T16:45:00Z"));
        assert!(!windows.contains("2014-04-10 07:14:59") && !windows.contains("2014-04-11 16:45:00.5"));
        let error = Windows::load(file.path(), Path::new("/data/b/x.csv")).unwrap_err();
        assert!(error.contains("found no windows for /data/b/x.csv"), "{error}");
    }
}
