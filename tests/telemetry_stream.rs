//! Rows of a table on a stream of Redis: as those of a file, each once, whoever is killed meanwhile.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use support::redis::{Appendonly, Options, Redis};
use support::{command, json, kill_with_a_snapshot, number, read_json, start};

/// A row as an entry has it.
fn row(n: u64) -> Value {
    let (a, b) = ((n % 40) as f64 / 40.0, (n * n % 97) as f64 / 97.0);
    let wild = if (700..705).contains(&n) { 9.0 } else { 0.0 };
    json!({ "time": format!("2026-01-01T{:02}:{:02}:{:02}Z", n / 3600, n / 60 % 60, n % 60), "temp": a + wild, "load": b })
}

/// The same rows as a file.
fn table(rows: u64) -> String {
    let mut text = "sequence,time,temp,load\n".to_string();
    for n in 1..=rows {
        let row = row(n);
        _ = writeln!(text, "{n},{},{},{}", row["time"].as_str().unwrap(), row["temp"], row["load"]);
    }
    text
}

/// Puts rows on a stream, as `corec feed` numbers them. One that is there already is left as it is.
fn feed(redis: &Redis, rows: std::ops::RangeInclusive<u64>) {
    for n in rows {
        let id = format!("{n}-0");
        while let Err(error) = redis.try_cli(&["XADD", "telemetry", &id, "data", &row(n).to_string()]) {
            if error.contains("equal or smaller") {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The digest of a run with the same rows from a file.
fn digest_of_file(folder: &Path, rows: u64) -> Value {
    std::fs::write(folder.join("table.csv"), table(rows)).unwrap();
    let whole = json(folder, &["run", "telemetry", "--input", "table.csv", "--out", "whole"], 0);
    assert_eq!(number(&whole, "tick"), rows as f64);
    whole["state_digest"].clone()
}

#[test]
fn rows_of_a_stream_are_those_of_a_file_and_what_is_no_row_is_counted() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let expected = digest_of_file(folder.path(), 300);
    feed(&redis, 1..=200);
    redis.cli(&["XADD", "telemetry", "200-1", "data", "{}"]);
    redis.cli(&["XADD", "telemetry", "201-0", "data", "no row"]);
    redis.cli(&["XADD", "telemetry", "202-0", "other", "field"]);
    for n in 201..=300u64 {
        redis.cli(&["XADD", "telemetry", &format!("{}-0", n + 2), "data", &row(n).to_string()]);
    }
    let url = redis.url();
    let run = json(folder.path(), &["run", "telemetry", "--bus", &url, "--ticks", "300", "--out", "r"], 0);
    assert_eq!((&run["state_digest"], number(&run["table"], "refused")), (&expected, 3.0));
    assert!(support::corec(folder.path(), &["replay", "r"]).status.success());
}

#[test]
fn entries_before_the_first_row_that_can_be_used_are_passed_over() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let columns = (0..10_001).map(|n| format!(r#""c{n}":1"#)).collect::<Vec<_>>().join(",");
    let long = format!(r#"{{"temp":"{}"}}"#, "x".repeat(5 << 20));
    let bad = [r#"{"name":"x"}"#, r#"{"":1}"#, &format!("{{{columns}}}"), &long];
    redis.ledger().add_all("telemetry", bad);
    for n in 1..=50 {
        redis.cli(&["XADD", "telemetry", "*", "data", &row(n).to_string()]);
    }
    let url = redis.url();
    let output =
        command(folder.path(), &["run", "telemetry", "--bus", &url, "--ticks", "50", "--json"]).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((number(&run["table"], "refused"), number(&run["table"], "rows")), (4.0, 50.0));
    for wanted in ["stream 'telemetry', entry ", "no column of numbers", "no name", "at most 10000"] {
        assert!(said.contains(wanted), "{said} lacks {wanted}");
    }
}

#[test]
fn a_run_goes_on_with_the_next_row_of_its_stream() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (folder, url) = (folder.path(), redis.url());
    feed(&redis, 1..=150);
    let asked =
        ["run", "telemetry", "--bus", &url, "--out", "r", "--snapshot-interval", "50", "--ack", "ack"];
    let child = start(folder, &asked);
    support::wait_until("all rows", || {
        std::fs::read_to_string(folder.join("ack")).is_ok_and(|ack| ack.trim() == "150")
    });
    kill_with_a_snapshot(child, &folder.join("r"));
    // Rows that were taken need not be there any more.
    redis.cli(&["XTRIM", "telemetry", "MAXLEN", "=", "10"]);
    feed(&redis, 151..=300);
    let end = json(folder, &["run", "--restore", "r", "--ticks", "300"], 0);
    assert_eq!(
        (end["state_digest"].clone(), number(&end["table"], "lost")),
        (digest_of_file(folder, 300), 0.0)
    );
}

/// FAULTS 1 and 3: the engine and its server are killed, again and again.
#[test]
fn twenty_kills_of_the_run_and_twenty_of_the_server_change_nothing() {
    const ROWS: u64 = 1500;
    let Some(redis) = Redis::start(Options { appendonly: Appendonly::Always, ..Options::default() }) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (folder, url) = (folder.path(), redis.url());
    let expected = digest_of_file(folder, ROWS);
    std::thread::scope(|scope| {
        scope.spawn(|| feed(&redis, 1..=ROWS));
        scope.spawn(|| {
            for round in 0..20u64 {
                std::thread::sleep(Duration::from_millis(150 + 37 * (round % 7)));
                redis.restart();
            }
        });
        let asked = ["run", "telemetry", "--bus", &url, "--out", "r", "--snapshot-interval", "40", "--ticks"];
        let rows = ROWS.to_string();
        let mut child = start(folder, &[&asked[..], &[&rows, "--tick-rate", "300"]].concat());
        for round in 0..20u64 {
            std::thread::sleep(Duration::from_millis(220 + 53 * (round % 5)));
            child.kill().unwrap();
            child.wait().unwrap();
            let has_begun = folder.join("r/manifest.json").exists();
            child = match has_begun {
                true => start(folder, &["run", "--restore", "r"]),
                false => start(folder, &[&asked[..], &[&rows, "--tick-rate", "300"]].concat()),
            };
        }
        child.wait().unwrap();
    });
    let summary = read_json(&folder.join("r/summary.json"));
    assert_eq!((number(&summary, "tick"), &summary["state_digest"]), (ROWS as f64, &expected), "{summary:#}");
    assert!(command(folder, &["replay", "r"]).output().unwrap().status.success());
}
