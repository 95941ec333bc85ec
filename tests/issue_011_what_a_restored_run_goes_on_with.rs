//! A restored run is the run: its scores, its options, its table. Broke: ROC and PR of the rows since the restore only, options
//! forgotten, a table that is found from one folder alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use support::{json, kill_with_a_snapshot, read_json, said, start};

/// Rows with labels, their values from a small generator.
fn table(rows: u32) -> String {
    let (mut text, mut state) = ("value,label\n".to_string(), 3u32);
    for i in 0..rows {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let is_anomaly = i % 500 > 480;
        let value = f64::from(state >> 16) / 6553.6 + if is_anomaly { 9.0 } else { 0.0 };
        writeln!(text, "{value:.3},{}", u8::from(is_anomaly)).unwrap();
    }
    text
}

#[test]
fn scores_before_the_restore_count() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("l.csv"), table(3000)).unwrap();
    let whole = json(at, &["run", "telemetry", "--input", "l.csv", "--out", "whole"], 0);
    let (roc, rows) = (whole["roc_auc"].as_f64().unwrap(), whole["rows_scored"].as_u64().unwrap());
    assert!(roc > 0.0 && roc < 1.0 && rows > 2800, "{roc} {rows}");
    let arguments = [
        "run",
        "telemetry",
        "--input",
        "l.csv",
        "--out",
        "part",
        "--snapshot-interval",
        "100",
        "--tick-rate",
        "2000",
    ];
    kill_with_a_snapshot(start(at, &arguments), &at.join("part"));
    let part = json(at, &["run", "--restore", "part"], 0);
    for key in ["roc_auc", "pr_auc", "rows_scored", "state_digest", "tick", "alerts"] {
        assert_eq!(part[key], whole[key], "{key}");
    }
    // Also with the snapshots gone, and in a replay.
    fs::remove_dir_all(at.join("part/snapshots")).unwrap();
    let again = json(at, &["run", "--restore", "part"], 0);
    assert_eq!(again["roc_auc"], whole["roc_auc"]);
    assert_eq!(json(at, &["replay", "part"], 0)["digest"], whole["state_digest"]);
}

#[test]
fn what_was_asked_for_goes_on_unless_it_is_given_anew() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let text: String = (1..=2000).map(|i| format!("{i},{}\n", i % 7)).collect();
    fs::write(at.join("t.csv"), format!("sequence,x\n{text}")).unwrap();
    let arguments = [
        "run",
        "telemetry",
        "--input",
        "t.csv",
        "--out",
        "r",
        "--snapshot-interval",
        "20",
        "--snapshot-keep",
        "2",
        "--digest-interval",
        "5",
        "--ack",
        "acked",
        "--tick-rate",
        "1000",
        "--ticks",
        "600",
    ];
    kill_with_a_snapshot(start(at, &arguments), &at.join("r"));
    // From another folder, with a profile that is not gone on with.
    let elsewhere = at.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let s = json(&elsewhere, &["run", "--restore", "../r"], 0);
    assert_eq!(s["tick"], 600);
    assert_eq!(fs::read_to_string(at.join("acked")).unwrap(), "600\n");
    let manifest = read_json(&at.join("r/manifest.json"));
    assert_eq!((&manifest["digest_count"], &manifest["options"]["snapshot_keep"]), (&120.into(), &2.into()));
    let kept = fs::read_dir(at.join("r/snapshots")).unwrap().count();
    assert_eq!(kept, 2, "the newest two, up to tick 600");
    let s = json(&elsewhere, &["run", "--restore", "../r", "--ticks", "700", "--digest-interval", "100"], 0);
    assert_eq!(s["tick"], 700);
    assert_eq!(read_json(&at.join("r/manifest.json"))["digest_count"], 121);
    let (status, err) = said(at, &["run", "--restore", "r", "--ticks", "100"]);
    assert!(status == Some(2) && err.contains("--ticks: found 100, must be at least 700"), "{err}");
    let (status, err) = said(at, &["run", "--restore", "r", "-q"]);
    assert!(status == Some(0) && err.contains("is at tick 700 and was to do no more"), "{err}");
}

