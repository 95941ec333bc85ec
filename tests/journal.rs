//! What came from outside is in the journal, and a run can be done again from it alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use corec::prelude::{Draws, rng};
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
    assert!(err.contains("other.csv: No such file"), "{err}");
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

/// `COREC_KILLS=200 cargo test --release --test journal pipe` for more of them.
#[test]
fn no_row_of_a_pipe_is_lost_or_taken_twice_across_kills() {
    let kills: usize = std::env::var("COREC_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let count = 50 * (kills + 2);
    let rows: Vec<String> =
        (1..=count).map(|row| format!("{},{},{row}\n", row * 37 % 101, row / 10)).collect();
    fs::write(path.join("table.csv"), format!("wave,step,sequence\n{}", rows.concat())).unwrap();
    let whole = telemetry(path, &["--out", "whole"]);
    assert_eq!(
        whole["table"]["columns"],
        serde_json::json!(["wave", "step"]),
        "a sequence is no measurement"
    );
    assert!(std::process::Command::new("mkfifo").arg(path.join("pipe")).status().unwrap().success());
    let draws = Draws::new(11, "kills");
    let mut ticks: Vec<u64> = (0..kills as u64)
        .map(|n| 1 + u64::from(rng::below(draws.words(n, 0, 0)[0], count as u32 - 1)))
        .collect();
    ticks.sort_unstable();
    ticks.dedup();
    let last = *ticks.last().unwrap();
    for (n, kill) in ticks.iter().map(|tick| Some(*tick)).chain([None]).enumerate() {
        // In turn between two ticks, and within one: the row is in the journal and not applied yet.
        let flag = if n % 2 == 0 { "--kill-at" } else { "--kill-in" };
        let tick = kill.unwrap_or(0).to_string();
        let mut arguments =
            vec!["run", "--input", "pipe", "--ack", "ack", "--snapshot-interval", "25", "--json"];
        arguments.extend(if n == 0 {
            ["telemetry", "--out", "run"]
        } else {
            ["--restore", "run", "--quiet"]
        });
        arguments.extend(if kill.is_some() { vec![flag, &tick] } else { vec![] });
        let output = std::thread::scope(|scope| {
            // The last time it sends everything again.
            scope.spawn(|| feed(path, &rows, kill.is_none()));
            command(path, &arguments).output().unwrap()
        });
        let err = String::from_utf8_lossy(&output.stderr);
        let acknowledged: u64 = fs::read_to_string(path.join("ack")).unwrap().trim().parse().unwrap();
        if let Some(kill) = kill {
            assert_eq!(output.status.code(), None, "killed at {kill}: {err}");
            assert_eq!(
                acknowledged,
                kill + (n % 2) as u64,
                "a row a tick, and none that is not in the journal"
            );
            continue;
        }
        assert_eq!(output.status.code(), Some(0), "{err}");
        let s: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&s["state_digest"], &s["tick"]), (&whole["state_digest"], &whole["tick"]));
        let taken = last + (ticks.len() as u64 + 1) % 2;
        assert_eq!(
            (acknowledged, number(&s, "rows_repeated")),
            (count as u64, taken as f64),
            "left out, and counted"
        );
    }
    // The feeder's ledger, the journal and what was applied.
    let journal = json(path, &["inspect", "run/journal"], 0);
    assert_eq!(number(&journal["inputs"][1], "records"), count as f64);
    let found = json(path, &["replay", "run"], 0);
    assert_eq!((&found["digest"], number(&found, "tick")), (&whole["state_digest"], count as f64));
}

#[test]
fn an_acknowledgement_needs_numbered_rows() {
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), 10);
    let arguments = ["run", "telemetry", "--input", "table.csv", "--ack", "ack"];
    support::refused(folder.path(), &arguments, "--ack: the table has no column 'sequence'");
}
