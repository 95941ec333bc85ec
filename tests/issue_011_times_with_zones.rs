//! Times were compared as text: a table with zones, AM and PM, day/month/year or seconds since 1970 matched its windows by
//! accident or not at all, and nothing was said.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use support::{corec, json, number, refused};

/// Minutes between two rows.
const STEP: u64 = 5;
/// 2014-04-01T00:00:00Z.
const START: u64 = 1_396_310_400;
const WINDOWS: &str = r#"{"t.csv": [["2014-04-02 00:50:00", "2014-04-02 02:55:00"]]}"#;

/// A table of 600 rows from 1 April 2014, anomalous from 01:00 to 02:40 on the second day; `time` writes the time of a row, given
/// the seconds since 1970, the day of April and the minute of the day.
fn table(time: impl Fn(u64, u64, u64) -> String) -> String {
    let mut text = "timestamp,value\n".to_string();
    for row in 0..600 {
        let minutes = row * STEP;
        let value = if (300..320).contains(&row) { 500 } else { 100 + row % 10 };
        let time = time(START + minutes * 60, 1 + minutes / 1440, minutes % 1440);
        writeln!(text, "{time},{value}").unwrap();
    }
    text
}

fn clock(minute: u64) -> String {
    format!("{:02}:{:02}:00", minute / 60, minute % 60)
}

fn iso(_: u64, day: u64, minute: u64) -> String {
    format!("2014-04-{day:02} {}", clock(minute))
}

/// In a zone two hours to the east of UTC.
fn with_zone(_: u64, day: u64, minute: u64) -> String {
    let (day, minute) = (day + (minute + 120) / 1440, (minute + 120) % 1440);
    format!("2014-04-{day:02}T{}+02:00", clock(minute))
}

fn twelve_hours(_: u64, day: u64, minute: u64) -> String {
    let (hour, half) = (minute / 60, if minute < 720 { "AM" } else { "PM" });
    format!("2014-04-{day:02} {:02}:{:02}:00 {half}", (hour + 11) % 12 + 1, minute % 60)
}

fn run(folder: &Path, table: &str, windows: &str) -> serde_json::Value {
    fs::write(folder.join("t.csv"), table).unwrap();
    fs::write(folder.join("w.json"), windows).unwrap();
    json(folder, &["run", "telemetry", "--input", "t.csv", "--windows", "w.json"], 0)
}

/// Exits with `status` and says each of `wanted` on stderr.
fn says(folder: &Path, table: &str, more: &[&str], status: i32, wanted: &[&str]) {
    fs::write(folder.join("t.csv"), table).unwrap();
    let output =
        corec(folder, &[&["run", "telemetry", "--input", "t.csv", "--windows", "w.json"], more].concat());
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{err}");
    for wanted in wanted {
        assert!(err.contains(wanted), "{err} lacks {wanted}");
    }
}

#[test]
fn the_same_instants_in_any_format_give_the_same_areas() {
    let folder = tempfile::tempdir().unwrap();
    let expected = run(folder.path(), &table(iso), WINDOWS);
    assert!(number(&expected, "roc_auc") > 0.7, "{}", expected["roc_auc"]);
    let day_first = |_, day, minute| format!("{day:02}/04/2014 {}", clock(minute));
    let month_first = |_, day, minute| format!("4/{day}/2014 {}", clock(minute));
    let formats: [(&str, String); 6] = [
        ("12 hours", table(twelve_hours)),
        ("day/month/year", table(day_first)),
        ("month/day/year", table(month_first)),
        ("seconds", table(|since, _, _| since.to_string())),
        ("milliseconds", table(|since, _, _| (since * 1000).to_string())),
        ("T and Z", table(|_, day, minute| format!("2014-04-{day:02}T{}.000Z", clock(minute)))),
    ];
    for (format, table) in formats {
        let found = run(folder.path(), &table, WINDOWS);
        assert_eq!(found["roc_auc"], expected["roc_auc"], "{format}");
        assert_eq!(found["pr_auc"], expected["pr_auc"], "{format}");
    }
    let with_zones = r#"{"t.csv": [["2014-04-01T19:50:00-05", "4/2/2014 04:55 AM +0200"]]}"#;
    assert_eq!(run(folder.path(), &table(iso), with_zones)["roc_auc"], expected["roc_auc"]);
    let in_utc = r#"{"t.csv": [["2014-04-02 00:50:00Z", "2014-04-02 02:55:00Z"]]}"#;
    assert_eq!(run(folder.path(), &table(with_zone), in_utc)["roc_auc"], expected["roc_auc"]);
    // A clock of another zone with its zone at every row, and windows with or without it: without, they are on that clock.
    let elsewhere = |_, day, minute| format!("2014-04-{day:02}T{}+02:00", clock(minute));
    let there = r#"{"t.csv": [["2014-04-02 00:50:00+02:00", "2014-04-02 02:55:00+02:00"]]}"#;
    assert_eq!(run(folder.path(), &table(elsewhere), there)["roc_auc"], expected["roc_auc"]);
    assert_eq!(run(folder.path(), &table(elsewhere), WINDOWS)["roc_auc"], expected["roc_auc"]);
}

