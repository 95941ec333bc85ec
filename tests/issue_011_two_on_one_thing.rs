//! Two processes, or two runs, on one thing: folder, journal, snapshots, acknowledgements, store. One goes on, the other is refused
//! and told who holds it; nobody's data is changed by another. Broke: two restores at once destroyed a journal, a snapshot carried into
//! another project overwrote the run of the same name there.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::{corec, json, kill_with_a_snapshot, read_json, said, start, wait_until};

const LONG: [&str; 7] = ["run", "--entities", "1k", "--ticks", "1G", "--tick-rate", "200"];

fn long(more: &[&'static str]) -> Vec<&'static str> {
    [&LONG, more].concat()
}

fn assert_in_use(folder: &Path, arguments: &[&str], by: u32) {
    let (status, err) = said(folder, arguments);
    assert_eq!(status, Some(2), "{arguments:?}: {err}");
    assert!(err.contains(&format!("in use by process {by}")), "{arguments:?}: {err}");
}

#[test]
fn a_folder_a_journal_and_a_snapshot_folder_are_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let holder =
        start(at, &long(&["--out", "a", "--journal", "j", "--snapshot", "s", "--snapshot-interval", "10"]));
    wait_until("a manifest", || at.join("a/manifest.json").exists());
    let id = holder.id();
    assert_in_use(at, &["run", "--restore", "a"], id);
    assert_in_use(at, &["run", "--entities", "10", "--out", "a"], id);
    assert_in_use(at, &["run", "--entities", "10", "--out", "b", "--journal", "j"], id);
    assert_in_use(at, &["run", "--entities", "10", "--out", "b", "--snapshot", "s"], id);
    assert!(!at.join("b").exists(), "a start that is refused leaves nothing");
    // Readers need no lock, and say that there is more to come.
    let (status, err) = said(at, &["replay", "a"]);
    assert!(status == Some(0) && err.contains("still going on"), "{status:?} {err}");
    assert_eq!(json(at, &["runs", "."], 0)[0]["status"], "running");
    support::signal(&holder, "KILL");
    let mut holder = holder;
    holder.wait().unwrap();
    assert_eq!(json(at, &["runs", "."], 0)[0]["status"], "killed");
    // The system has dropped the locks.
    let tick = json(at, &["inspect", "s"], 0)["tick"].as_u64().unwrap();
    json(at, &["run", "--restore", "a", "--ticks", &(tick + 50).to_string()], 0);
    json(at, &["replay", "a"], 0);
}

#[test]
fn runs_that_share_a_folder_of_snapshots_keep_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let arguments =
        ["run", "--entities", "100", "--ticks", "60", "--snapshot", "s", "--snapshot-interval", "10"];
    for (seed, out) in [("1", "a"), ("2", "b")] {
        json(at, &[&arguments[..], &["--seed", seed, "--out", out]].concat(), 0);
    }
    // One that is due while the last is being written waits: how many there were depends on the disk.
    let count = fs::read_dir(at.join("s")).unwrap().filter(is_snapshot).count();
    assert!((2..=6).contains(&count), "three of each at most, found {count}");
    let (status, err) = said(at, &["run", "--restore", "s"]);
    assert!(status == Some(2) && err.contains("snapshots of 2 runs"), "{err}");
    assert!(err.contains("/a (") && err.contains("/b ("), "it names them: {err}");
    for (out, seed) in [("a", 1), ("b", 2)] {
        let s = json(at, &["run", "--restore", out, "--ticks", "80"], 0);
        assert_eq!((&s["seed"], &s["restored_at"]), (&seed.into(), &60.into()));
        json(at, &["replay", out], 0);
    }
}

fn is_snapshot(entry: &std::io::Result<fs::DirEntry>) -> bool {
    entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|e| e == "corec"))
}

