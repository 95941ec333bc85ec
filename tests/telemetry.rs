//! Replaying a table: a twin for every column, scores, alerts, labels.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use support::skip::shared_data;
use support::{corec, json, number, refused};

/// A table of three columns with a label: two waves and one that is constant, with spikes that are labelled.
fn table(rows: usize) -> String {
    let mut text = "timestamp,wave,slow,flat,label\n".to_string();
    for i in 0..rows {
        let is_spike = i > 400 && i % 97 < 2;
        let wave = ((i * 37) % 101) as f64 / 100.0 + if is_spike { 5.0 } else { 0.0 };
        let slow = (i % 500) as f64 / 500.0;
        let flat = if is_spike { "1.5" } else { "1.25" };
        writeln!(
            text,
            "2024-01-01 {:02}:{:02}:00,{wave},{slow},{flat},{}",
            i / 60 % 24,
            i % 60,
            u8::from(is_spike)
        )
        .unwrap();
    }
    text
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_string()
}

#[test]
fn spikes_are_told_from_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let input = write(folder.path(), "t.csv", &table(3000));
    let s = json(folder.path(), &["run", "telemetry", "--input", &input], 0);
    assert_eq!((number(&s, "ticks"), number(&s, "entities")), (3000.0, 9.0), "three columns, three replicas");
    assert_eq!(number(&s, "entity_updates"), 27000.0);
    assert!(number(&s, "roc_auc") > 0.99 && number(&s, "pr_auc") > 0.9, "{} {}", s["roc_auc"], s["pr_auc"]);
    assert!(number(&s, "alerts") > 0.0);
    assert_eq!(s["table"]["columns"], serde_json::json!(["wave", "slow", "flat"]));
    for threads in ["1", "3"] {
        let other = json(folder.path(), &["run", "telemetry", "--input", &input, "--threads", threads], 0);
        assert_eq!(s["state_digest"], other["state_digest"]);
        assert_eq!(s["roc_auc"], other["roc_auc"]);
    }
    let db =
        rusqlite::Connection::open(folder.path().join(s["out"].as_str().unwrap()).join("store.db")).unwrap();
    let scores: i64 =
        db.query_row("SELECT count(*) FROM metrics WHERE name = 'row_score'", [], |r| r.get(0)).unwrap();
    assert_eq!(scores, 3000, "the score of every row is kept");
}

#[test]
fn ticks_only_shorten_and_one_class_has_no_areas() {
    let folder = tempfile::tempdir().unwrap();
    let input = write(folder.path(), "t.csv", &table(500));
    let short = json(folder.path(), &["run", "telemetry", "--input", &input, "--ticks", "100"], 0);
    assert_eq!(number(&short, "ticks"), 100.0);
    assert!(short["roc_auc"].is_null() && short["pr_auc"].is_null());
    let long = json(folder.path(), &["run", "telemetry", "--input", &input, "--ticks", "9999"], 0);
    assert_eq!(number(&long, "ticks"), 500.0);
}

#[test]
fn gaps_are_counted_and_named_and_change_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let text = "a;b;host\n1;2;x\n;3;y\nNaN;inf;z\n4;5;x\n";
    let s = json(folder.path(), &["run", "telemetry", "--input", &write(folder.path(), "g.csv", text)], 0);
    assert_eq!(s["table"]["gaps"], 3);
    assert_eq!(s["table"]["gaps_by_column"], serde_json::json!([["a", 2], ["b", 1]]));
    assert_eq!(s["table"]["left_out"], serde_json::json!(["host"]));
    assert_eq!(number(&s, "faults"), 0.0);
}

#[test]
fn a_bad_header_does_not_start_and_a_broken_row_fails_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    refused(
        at,
        &["run", "telemetry", "--input", &write(at, "a.csv", "1,2\n3,4\n")],
        "must be a header of column names",
    );
    refused(
        at,
        &["run", "telemetry", "--input", &write(at, "b.csv", "a,b\n1,2\n3\n")],
        "line 3: found 1 cells",
    );
    let mut broken = table(300);
    broken.push_str("2024-01-02 00:00:00,0.5,oops,1.25,0\n");
    let output = corec(at, &["run", "telemetry", "--input", &write(at, "c.csv", &broken), "--json"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("line 302, column 'slow': found 'oops', must be a number"), "{err}");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(number(&summary, "ticks"), 301.0, "what was read before is kept");
    assert!(summary["error"].as_str().unwrap().contains("oops"));
}

#[test]
fn windows_stand_in_for_labels() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("set")).unwrap();
    let mut text = "timestamp,value\n".to_string();
    for i in 0..600 {
        let value = ((i * 37) % 101) as f64 + if (420..430).contains(&i) { 900.0 } else { 0.0 };
        writeln!(text, "2024-01-01 {:02}:{:02}:00,{value}", i / 60, i % 60).unwrap();
    }
    let input = write(at, "set/v.csv", &text);
    let windows = r#"{"set/v.csv": [["2024-01-01 07:00:00.000000", "2024-01-01 07:09:00.000000"]]}"#;
    let windows = write(at, "w.json", windows);
    let s = json(at, &["run", "telemetry", "--input", &input, "--windows", &windows], 0);
    assert!(number(&s, "roc_auc") > 0.95, "{}", s["roc_auc"]);
    fs::remove_dir_all(at.join("runs")).unwrap();
    refused(
        at,
        &["run", "telemetry", "--input", &write(at, "other.csv", &text), "--windows", &windows],
        "found no windows",
    );
}

#[test]
fn labelled_machines_of_the_development_data_are_scored() {
    let Some(machine) = shared_data("smd/machine-1-2_test.csv.gz") else { return };
    let folder = tempfile::tempdir().unwrap();
    let s = json(folder.path(), &["run", "telemetry", "--input", machine.to_str().unwrap()], 0);
    assert_eq!((number(&s, "ticks"), number(&s, "entities")), (23694.0, 114.0));
    assert!(number(&s, "roc_auc") > 0.8, "{}", s["roc_auc"]);
}

#[test]
fn windows_of_the_development_data_are_scored() {
    let (Some(windows), Some(nab)) =
        (shared_data("nab/combined_windows.json"), shared_data("nab/realAWSCloudwatch/grok_asg_anomaly.csv"))
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let paths = [nab.to_str().unwrap(), windows.to_str().unwrap()];
    let s = json(folder.path(), &["run", "telemetry", "--input", paths[0], "--windows", paths[1]], 0);
    assert!(number(&s, "roc_auc") > 0.5, "{}", s["roc_auc"]);
}
