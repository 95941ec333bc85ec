//! Who scores the rows of a table: the twins or a forest. Both to the same bits, on one scale, and quiet where nothing is the matter.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::Value;
use support::skip::shared_data;
use support::{json, kill_with_a_snapshot, number, read_json, refused, said, start};

/// Columns that go together but in labelled rows, where each is within its own range: only a look at all of them tells.
fn table(rows: u32) -> String {
    let (mut text, mut state) = ("a,b,c,label\n".to_string(), 5u32);
    let mut unit = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24)
    };
    for i in 0..rows {
        let is_anomaly = i > 500 && i % 200 >= 195;
        let (load, noise) = (unit() + unit(), [unit(), unit(), unit()]);
        let [a, b, c] = if is_anomaly { [2.6, -0.6, 2.6] } else { [load, load, 2.0 - load] };
        writeln!(
            text,
            "{:.4},{:.4},{:.4},{}",
            a + 0.1 * noise[0],
            b + 0.1 * noise[1],
            c + 0.1 * noise[2],
            u8::from(is_anomaly)
        )
        .unwrap();
    }
    text
}

fn run(folder: &Path, input: &str, detector: &str, more: &[&str]) -> Value {
    let arguments = ["run", "telemetry", "--input", input, "--detector", detector];
    json(folder, &[&arguments, more].concat(), 0)
}

#[test]
fn a_forest_scores_rows_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("t.csv"), table(3000)).unwrap();
    let s = run(at, "t.csv", "forest", &[]);
    assert_eq!(s["detector"], "forest");
    assert!(number(&s, "roc_auc") > 0.95 && number(&s, "vus_pr") > 0.3, "{} {}", s["roc_auc"], s["vus_pr"]);
    assert!(number(&s, "vus_pr") <= 1.0 && s["vus_missing"].is_null());
    // A hundred rows of warmup, and as many as the first forest takes.
    assert_eq!(number(&s, "rows_scored"), 3000.0 - 100.0 - 128.0);
    let scenario = &read_json(&at.join(s["out"].as_str().unwrap()).join("manifest.json"))["settings"];
    assert_eq!(scenario["telemetry"]["detector"], "forest");
    // The twins, as if nothing had been said.
    let (normal, unsaid) =
        (run(at, "t.csv", "normal", &[]), json(at, &["run", "telemetry", "--input", "t.csv"], 0));
    assert_eq!((&normal["detector"], &unsaid["detector"]), (&"twins".into(), &"twins".into()));
    for key in ["state_digest", "output_digest", "roc_auc", "pr_auc", "vus_pr"] {
        assert_eq!(normal[key], unsaid[key], "{key}");
    }
    assert_ne!(normal["roc_auc"], s["roc_auc"]);
    let text =
        String::from_utf8(support::corec(at, &["run", "telemetry", "--input", "t.csv"]).stdout).unwrap();
    assert!(text.contains(", VUS-PR 0."), "{text}");
}

#[test]
fn a_scenario_names_the_detector_and_a_flag_is_stronger() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("t.csv"), table(400)).unwrap();
    let text = support::corec(at, &["scenarios", "telemetry"]).stdout;
    let mut scenario: Value = serde_json::from_slice(&text).unwrap();
    scenario["telemetry"]["detector"] = "forest".into();
    fs::write(at.join("s.json"), scenario.to_string()).unwrap();
    let arguments = ["run", "s.json", "--input", "t.csv"];
    assert_eq!(json(at, &arguments, 0)["detector"], "forest");
    let flag = json(at, &[&arguments[..], &["--detector", "normal"]].concat(), 0);
    assert_eq!(flag["detector"], "twins");
    fs::remove_dir_all(at.join("runs")).unwrap();
    scenario["telemetry"]["detector"] = "florist".into();
    fs::write(at.join("s.json"), scenario.to_string()).unwrap();
    refused(at, &arguments, "telemetry.detector: unknown value 'florist'");
    refused(at, &arguments, "forest");
    let (status, error) = said(at, &["run", "telemetry", "--input", "t.csv", "--detector", "trees"]);
    assert!(status == Some(2) && error.contains("normal, forest"), "{error}");
    refused(
        at,
        &["run", "ecosystem", "--detector", "forest"],
        "--detector: scenario 'ecosystem' takes no table",
    );
}

