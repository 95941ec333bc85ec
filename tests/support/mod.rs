//! What the scenarios share: running the program as a user would, and reading what it says.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod skip;

mod certificates;
pub mod ledger;
pub mod redis;

pub mod bus;
pub mod proxy;

mod batches;
pub mod postgres;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The program, in a folder of its own so that nothing is left behind.
pub fn corec(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the program starts")
}

pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corec"));
    command.current_dir(folder).args(arguments).env_remove("RUST_LOG");
    command
}

/// Runs it with `--json`; gives the object. The run must have exited with `status`.
pub fn json(folder: &Path, arguments: &[&str], status: i32) -> Value {
    let output = corec(folder, &[arguments, &["--json"]].concat());
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {out}{err}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {out}"))
}

/// Runs it; it must exit with 2 and say `wanted`.
pub fn refused(folder: &Path, arguments: &[&str], wanted: &str) {
    let output = corec(folder, arguments);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {err}");
    assert!(err.contains(wanted), "{arguments:?}: {err} lacks {wanted}");
    assert!(!folder.join("runs").exists(), "{arguments:?} made a run's folder");
}

pub fn number(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap_or_else(|| panic!("{key} is {}", object[key]))
}

/// Starts it and leaves it running, with nothing on its streams.
pub fn start(folder: &Path, arguments: &[&str]) -> std::process::Child {
    let mut command = command(folder, arguments);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::null()).spawn().expect("the program starts")
}

/// Waits until `is_so`, for half a minute at most.
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{what}: not within half a minute");
}

/// Sends a signal: "TERM", "KILL", ...
pub fn signal(child: &std::process::Child, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
}

/// Kills a run once it has a snapshot.
pub fn kill_with_a_snapshot(mut child: std::process::Child, run: &Path) {
    let has_one = || {
        let files = std::fs::read_dir(run.join("snapshots"));
        files.is_ok_and(|mut files| {
            files.any(|f| f.is_ok_and(|f| f.path().extension().is_some_and(|e| e == "corec")))
        })
    };
    wait_until("a snapshot", has_one);
    child.kill().expect("it runs");
    child.wait().expect("it was killed");
}

/// What `corec` says on stderr, and its exit status.
pub fn said(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = corec(folder, arguments);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The object in a JSON file.
pub fn read_json(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