#[test]
fn what_is_taken_for_granted_is_said() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("w.json"), WINDOWS).unwrap();
    let day_first = table(|_, day, minute| format!("{day:02}/04/2014 {}", clock(minute)));
    says(
        folder.path(),
        &day_first,
        &[],
        0,
        &["'01/04/2014 00:00:00' could be of either order, taken as day/month/year"],
    );
    let two = r#"{"t.csv": [["2014-04-02 00:50:00", "2014-04-02 02:55:00"], ["2015-01-01", "2015-01-02"]]}"#;
    fs::write(folder.path().join("w.json"), two).unwrap();
    says(folder.path(), &table(iso), &[], 0, &["1 of 2 windows hold no row (2015-01-01T00:00:00Z to"]);
}

#[test]
fn a_time_that_cant_be_read_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("w.json"), WINDOWS).unwrap();
    let broken = table(iso) + "tomorrow\u{1b}[31m,3\n";
    let wanted = "line 602, column 'timestamp': found 'tomorrow\\u{1b}[31m', must be a time such as 2014-04-01 13:05:00";
    says(folder.path(), &broken, &[], 2, &[wanted]);
    let mixed = table(iso) + "13/4/2014,3\n4/13/2014,3\n";
    says(folder.path(), &mixed, &["--ticks", "10"], 2, &["must be a date in the order of day and month"]);
    // Nobody asks for the times where there are no windows.
    json(folder.path(), &["run", "telemetry", "--input", "t.csv"], 0);
}

#[test]
fn windows_that_match_no_row_keep_a_run_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("t.csv"), table(iso)).unwrap();
    let windows = r#"{"t.csv": [["2015-04-02 00:50:00", "2015-04-02 02:55:00"]]}"#;
    fs::write(at.join("w.json"), windows).unwrap();
    let command = ["run", "telemetry", "--input", "t.csv", "--windows", "w.json"];
    refused(
        at,
        &command,
        "w.json: t.csv: found no row in any window (2015-04-02T00:50:00Z to 2015-04-02T02:55:00Z)",
    );
    refused(at, &command, "the times of t.csv, 2014-04-01T00:00:00Z to 2014-04-03T01:55:00Z");
    // A run that ends before the first window has done what it was asked to.
    fs::write(at.join("w.json"), WINDOWS).unwrap();
    json(at, &[&command[..], &["--ticks", "50"]].concat(), 0);
    // Without windows the table has no anomalies.
    fs::write(at.join("w.json"), r#"{"t.csv": []}"#).unwrap();
    assert!(json(at, &command, 0)["roc_auc"].is_null());
}

#[test]
fn a_pipe_whose_rows_match_no_window_fails_when_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let pipe = at.join("t.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let run_with = |windows: &str, status: i32| {
        fs::write(at.join("w.json"), windows).unwrap();
        let feed = {
            let pipe = pipe.clone();
            std::thread::spawn(move || fs::write(pipe, table(iso)))
        };
        let summary = json(at, &["run", "telemetry", "--input", "t.csv", "--windows", "w.json"], status);
        feed.join().unwrap().unwrap();
        summary
    };
    assert!(number(&run_with(WINDOWS, 0), "roc_auc") > 0.7);
    let summary = run_with(r#"{"t.csv": [["2015-04-02", "2015-04-03"]]}"#, 1);
    assert!(
        summary["error"].as_str().unwrap().contains("found no row in any window"),
        "{}",
        summary["error"]
    );
    assert_eq!(number(&summary, "ticks"), 600.0, "what it has computed is kept");
}

#[test]
fn the_windows_of_a_table_are_found_from_inside_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("set");
    fs::create_dir(&inside).unwrap();
    // Of two keys that fit the longer one counts: the other one's window holds no row.
    let windows =
        WINDOWS.replace("\"t.csv\"", "\"t.csv\": [[\"2015-01-01\", \"2015-01-02\"]], \"set/t.csv\"");
    let summary = run(&inside, &table(iso), &windows);
    assert!(number(&summary, "roc_auc") > 0.7, "{}", summary["roc_auc"]);
}

#[test]
fn a_windows_file_with_a_table_twice_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), table(iso)).unwrap();
    fs::write(folder.path().join("w.json"), r#"{"t.csv": [], "t.csv": []}"#).unwrap();
    refused(
        folder.path(),
        &["run", "telemetry", "--input", "t.csv", "--windows", "w.json"],
        "w.json: line 1, column 21: found the key 't.csv' again, must be there once",
    );
}
