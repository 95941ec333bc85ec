//! What stood where a run's file should be hung whoever opened it, deaf to SIGTERM: a pipe waits for somebody to write. It is an error
//! that names the file.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::{command, json};

/// Runs the program; it must end by itself. Gives its status and what it said.
fn ends(at: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut child = command(at, arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    for _ in 0..600 {
        if child.try_wait().unwrap().is_some() {
            let output = child.wait_with_output().unwrap();
            return (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    panic!("{arguments:?} hangs");
}

#[test]
fn a_pipe_or_a_folder_in_the_place_of_a_file_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let arguments = ["run", "--entities", "100", "--ticks", "20", "--snapshot-interval", "20", "--out", "r"];
    json(at, &arguments, 0);
    let snapshot = "snapshots/tick-000000000020.corec";
    for file in ["manifest.json", "journal/00000001.log", "store.db", ".lock", snapshot] {
        for is_pipe in [true, false] {
            let copied = Command::new("cp").arg("-r").arg(at.join("r")).arg(at.join("x")).status();
            assert!(copied.unwrap().success());
            let path = at.join("x").join(file);
            fs::remove_file(&path).unwrap();
            match is_pipe {
                true => assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()),
                false => fs::create_dir(&path).unwrap(),
            }
            let (status, err) = ends(at, &["run", "--restore", "x", "--ticks", "30"]);
            match file == snapshot {
                // The journal has all that a snapshot has.
                true => assert_eq!(status, Some(0), "{file}: {err}"),
                false => {
                    assert_eq!(status, Some(2), "{file}: {err}");
                    assert!(err.contains(file.rsplit('/').next().unwrap()), "{file}: {err}");
                    assert!(!is_pipe || err.contains("found a pipe or a device"), "{file}: {err}");
                }
            }
            for arguments in
                [&["replay", "x"][..], &["runs", "."], &["inspect", "x"], &["ask", "how?", "--run", "x"]]
            {
                let (status, err) = ends(at, arguments);
                assert!(status.is_some_and(|status| status < 3), "{file}: {arguments:?}: {status:?} {err}");
            }
            fs::remove_dir_all(at.join("x")).unwrap();
        }
    }
}
