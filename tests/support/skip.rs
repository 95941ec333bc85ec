//! Skips: a test that can't run on a machine says so, and is not taken for one that has passed.
//!
//! Each skip is one line, `skipped: TEST: WHY`, on stderr past what the test harness keeps to itself, and at the end of the
//! file that `COREC_SKIPS` names (an absolute path). With `COREC_NO_SKIP=1` [`skip`] fails the test, for what the machine
//! lacks can be put there; [`pass_over`] never does. Included by the tests of plugins too.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Says that the test at hand is skipped for want of something that could be installed or allowed.
pub fn skip(why: &str) {
    say(why);
    let is_failure = std::env::var_os("COREC_NO_SKIP").is_some_and(|value| value == "1");
    assert!(!is_failure, "skipped with COREC_NO_SKIP=1: {why}");
}

/// Says that the test at hand, or a part of it, is passed over for want of what only some machines have: the development
/// data, whose tests have a twin on data of their own, or a processor's instructions.
pub fn pass_over(why: &str) {
    say(why);
}

fn say(why: &str) {
    let (binary, thread) = (env!("CARGO_CRATE_NAME"), std::thread::current());
    // The harness runs a test on a thread of its name, or all of them on the main one.
    let test = thread.name().filter(|name| *name != "main").map(|name| format!("::{name}"));
    let line = format!("skipped: {binary}{}: {why}\n", test.unwrap_or_default());
    // `eprintln!` would be kept back with the output of tests that pass.
    _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(file) = std::env::var_os("COREC_SKIPS") {
        let report = OpenOptions::new().append(true).create(true).open(&file);
        let written = report.and_then(|mut report| report.write_all(line.as_bytes()));
        written.unwrap_or_else(|e| panic!("COREC_SKIPS: {}: {e}", Path::new(&file).display()));
    }
}

/// A file or folder of the development data, which the project does not ship; where that is absent, none and one line.
pub fn shared_data(path: &str) -> Option<PathBuf> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let file = above.map(|folder| folder.join("shared/data").join(path)).find(|file| file.exists());
    if file.is_none() {
        pass_over(&format!("no {path} of the development data here"));
    }
    file
}