#[test]
fn another_runs_journal_or_snapshots_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let arguments = ["run", "--entities", "100", "--ticks", "50", "--snapshot-interval", "10"];
    json(at, &[&arguments[..], &["--out", "a", "--journal", "j"]].concat(), 0);
    json(at, &[&arguments[..], &["--out", "b"]].concat(), 0);
    let before = contents(at);
    for (option, of) in [
        ("--journal", "j"),
        ("--journal", "b/journal"),
        ("--snapshot", "b/snapshots"),
        ("--snapshot", "b"),
        ("--snapshot", "b/new"),
        ("--journal", "b/snapshots/new"),
    ] {
        let (status, err) = said(at, &[&arguments[..], &["--out", "c", option, of]].concat());
        assert!(status == Some(2) && err.contains("must be a folder of its own"), "{option} {of}: {err}");
    }
    assert_eq!(contents(at), before);
}

/// Every file below a folder, and what is in it.
fn contents(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(contents(&path)),
            false => all.push((path.clone(), fs::read(&path).unwrap())),
        }
    }
    all.retain(|(path, _)| !path.ends_with(".lock"));
    all.sort();
    all
}

#[test]
fn a_snapshot_carried_into_another_project_leaves_the_runs_there_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("A"), folder.path().join("B"));
    [&a, &b].iter().for_each(|project| fs::create_dir(project).unwrap());
    json(&a, &["run", "--entities", "500", "--ticks", "100", "--seed", "1", "--snapshot-interval", "50"], 0);
    json(&b, &["run", "--entities", "500", "--ticks", "60", "--seed", "2"], 0);
    fs::rename(a.join("runs/0001/snapshots/tick-000000000100.corec"), b.join("s.corec")).unwrap();
    let before = contents(&b.join("runs/0001"));
    fs::remove_dir_all(&a).unwrap();
    let on = json(&b, &["run", "--restore", "s.corec", "--ticks", "120"], 0);
    assert_eq!((&on["out"], &on["seed"]), (&"runs/0002".into(), &1.into()), "a run of its own");
    assert_eq!(contents(&b.join("runs/0001")), before);
    let whole = json(&b, &["run", "--entities", "500", "--ticks", "120", "--seed", "1"], 0);
    assert_eq!(on["state_digest"], whole["state_digest"]);
    json(&b, &["replay", "runs/0001"], 0);
}

#[test]
fn a_copied_run_writes_to_nothing_that_the_original_has() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let store = format!("sqlite://{}", at.join("shared.db").display());
    let arguments = ["run", "--entities", "500", "--ticks", "60", "--snapshot-interval", "20", "--out", "a"];
    json(at, &[&arguments[..], &["--store", &store]].concat(), 0);
    let copy = |from: &str, to: &str| {
        assert!(Command::new("cp").arg("-r").arg(at.join(from)).arg(at.join(to)).status().unwrap().success());
    };
    copy("a", "b");
    let rows = contents(&at.join("a"));
    let (status, err) = said(at, &["run", "--restore", "b", "--ticks", "80"]);
    assert!(status == Some(2) && err.contains("is a copy of") && err.contains("--store"), "{err}");
    assert_eq!(contents(&at.join("a")), rows);
    let own = json(at, &["run", "--restore", "b", "--ticks", "80", "--store", "sqlite://own.db"], 0);
    // A run whose original is gone was moved.
    fs::remove_dir_all(at.join("a")).unwrap();
    let moved = json(at, &["run", "--restore", "b", "--ticks", "90", "--store", &store], 0);
    assert_eq!((own["tick"].clone(), moved["tick"].clone()), (80.into(), 90.into()));
    json(at, &["replay", "b"], 0);
}

#[test]
fn two_forks_at_once_get_one_folder_between_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    json(at, &["run", "--entities", "500", "--ticks", "40", "--out", "a"], 0);
    let arguments = ["fork", "a", "--at", "20", "--set", "blocks[0].load=0.9", "--out", "f"];
    let both = [0, 1].map(|_| start(at, &arguments));
    let mut codes = both.map(|mut child| child.wait().unwrap().code());
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(2)]);
}

