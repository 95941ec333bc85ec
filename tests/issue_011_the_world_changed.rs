//! Between a kill and a restore the world may change: the table, the journal's end. It is noticed and named, or the run is right; no row
//! is taken twice. Broke: swapped columns went unnoticed, one column less was a panic, a journal behind its snapshot took rows again.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::{json, said};

fn row(i: u32) -> String {
    format!("{},{}\n", 10 + i % 3, 500 + i % 5)
}

fn table(rows: std::ops::Range<u32>) -> String {
    format!("a,b\n{}", rows.map(row).collect::<String>())
}

/// A run over half of a table, in the folder `r`.
fn half(at: &Path) {
    fs::write(at.join("m.csv"), table(0..400)).unwrap();
    json(
        at,
        &[
            "run",
            "telemetry",
            "--input",
            "m.csv",
            "--out",
            "r",
            "--ticks",
            "200",
            "--snapshot-interval",
            "100",
        ],
        0,
    );
}

fn copy(at: &Path, to: &str) {
    assert!(Command::new("cp").arg("-r").arg(at.join("r")).arg(at.join(to)).status().unwrap().success());
}

#[test]
fn another_table_is_refused_with_the_first_difference() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    half(at);
    let whole = json(at, &["run", "telemetry", "--input", "m.csv", "--out", "whole"], 0);
    let keep = table(0..400);
    let swapped: String = std::iter::once("b,a\n".to_string())
        .chain((0..400).map(|i| format!("{},{}\n", 500 + i % 5, 10 + i % 3)))
        .collect();
    let changed_row = keep.replacen("11,501", "11,502", 1);
    for (n, (text, wanted, accepted)) in [
        (swapped, "column 1: found 'b', must be 'a'", Some(400)),
        (keep.replace("a,b", "x,y"), "column 1: found 'x', must be 'a'", Some(400)),
        (changed_row, "row 2, column 'b': found 502, must be 501", Some(400)),
        (table(0..150), "found no row 151, must have it", Some(200)),
        (table(1..400), "row 1, column 'a': found 11, must be 10", Some(399)),
        ("a\n1\n2\n".into(), "found 1 columns of numbers, must be 2: a, b", None),
        (keep.replace("a,b", "a,b,c").replace("0\n", "0,1\n"), "line ", None),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(at.join("m.csv"), text).unwrap();
        let run = format!("r{n}");
        copy(at, &run);
        let (status, err) = said(at, &["run", "--restore", &run, "--ticks", "400"]);
        assert!(status == Some(2) && err.contains(wanted), "{wanted}: {err}");
        let arguments = ["run", "--restore", &run, "--ticks", "400", "--input-changed", "accept"];
        match accepted {
            Some(tick) => assert_eq!(json(at, &arguments, 0)["tick"], tick, "{wanted}"),
            None => assert_eq!(said(at, &arguments).0, Some(2), "{wanted}"),
        }
    }
    // What comes after the rows that were taken may be what it wants to.
    fs::write(at.join("m.csv"), table(0..400)).unwrap();
    copy(at, "same");
    assert_eq!(
        json(at, &["run", "--restore", "same", "--ticks", "400"], 0)["state_digest"],
        whole["state_digest"]
    );
    fs::write(at.join("m.csv"), table(0..450)).unwrap();
    copy(at, "grown");
    let whole = json(at, &["run", "--restore", "grown", "--ticks", "1000"], 0);
    assert_eq!(whole["tick"], 450);
    json(at, &["replay", "grown"], 0);
    // A table that had come to its end and grows: the run goes on, and is one run.
    fs::write(at.join("m.csv"), table(0..460)).unwrap();
    assert_eq!(json(at, &["run", "--restore", "grown", "--ticks", "1000"], 0)["tick"], 460);
    json(at, &["replay", "grown"], 0);
    json(at, &["verify", "grown", "--threads", "1,2"], 0);
    fs::remove_dir_all(at.join("grown/snapshots")).unwrap();
    assert_eq!(json(at, &["run", "--restore", "grown", "--ticks", "1000"], 0)["tick"], 460);
}

