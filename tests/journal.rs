//! What came from outside is in the journal, and a run can be done again from it alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{command, corec, json, number};

/// A table of rows that depend on nothing but their number.
fn table(folder: &Path, rows: usize) {
    let mut text = "wave,step,label\n".to_string();
    for row in 0..rows {
        let wave = (row * 37 % 101) as f64 / 10.0 + if row % 50 == 49 { 9.0 } else { 0.0 };
        text += &format!("{wave},{},{}\n", row / 10, u8::from(row % 50 == 49));
    }
    fs::write(folder.join("table.csv"), text).unwrap();
}

fn telemetry(folder: &Path, more: &[&str]) -> Value {
    json(folder, &[&["run", "telemetry", "--input", "table.csv"], more].concat(), 0)
}

#[test]
fn a_run_is_replayed_without_its_input() {
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), 400);
    let run = telemetry(folder.path(), &["--out", "run"]);
    fs::remove_file(folder.path().join("table.csv")).unwrap();
    for threads in ["1", "2", "8"] {
        let found = json(folder.path(), &["replay", "run", "--threads", threads], 0);
        assert_eq!((number(&found, "tick"), number(&found, "same")), (400.0, 40.0));
        assert_eq!((&found["digest"], &found["differs"]), (&run["state_digest"], &Value::Null));
    }
    assert_eq!(number(&json(folder.path(), &["replay", "run", "--to", "55"], 0), "same"), 5.0);
    let journal = json(folder.path(), &["inspect", "run/journal"], 0);
    let count =
        |at: usize| (journal["inputs"][at]["input"].clone(), number(&journal["inputs"][at], "records"));
    assert_eq!(
        [count(0), count(1), count(2)],
        [("columns".into(), 1.0), ("row".into(), 400.0), ("digest".into(), 40.0)]
    );
    let other = ["run", "--restore", "run", "--input", "other.csv"];
    let err = String::from_utf8_lossy(&corec(folder.path(), &other).stderr).into_owned();
    assert!(err.contains("--input: found other.csv, must be table.csv"), "{err}");
}

#[test]
fn a_killed_run_goes_on_to_the_same_end() {
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), 300);
    let whole = telemetry(folder.path(), &["--out", "whole"]);
    for kill in ["1", "37", "100", "299"] {
        let arguments =
            ["run", "telemetry", "--input", "table.csv", "--snapshot-interval", "20", "--out", kill];
        let child =
            command(folder.path(), &[&arguments[..], &["--kill-at", kill]].concat()).output().unwrap();
        assert_eq!(child.status.code(), None, "killed");
        // Killed at tick 1 it has no snapshot, and a journal whose one row was not written yet.
        let on = json(folder.path(), &["run", "--restore", kill], 0);
        assert_eq!(
            (&on["state_digest"], &on["tick"]),
            (&whole["state_digest"], &whole["tick"]),
            "killed at {kill}"
        );
        assert_eq!(on["out"], kill, "it goes on in its own folder");
        let found = json(folder.path(), &["replay", kill], 0);
        assert_eq!(
            (&found["digest"], number(&found, "same")),
            (&whole["state_digest"], 30.0),
            "killed at {kill}"
        );
    }
}

#[test]
fn a_damaged_journal_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), 400);
    telemetry(folder.path(), &["--out", "run"]);
    let log = folder.path().join("run/journal/00000001.log");
    let mut bytes = fs::read(&log).unwrap();
    bytes[100] ^= 1;
    fs::write(&log, bytes).unwrap();
    let output = corec(folder.path(), &["replay", "run"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("00000001.log: byte ") && output.status.code() != Some(0), "{err}");
}

/// Sends the rows after the acknowledged one through the pipe, until the reader is gone or all are sent.
fn feed(folder: &Path, rows: &[String], forgets: bool) {
    use std::io::Write;
    let acknowledged = fs::read_to_string(folder.join("ack")).unwrap_or_default();
    let sent: usize = if forgets { 0 } else { acknowledged.trim().parse().unwrap_or(0) };
    let mut pipe = fs::OpenOptions::new().write(true).open(folder.join("pipe")).unwrap();
    let text = std::iter::once("wave,step,sequence\n").chain(rows[sent..].iter().map(String::as_str));
    for line in text {
        if pipe.write_all(line.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn no_row_of_a_pipe_is_lost_or_taken_twice_across_kills() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let rows: Vec<String> = (1..=400).map(|row| format!("{},{},{row}\n", row * 37 % 101, row / 10)).collect();
    fs::write(path.join("table.csv"), format!("wave,step,sequence\n{}", rows.concat())).unwrap();
    let whole = telemetry(path, &["--out", "whole"]);
    assert_eq!(
        whole["table"]["columns"],
        serde_json::json!(["wave", "step"]),
        "a sequence is no measurement"
    );
    assert!(std::process::Command::new("mkfifo").arg(path.join("pipe")).status().unwrap().success());
    let mut repeated = 0.0;
    for (n, kill) in [30, 31, 150, 299, 0].into_iter().enumerate() {
        let kill_at = kill.to_string();
        let mut arguments =
            vec!["run", "--input", "pipe", "--ack", "ack", "--snapshot-interval", "25", "--json"];
        arguments.extend(if n == 0 {
            ["telemetry", "--out", "run"]
        } else {
            ["--restore", "run", "--quiet"]
        });
        arguments.extend(if kill > 0 { vec!["--kill-at", &kill_at] } else { vec![] });
        let output = std::thread::scope(|scope| {
            // The last time it sends everything again.
            scope.spawn(|| feed(path, &rows, kill == 0));
            command(path, &arguments).output().unwrap()
        });
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), (kill == 0).then_some(0), "killed at {kill}: {err}");
        if kill == 0 {
            let s: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!((&s["state_digest"], &s["tick"]), (&whole["state_digest"], &whole["tick"]));
            repeated = number(&s, "rows_repeated");
        }
    }
    assert_eq!(fs::read_to_string(path.join("ack")).unwrap(), "400\n");
    assert_eq!(repeated, 299.0, "what was taken before is left out, and counted");
    let found = json(path, &["replay", "run"], 0);
    assert_eq!((&found["digest"], number(&found, "tick")), (&whole["state_digest"], 400.0));
}