#[test]
fn runs_in_one_database_have_their_own_rows_across_a_restore() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let store = format!("sqlite://{}", at.join("s:a@b.db").display());
    let run = |load: &'static str, out: &'static str| {
        let child = start(
            at,
            &[
                "run",
                "--entities",
                "500",
                "--ticks",
                "400",
                "--load",
                load,
                "--store",
                &store,
                "--snapshot-interval",
                "50",
                "--tick-rate",
                "400",
                "--out",
                out,
            ],
        );
        kill_with_a_snapshot(child, &at.join(out));
    };
    run("0.1", "x1");
    run("0.9", "x2");
    json(at, &["run", "--restore", "x1"], 0);
    let db = rusqlite::Connection::open(at.join("s:a@b.db")).unwrap();
    let id = read_json(&at.join("x1/manifest.json"))["id"].as_str().unwrap().to_string();
    let (run, load, last): (i64, f64, i64) = db
        .query_row(
            "SELECT run, json_extract(settings, '$.blocks[0].load'), last_tick FROM runs WHERE id = ?",
            [&id],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!((run, last), (1, 400));
    assert!((load - 0.1).abs() < 1e-6);
    let ticks: i64 = db
        .query_row("SELECT count(DISTINCT tick) FROM block_states WHERE run = 1", [], |row| row.get(0))
        .unwrap();
    assert_eq!(ticks, 40, "one every ten ticks, those before the kill and those after the restore");
}

#[test]
fn an_acknowledgement_goes_to_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("t.csv"), "sequence,x\n1,1\n2,2\n").unwrap();
    fs::write(at.join("notes.tmp"), "mine").unwrap();
    assert!(Command::new("mkfifo").arg(at.join("pipe")).status().unwrap().success());
    for (ack, wanted) in [("pipe", "found a pipe"), ("/dev/null", "device"), ("t.csv", "no acknowledgement")]
    {
        let (status, err) = said(at, &["run", "telemetry", "--input", "t.csv", "--ack", ack]);
        assert!(status == Some(2) && err.contains(wanted), "{ack}: {err}");
        assert!(!at.join("runs").exists(), "{ack}");
    }
    let output = corec(at, &["run", "telemetry", "--input", "t.csv", "--ack", "notes.ack", "-q"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(fs::read_to_string(at.join("notes.ack")).unwrap(), "2\n");
    assert_eq!(fs::read_to_string(at.join("notes.tmp")).unwrap(), "mine");
}

#[test]
fn an_acknowledgement_or_a_profile_is_not_written_over_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let table: String = (1..=50).map(|i| format!("{i},{}\n", i % 7)).collect();
    fs::write(at.join("t.csv"), format!("sequence,x\n{table}")).unwrap();
    let run = ["run", "telemetry", "--input", "t.csv", "--snapshot-interval", "20"];
    json(at, &[&run[..], &["--out", "a"]].concat(), 0);
    let before = contents(at);
    let own = ["manifest.json", "summary.json", "store.db", ".lock", "journal/x", "snapshots/x"];
    for option in ["--ack", "--profile"] {
        for file in own.iter().flat_map(|name| [format!("a/{name}"), format!("b/{name}")]) {
            let (status, err) = said(at, &[&run[..], &["--out", "b", option, &file]].concat());
            assert!(status == Some(2) && err.contains("one of a run's own files"), "{option} {file}: {err}");
        }
        let (status, err) = said(at, &[&run[..], &["--out", "b", option, "t.csv"]].concat());
        assert!(status == Some(2) && err.contains(option) && err.contains("t.csv"), "{option}: {err}");
        assert!(!at.join("b").exists(), "{option}");
    }
    assert_eq!(contents(at), before);
    // Beside them there is room, and an older profile is replaced.
    for out in ["b", "c"] {
        json(at, &[&run[..], &["--out", out, "--ack", "acked", "--profile", "p.json"]].concat(), 0);
    }
}