#[test]
fn a_forest_has_the_same_bits_at_any_thread_count_and_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("t.csv"), table(2500)).unwrap();
    let whole = run(at, "t.csv", "forest", &["--threads", "1", "--out", "whole"]);
    let keys = ["state_digest", "output_digest", "roc_auc", "pr_auc", "vus_pr", "rows_scored", "alerts"];
    for threads in ["2", "3", "8"] {
        let other = run(at, "t.csv", "forest", &["--threads", threads]);
        keys.iter().for_each(|key| assert_eq!(other[key], whole[key], "{key} at {threads} threads"));
    }
    let arguments = ["run", "telemetry", "--input", "t.csv", "--detector", "forest", "--out", "part"];
    let paced = ["--snapshot-interval", "70", "--tick-rate", "1500"];
    kill_with_a_snapshot(start(at, &[&arguments[..], &paced].concat()), &at.join("part"));
    let (status, error) = said(at, &["run", "--restore", "part", "--detector", "normal"]);
    let wanted = "--detector: found normal, must be forest as in the snapshot, or not given";
    assert!(status == Some(2) && error.contains(wanted), "{error}");
    let part = json(at, &["run", "--restore", "part", "--tick-rate", "1000000"], 0);
    assert!(number(&part, "restored_at") >= 70.0);
    assert_eq!(part["detector"], "forest");
    for key in keys.iter().filter(|key| **key != "output_digest") {
        assert_eq!(part[key], whole[key], "{key} after a kill");
    }
    assert_eq!(json(at, &["replay", "part"], 0)["digest"], whole["state_digest"]);
}

#[test]
fn a_plugins_score_comes_before_the_forests() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("t.csv"), table(300)).unwrap();
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/analyzer/forecast");
    let s = run(at, "t.csv", "forest", &["--plugins", plugins.to_str().unwrap()]);
    assert!(s["detector"].as_str().unwrap().starts_with("analyzer (forecast)"), "{}", s["detector"]);
}

/// Fails if either detector raises more than one alert on a table in which nothing is the matter.
fn is_quiet(name: &str, input: &Path) {
    let folder = tempfile::tempdir().unwrap();
    for detector in ["normal", "forest"] {
        let s = run(folder.path(), input.to_str().unwrap(), detector, &["--store", "memory"]);
        let alerts = number(&s, "alerts");
        assert!(alerts <= 1.0, "{name}: {alerts} alerts with --detector {detector}");
    }
}

#[test]
fn tables_without_anomalies_raise_one_alert_at_most() {
    let Some(nab) = shared_data("nab/artificialNoAnomaly") else { return };
    let files = fs::read_dir(nab).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "csv")).collect();
    assert_eq!(files.len(), 5);
    files.iter().for_each(|path| is_quiet(&path.display().to_string(), path));
}

/// Fourteen days of 288 values each, as those tables have: a daily wave, a square one, a flat line, noise alone, jumps up and down.
#[test]
fn made_tables_without_anomalies_raise_one_alert_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = 11u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24)
    };
    let part = |i: u32| f64::from(i % 288) / 288.0;
    let is_day = |i: u32| (108..216).contains(&(i % 288));
    let write = |name: &str, value: &mut dyn FnMut(u32) -> f64| {
        let rows: String = (0..4032).map(|i| format!("{}\n", value(i))).collect();
        let path = folder.path().join(name);
        fs::write(&path, format!("value\n{rows}")).unwrap();
        is_quiet(name, &path);
    };
    let wave = |i: u32| 50.0 - 30.0 * cosine(part(i));
    write("wave.csv", &mut |i| wave(i) + 5.0 * noise());
    write("square.csv", &mut |i| if is_day(i) { 80.0 } else { 20.0 });
    write("flat.csv", &mut |_| 45.0);
    write("noise.csv", &mut |_| 20.0 * noise());
    // A level of its own for each hour of the day, held while it lasts.
    write("jumps.csv", &mut |i| f64::from(i % 288 / 12 * 7 % 24) + noise());
}

/// The cosine of a turn's part, from its series: enough for a wave.
fn cosine(turn: f64) -> f64 {
    let x = (turn - 0.5) * std::f64::consts::TAU;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..12 {
        term *= -x * x / f64::from((2 * k - 1) * 2 * k);
        sum += term;
    }
    -sum
}
