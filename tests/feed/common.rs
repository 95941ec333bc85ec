//! Common: tables whose rows say their numbers, and feeds of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};

use serde_json::Value;

use super::support::ledger::Written;
use super::support::redis::Redis;
use super::support::{command, corec};

/// A table of rows `time, value, host`, numbered from 1.
pub fn table(folder: &Path, rows: u64) -> PathBuf {
    let mut text = String::from("time;value;host\n");
    for n in 1..=rows {
        text += &format!("2026-01-01T00:00:00Z;{}.5;h{}\n", n, n % 3);
    }
    let path = folder.join("t.csv");
    fs::write(&path, text).unwrap();
    path
}

/// The numbers of a stream's rows, each with the data that it must have.
pub fn rows(redis: &Redis, stream: &str) -> Vec<u64> {
    let row = |entry: Written| {
        let sequence: u64 = entry.at.strip_suffix("-0").unwrap().parse().unwrap();
        let data: Value = serde_json::from_slice(&entry.data).unwrap();
        assert_eq!(data["value"].as_f64(), Some(sequence as f64 + 0.5), "{data}");
        sequence
    };
    redis.ledger().entries(stream).into_iter().map(row).collect()
}

pub fn length(redis: &Redis) -> u64 {
    redis.try_cli(&["XLEN", "rows"]).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

pub fn arguments<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["feed", "t.csv", "--to", url, "--stream", "rows"], more].concat()
}

/// A feed that goes on by itself.
pub fn begin(folder: &Path, url: &str, more: &[&str]) -> Child {
    let mut command = command(folder, &arguments(url, more));
    command.arg("--json").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

pub fn end(child: Child, status: i32) -> (Value, String) {
    let Output { status: found, stdout, stderr } = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(found.code(), Some(status), "{err}");
    (serde_json::from_slice(&stdout).unwrap(), err)
}

pub fn refusal(folder: &Path, arguments: &[&str], status: i32) -> String {
    let output = corec(folder, arguments);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{err}");
    err
}