#[test]
fn the_same_table_by_another_name_is_the_same_table() {
    let folder = tempfile::tempdir().unwrap();
    // Deep enough that no file of somebody else's is beside a folder above.
    let at = &folder.path().join("a/b/c");
    fs::create_dir_all(at).unwrap();
    fs::create_dir(at.join("data")).unwrap();
    fs::write(at.join("data/t.csv"), table(400)).unwrap();
    let whole = json(at, &["run", "telemetry", "--input", "data/t.csv", "--out", "whole"], 0);
    json(
        at,
        &[
            "run",
            "telemetry",
            "--input",
            "data/t.csv",
            "--ticks",
            "200",
            "--out",
            "r",
            "--snapshot-interval",
            "50",
        ],
        0,
    );
    fs::rename(at.join("data/t.csv"), at.join("u.csv")).unwrap();
    let (status, err) = said(at, &["run", "--restore", "r", "--ticks", "400"]);
    assert!(
        status == Some(2) && err.contains("is not there any more") && err.contains("--input FILE"),
        "{err}"
    );
    let s = json(at, &["run", "--restore", "r", "--ticks", "400", "--input", "u.csv"], 0);
    assert_eq!(s["state_digest"], whole["state_digest"]);
}

#[test]
fn a_moved_project_is_found_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    fs::create_dir(&old).unwrap();
    fs::write(old.join("t.csv"), table(300)).unwrap();
    let whole = json(&old, &["run", "telemetry", "--input", "t.csv"], 0);
    json(
        &old,
        &[
            "run",
            "telemetry",
            "--input",
            "t.csv",
            "--ticks",
            "100",
            "--snapshot-interval",
            "50",
            "--snapshot",
            "runs/0002/s",
        ],
        0,
    );
    fs::rename(&old, &new).unwrap();
    let s = json(folder.path(), &["run", "--restore", "new/runs/0002", "--ticks", "300"], 0);
    assert_eq!((&s["restored_at"], &s["state_digest"]), (&100.into(), &whole["state_digest"]));
}

#[test]
fn a_pipe_without_numbers_goes_on_with_what_comes() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let rows =
        |range: std::ops::Range<u32>| range.map(|i| format!("{},{}\n", i % 7, i % 11)).collect::<String>();
    fs::write(at.join("whole.csv"), format!("a,b\n{}", rows(0..200))).unwrap();
    let whole = json(at, &["run", "telemetry", "--input", "whole.csv"], 0);
    assert!(std::process::Command::new("mkfifo").arg(at.join("pipe")).status().unwrap().success());
    let feed = |range, arguments: &[&str]| {
        let child = start(at, arguments);
        fs::write(at.join("pipe"), format!("a,b\n{}", rows(range))).unwrap();
        child.wait_with_output().unwrap().status.code()
    };
    let first = ["run", "telemetry", "--input", "pipe", "--out", "r", "--snapshot-interval", "30"];
    assert_eq!(feed(0..120, &first), Some(0));
    assert_eq!(feed(120..200, &["run", "--restore", "r"]), Some(0));
    let s = read_json(&at.join("r/summary.json"));
    assert_eq!((&s["tick"], &s["state_digest"]), (&200.into(), &whole["state_digest"]));
    // What came after the last snapshot can't come again: a run that goes on elsewhere takes it along.
    for snapshot in fs::read_dir(at.join("r/snapshots")).unwrap().map(|entry| entry.unwrap().path()) {
        if !snapshot.ends_with("tick-000000000180.corec") {
            fs::remove_file(snapshot).unwrap();
        }
    }
    assert_eq!(feed(200..210, &["run", "--restore", "r", "--out", "on"]), Some(0));
    assert_eq!(read_json(&at.join("on/summary.json"))["tick"], 210);
    json(at, &["replay", "on"], 0);
}

#[test]
fn a_store_that_is_given_anew_stays() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let arguments = ["run", "--entities", "100", "--ticks", "20", "--snapshot-interval", "10", "--out", "r"];
    json(at, &arguments, 0);
    json(at, &["run", "--restore", "r", "--ticks", "30", "--store", "memory"], 0);
    let s = json(at, &["run", "--restore", "r", "--ticks", "40"], 0);
    assert_eq!(s["store"], "memory");
}

/// The rows that a pipe sends again are left out, and the text of the summary says so.
#[test]
fn rows_that_come_again_are_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let at: &Path = folder.path();
    let good: String = (1..=200).map(|i| format!("{i},{}\n", 20 + i % 5)).collect();
    let again: String = (1..=150).map(|i| format!("{i},{}\n", 90 + i % 5)).collect();
    fs::write(at.join("s.csv"), format!("sequence,temp\n{good}{again}")).unwrap();
    let output = support::corec(at, &["run", "telemetry", "--input", "s.csv", "--out", "r"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("150 rows left out, taken before"), "{text}");
    let s = read_json(&at.join("r/summary.json"));
    assert_eq!((&s["ticks"], &s["rows_repeated"], &s["alerts"]), (&200.into(), &150.into(), &0.into()));
    json(at, &["replay", "r"], 0);
}
