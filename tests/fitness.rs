//! Repair selects: with it a population gets fitter than it was born, without it it decays.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use serde_json::Value;
use support::{json, number};

/// All of `ecosystem` in a release build, a tenth of it where every update is ten times slower.
const ENTITIES: &str = if cfg!(debug_assertions) { "100k" } else { "1M" };

fn without_repair(folder: &std::path::Path) -> String {
    let text = include_str!("../assets/scenarios/ecosystem.json");
    let mut scenario: Value = serde_json::from_str(text).unwrap();
    for group in scenario["blocks"].as_array_mut().unwrap() {
        group["repair"] = Value::Bool(false);
    }
    let path = folder.join("without.json");
    fs::write(&path, scenario.to_string()).unwrap();
    path.to_str().unwrap().to_string()
}

#[test]
fn fitness_ends_higher_with_repair_and_a_tenth_lower_without() {
    for (load, ticks) in [("0.5", "1000"), ("1.0", "200")] {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["--entities", ENTITIES, "--load", load, "--ticks", ticks];
        let with = json(folder.path(), &[&["run", "ecosystem"], &arguments[..]].concat(), 0);
        let (start, end) = (number(&with, "fitness_start"), number(&with, "fitness_end"));
        assert!(end > start, "load {load}: from {start} to {end}");
        assert!(number(&with, "repairs") > 0.0);

        let scenario = without_repair(folder.path());
        let without = json(folder.path(), &[&["run", &scenario], &arguments[..]].concat(), 0);
        let lower = number(&without, "fitness_end");
        assert!(lower <= end - 0.1, "load {load}: {lower} without repair, {end} with");
        assert_eq!(number(&without, "repairs"), 0.0);
        assert!(number(&without, "alerts") > 0.0, "blocks that decay raise alerts");
        assert_eq!(number(&with, "alerts"), 0.0);
    }
}
