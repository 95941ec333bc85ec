//! What the scenarios share: running the program as a user would, and reading what it says.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod skip;

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
