//! Outputs that can't be written: the run goes on, or ends with the right status and says so. Broke: a run panicked at its first line of
//! progress when stderr was full, and `--json` into a full disk was a success.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs::{self, File, OpenOptions};
use std::process::Command;
use std::time::Duration;

use support::{command, json, read_json, said, start, wait_until};

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

#[test]
fn a_stderr_that_is_full_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    json(at, &["run", "--entities", "1k", "--ticks", "20", "--out", "r"], 0);
    for arguments in [
        &["run", "--entities", "1k", "--ticks", "10", "--log", "trace", "--out", "a"][..],
        &["verify", "ecosystem", "--entities", "1k", "--ticks", "10"],
        &["replay", "r"],
        &["fork", "r", "--at", "5", "--set", "blocks[0].load=0.9", "--out", "f"],
    ] {
        let status =
            command(at, arguments).stderr(full()).stdout(std::process::Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(0), "{arguments:?}");
    }
    let status = command(at, &["run", "nowhere.json"]).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn a_stdout_that_is_full_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for more in [&[][..], &["--json"]] {
        let out = format!("r{}", more.len());
        let arguments = [&["run", "--entities", "1k", "--ticks", "10", "--out", &out], more].concat();
        assert_eq!(command(at, &arguments).stdout(full()).status().unwrap().code(), Some(1), "{more:?}");
        assert_eq!(read_json(&at.join(&out).join("manifest.json"))["status"], "done");
    }
}

#[test]
fn snapshots_that_were_asked_for_and_never_made_are_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("blocker"), "").unwrap();
    let arguments =
        ["run", "--entities", "1k", "--ticks", "20", "--snapshot-interval", "5", "--out", "r", "-q"];
    let (status, err) = said(at, &[&arguments[..], &["--snapshot", "blocker"]].concat());
    assert!(status == Some(1) && err.contains("error: no snapshot: "), "{status:?} {err}");
    assert_eq!(read_json(&at.join("r/manifest.json"))["status"], "failed");
}

#[test]
fn a_start_that_fails_leaves_no_folder_and_nothing_in_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let arguments = ["run", "--entities", "1k", "--ticks", "3", "--profile", "nowhere/p.json"];
    for more in [&[][..], &["--out", "a/b"], &["--journal", "j/k"], &["--snapshot", "s"]] {
        assert_eq!(said(at, &[&arguments[..], more].concat()).0, Some(2), "{more:?}");
        assert_eq!(fs::read_dir(at).unwrap().count(), 0, "{more:?}");
    }
    fs::create_dir(at.join("mine")).unwrap();
    fs::write(at.join("mine/notes"), "mine").unwrap();
    assert_eq!(said(at, &[&arguments[..], &["--out", "mine"]].concat()).0, Some(2));
    let names: Vec<_> = fs::read_dir(at.join("mine")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name == "notes" || name == ".lock"), "{names:?}");
}

#[test]
fn a_tool_that_holds_the_database_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut child =
        start(at, &["run", "--entities", "1k", "--ticks", "2000", "--tick-rate", "1000", "--out", "r"]);
    wait_until("rows", || at.join("r/manifest.json").exists());
    let db = rusqlite::Connection::open(at.join("r/store.db")).unwrap();
    db.busy_timeout(Duration::from_secs(10)).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Longer than SQLite's own five seconds.
    std::thread::sleep(Duration::from_secs(7));
    db.execute_batch("COMMIT").unwrap();
    drop(db);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let db = rusqlite::Connection::open(at.join("r/store.db")).unwrap();
    let ticks: i64 =
        db.query_row("SELECT count(DISTINCT tick) FROM block_states", [], |row| row.get(0)).unwrap();
    assert_eq!(ticks, 200, "one in ten");
}

#[test]
fn a_file_that_may_not_grow_is_an_error_and_no_end_by_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let shell = format!(
        "ulimit -f 40; exec {} run --entities 20k --ticks 60 --snapshot-interval 20 --store memory --out r --json",
        env!("CARGO_BIN_EXE_corec")
    );
    let output = Command::new("sh").arg("-c").arg(shell).current_dir(at).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("File too large"), "{err}");
    assert_eq!(read_json(&at.join("r/manifest.json"))["status"], "failed");
}
