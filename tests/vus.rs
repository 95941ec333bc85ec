//! VUS: the volumes under the curves are TSB-AD's, whose figures `scripts/vus-golden.py` has written.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use corec_telemetry::vus::volume;
use serde::Deserialize;

/// Scores and labels, and what TSB-AD has for them.
#[derive(Deserialize)]
struct Golden {
    made_by: String,
    window: usize,
    scores: Vec<f32>,
    labels: Vec<u8>,
    vus_pr: f64,
    vus_roc: f64,
}

#[test]
fn volumes_are_those_of_tsb_ad() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vus");
    let mut compared = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let golden: Golden = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let found = volume(&golden.scores, |at| golden.labels[at] == 1, golden.window).unwrap();
        let name = path.file_stem().unwrap().display();
        let Golden { made_by, vus_pr, vus_roc, .. } = &golden;
        assert!((found.pr - vus_pr).abs() < 1e-6, "{name}: VUS-PR {} is not {vus_pr} of {made_by}", found.pr);
        assert!(
            (found.roc - vus_roc).abs() < 1e-6,
            "{name}: VUS-ROC {} is not {vus_roc} of {made_by}",
            found.roc
        );
        compared += 1;
    }
    assert!(compared >= 9, "{compared} files");
}

#[test]
fn a_hundred_thousand_rows_are_judged_as_the_definition_says() {
    // One run of ten rows in every thousand, whose scores come five rows late: all of it is near, and half of it is within.
    let labels: Vec<bool> = (0..100_000).map(|at| at % 1000 >= 990).collect();
    let scores: Vec<f32> =
        (0..100_000usize).map(|at| if at % 1000 >= 995 || at % 1000 < 5 { 1.0 } else { 0.0 }).collect();
    let found = volume(&scores, |at| labels[at], 100).unwrap();
    let on_time =
        volume(&labels.iter().map(|label| f32::from(*label)).collect::<Vec<_>>(), |at| labels[at], 100)
            .unwrap();
    assert!(found.pr > 0.5 && found.pr < on_time.pr, "{found:?} {on_time:?}");
}
