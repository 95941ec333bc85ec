//! A run that is stopped, killed or copied goes on as if nothing had happened.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use support::{command, json, number, refused};

const RUN: [&str; 5] = ["run", "--entities", "60k", "--load", "0.7"];

fn run(folder: &Path, more: &[&str]) -> Value {
    json(folder, &[&RUN, more].concat(), 0)
}

#[test]
fn a_restored_run_ends_with_the_digest_of_one_that_was_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let whole = run(folder.path(), &["--ticks", "90", "--out", "whole"]);
    let half = run(folder.path(), &["--ticks", "50", "--snapshot-interval", "25", "--out", "half"]);
    assert_eq!(number(&half["snapshots"], "written"), 2.0);
    for (threads, out) in [("1", "one"), ("2", "two"), ("8", "eight")] {
        let arguments = ["run", "--restore", "half", "--ticks", "90", "--threads", threads, "--out", out];
        let s = json(folder.path(), &arguments, 0);
        assert_eq!((number(&s, "restored_at"), number(&s, "tick"), number(&s, "ticks")), (50.0, 90.0, 40.0));
        for key in
            ["state_digest", "faults", "repairs", "alerts", "entity_updates", "fitness_start", "fitness_end"]
        {
            assert!(!whole[key].is_null(), "{key} is missing");
            assert_eq!(s[key], whole[key], "{key}, {threads} threads");
        }
    }
    let first = "half/snapshots/tick-000000000025.corec";
    let s = json(folder.path(), &["run", "--restore", first, "--ticks", "90", "--out", "first"], 0);
    assert_eq!((number(&s, "restored_at"), &s["state_digest"]), (25.0, &whole["state_digest"]));
}

#[test]
fn a_signal_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--ticks", "1000000", "--json", "--out", "stopped"];
    let mut child = command(folder.path(), &[&RUN[..], &arguments].concat());
    let child = child.stdout(std::process::Stdio::null()).spawn().unwrap();
    while !folder.path().join("stopped/store.db").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(300));
    let kill = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
    let text = fs::read_to_string(folder.path().join("stopped/summary.json")).unwrap();
    let stopped: Value = serde_json::from_str(&text).unwrap();
    let tick = number(&stopped, "tick") as u64;
    let more = (tick + 20).to_string();
    let s = json(folder.path(), &["run", "--restore", "stopped", "--ticks", &more, "--out", "on"], 0);
    assert_eq!(
        s["state_digest"],
        run(folder.path(), &["--ticks", &more])["state_digest"],
        "stopped at {tick}"
    );
}

#[test]
fn what_a_restored_run_can_not_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["--ticks", "10", "--snapshot-interval", "5", "--out", "saved"]);
    let restore = |more: &[&str], wanted: &str| {
        refused(folder.path(), &[&["run", "--restore", "saved"], more].concat(), wanted);
    };
    restore(&["--seed", "7"], "--seed: found 7, must be 42 as in the snapshot");
    restore(&["--entities", "50k"], "--entities: found 50000, must be 60000");
    restore(&["--load", "0.5"], "--load: found 0.5, 0.5, 0.5, must be 0.7, 0.7, 0.7");
    refused(folder.path(), &["run", "--restore", "nothing"], "nothing: No such file");
    refused(
        folder.path(),
        &["run", "--snapshot-interval", "0"],
        "must be a number of ticks (100) or of seconds (30s)",
    );
    // Same values, given all the same, are fine.
    json(folder.path(), &["run", "--restore", "saved", "--seed", "42", "--load", "0.7", "--out", "fine"], 0);
}

#[test]
fn the_newest_whole_snapshot_is_taken_and_a_damaged_one_named() {
    let folder = tempfile::tempdir().unwrap();
    let saved = ["--ticks", "15", "--tick-rate", "50", "--snapshot-interval", "5", "--out", "saved"];
    run(folder.path(), &saved);
    let files = fs::read_dir(folder.path().join("saved/snapshots")).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let newest = &files[2];
    let mut bytes = fs::read(newest).unwrap();
    bytes[5000] ^= 4;
    fs::write(newest, &bytes).unwrap();
    let arguments = ["run", "--restore", "saved", "--ticks", "15", "--out", "on", "--json"];
    let output = support::corec(folder.path(), &arguments);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        err.contains("passed over") && err.contains(newest.file_name().unwrap().to_str().unwrap()),
        "{err}"
    );
    let s: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!((5.0..15.0).contains(&number(&s, "restored_at")), "{}", s["restored_at"]);
    refused(folder.path(), &["run", "--restore", newest.to_str().unwrap(), "--out", "x"], "checksum");
}
