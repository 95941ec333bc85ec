//! Signals: one, or several within a second, end what is going on in good order. Broke: timeout(1), which sends two, left no snapshot; a
//! run that waited for a pipe heard none; SIGHUP left nothing behind.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::{command, json, read_json, signal, start, wait_until};

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// Its exit status, within half a minute.
fn code(mut child: Child) -> Option<i32> {
    let stat = format!("/proc/{}/stat", child.id());
    // A process that has ended and was not waited for yet is a zombie.
    wait_until("the end", || fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z ")));
    child.wait().unwrap().code()
}

#[test]
fn signals_within_a_second_are_one_and_leave_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (n, (name, status)) in [("TERM", 143), ("INT", 130), ("HUP", 129)].into_iter().enumerate() {
        let run = format!("r{n}");
        let child =
            start(at, &["run", "--entities", "2k", "--ticks", "1G", "--tick-rate", "200", "--out", &run]);
        wait_until("a manifest", || at.join(&run).join("manifest.json").exists());
        pause(50);
        for gap in [0, 20, 300] {
            pause(gap);
            // It may be gone by the third.
            _ = Command::new("kill")
                .arg(format!("-{name}"))
                .arg(child.id().to_string())
                .stderr(Stdio::null())
                .status();
        }
        assert_eq!(code(child), Some(status), "{name}");
        assert_eq!(read_json(&at.join(&run).join("manifest.json"))["status"], "interrupted");
        let s = read_json(&at.join(&run).join("summary.json"));
        assert_eq!(s["snapshots"]["written"], 1);
        let tick = s["tick"].as_u64().unwrap();
        let restored = json(at, &["run", "--restore", &run, "--ticks", &(tick + 10).to_string()], 0);
        assert_eq!(restored["restored_at"], tick);
    }
}

#[test]
fn a_second_signal_after_a_second_ends_at_once_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // A locked database holds the end of the run.
    let arguments = ["run", "--entities", "1k", "--ticks", "1G", "--tick-rate", "100", "--out", "r"];
    let mut child = command(at, &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("rows", || at.join("r/manifest.json").exists());
    pause(200);
    let db = rusqlite::Connection::open(at.join("r/store.db")).unwrap();
    db.busy_timeout(Duration::from_secs(5)).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    signal(&child, "TERM");
    pause(1500);
    signal(&child, "TERM");
    let mut err = String::new();
    std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut err).unwrap();
    assert_eq!(code(child), Some(143));
    assert!(err.contains("ended at once by a second signal"), "{err}");
}

#[test]
fn who_waits_for_a_pipe_hears_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (n, text) in
        [None, Some(""), Some("timestamp,x\n"), Some("timestamp,x\n1,2\n\n"), Some("timestamp,x\n1,2\n3")]
            .into_iter()
            .enumerate()
    {
        let (pipe, run) = (at.join(format!("p{n}")), format!("r{n}"));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let child = start(at, &["run", "telemetry", "--input", pipe.to_str().unwrap(), "--out", &run, "-q"]);
        let has_row = n >= 3;
        let writer = text.map(|text| {
            let mut file = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file
        });
        if has_row {
            wait_until("a manifest", || at.join(&run).join("manifest.json").exists());
        }
        pause(200);
        signal(&child, "TERM");
        assert_eq!(code(child), Some(143), "{text:?}");
        drop(writer);
        match has_row {
            true => assert_eq!(read_json(&at.join(&run).join("summary.json"))["tick"], 1, "{text:?}"),
            false => assert!(!at.join(&run).exists(), "{text:?}: a run that never began leaves no folder"),
        }
    }
}

#[test]
fn replay_verify_and_fork_end_with_the_signals_status() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    json(
        at,
        &[
            "run",
            "--entities",
            "20k",
            "--ticks",
            "1500",
            "--out",
            "r",
            "--digest-interval",
            "1",
            "--store",
            "memory",
        ],
        0,
    );
    let fork = ["fork", "r", "--at", "10", "--ticks", "100M", "--set", "blocks[0].load=0.9", "--out", "f"];
    let verify = ["verify", "ecosystem", "--entities", "20k", "--ticks", "10M"];
    let kills = ["verify", "r", "--ticks", "1500", "--threads", "1", "--kill", "50"];
    for (arguments, name, status) in [
        (&fork[..], "TERM", 143),
        (&verify[..], "HUP", 129),
        (&kills[..], "INT", 130),
        (&["replay", "r", "--threads", "1"][..], "INT", 130),
    ] {
        let child = command(at, arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        pause(150);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}: what was cut short has nothing to say");
    }
}

#[test]
fn who_reads_a_scenario_from_a_pipe_hears_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert!(Command::new("mkfifo").arg(at.join("s.json")).status().unwrap().success());
    fs::write(at.join("t.csv"), "timestamp,x\n2014-04-01 00:00:00,2\n2014-04-01 00:05:00,3\n").unwrap();
    let windows = ["run", "telemetry", "--input", "t.csv", "--windows", "s.json", "--out", "r"];
    for arguments in [&["run", "s.json", "--out", "r"][..], &["verify", "s.json"], &windows] {
        let child = start(at, arguments);
        pause(300);
        signal(&child, "TERM");
        assert_eq!(code(child), Some(143), "{arguments:?}");
        assert!(!at.join("r").exists(), "{arguments:?}");
    }
}