#[test]
fn swapped_columns_that_are_accepted_are_taken_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    half(at);
    let whole = json(at, &["run", "telemetry", "--input", "m.csv", "--out", "whole"], 0);
    let rows: String = (0..400).map(|i| format!("{},{}\n", 500 + i % 5, 10 + i % 3)).collect();
    fs::write(at.join("m.csv"), format!("b,a\n{rows}")).unwrap();
    let s = json(at, &["run", "--restore", "r", "--ticks", "400", "--input-changed", "accept"], 0);
    assert_eq!(s["state_digest"], whole["state_digest"]);
}

#[test]
fn a_table_that_was_rotated_loses_no_row_where_that_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let numbered = |rows: std::ops::RangeInclusive<u32>| {
        let rows: String = rows.map(|i| format!("{i},{}\n", i % 7)).collect();
        format!("sequence,x\n{rows}")
    };
    fs::write(at.join("m.csv"), numbered(1..=10)).unwrap();
    json(at, &["run", "telemetry", "--input", "m.csv", "--out", "r", "--snapshot-interval", "5"], 0);
    fs::write(at.join("m.csv"), numbered(11..=20)).unwrap();
    let s = json(at, &["run", "--restore", "r", "--input-changed", "accept"], 0);
    assert_eq!((&s["tick"], &s["rows_repeated"]), (&20.into(), &0.into()));
    fs::write(at.join("m.csv"), numbered(1..=20)).unwrap();
    let whole = json(at, &["run", "telemetry", "--input", "m.csv", "--out", "whole"], 0);
    assert_eq!(s["state_digest"], whole["state_digest"]);
}

#[test]
fn a_journal_that_is_gone_is_not_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("m.csv"), table(0..40)).unwrap();
    let arguments =
        ["run", "telemetry", "--input", "m.csv", "--out", "r", "--ticks", "20", "--snapshot-interval", "10"];
    json(at, &[&arguments[..], &["--journal", "j"]].concat(), 0);
    fs::rename(at.join("j"), at.join("moved")).unwrap();
    for more in [&[][..], &["--journal", "typo"]] {
        let (status, err) = said(at, &[&["run", "--restore", "r", "--ticks", "40"], more].concat());
        assert!(status == Some(2) && err.contains("is missing, must be there"), "{more:?}: {err}");
    }
    assert!(!at.join("j").exists() && !at.join("typo").exists());
    let s = json(at, &["run", "--restore", "r", "--ticks", "40", "--journal", "moved"], 0);
    assert_eq!(s["tick"], 40);
    json(at, &["replay", "r"], 0);
}

#[test]
fn a_journal_that_has_lost_its_end_takes_no_row_twice() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    half(at);
    let whole = json(at, &["run", "telemetry", "--input", "m.csv", "--out", "whole"], 0);
    let length = fs::metadata(at.join("r/journal/00000001.log")).unwrap().len();
    let mut restored = Vec::new();
    for (n, left) in [length - 1, length * 3 / 4, length / 3, 40, 0].into_iter().enumerate() {
        let run = format!("r{n}");
        copy(at, &run);
        let log =
            fs::OpenOptions::new().write(true).open(at.join(&run).join("journal/00000001.log")).unwrap();
        log.set_len(left).unwrap();
        let s = json(at, &["run", "--restore", &run, "--ticks", "400"], 0);
        assert_eq!((&s["tick"], &s["state_digest"]), (&400.into(), &whole["state_digest"]), "{left} bytes");
        json(at, &["replay", &run], 0);
        restored.push(s["restored_at"].clone());
    }
    assert_eq!(restored[4], serde_json::Value::Null, "without a journal no snapshot counts");
    // A snapshot that is asked for by its name is that one or none.
    copy(at, "named");
    fs::OpenOptions::new()
        .write(true)
        .open(at.join("named/journal/00000001.log"))
        .unwrap()
        .set_len(40)
        .unwrap();
    let snapshot = "named/snapshots/tick-000000000200.corec";
    let (status, err) = said(at, &["run", "--restore", snapshot, "--ticks", "400"]);
    assert!(status == Some(2) && err.contains("has lost its end") && err.contains("an older one"), "{err}");
}
