//! Tests that could not run returned early and counted as passed, and nobody was told: a skip is a line that is seen, and a
//! failure where it was asked for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use support::skip::{pass_over, skip};

/// Runs one of the tests below in a process of its own, its output kept back as ever.
fn child(test: &str, report: &Path, no_skip: &str) -> Output {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--ignored", "--exact", test]).env("COREC_SKIPS", report).env("COREC_NO_SKIP", no_skip);
    child.output().unwrap()
}

#[test]
#[ignore = "skips, for the tests below"]
fn child_skips() {
    skip("no small disk");
}

#[test]
#[ignore = "passes over, for the tests below"]
fn child_passes_over() {
    pass_over("no development data");
}

const SKIPPED: &str = "skipped: issue_011_silent_skips::child_skips: no small disk\n";
const PASSED_OVER: &str = "skipped: issue_011_silent_skips::child_passes_over: no development data\n";

#[test]
fn a_skip_is_one_line_on_stderr_and_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("skips");
    for (test, line) in [("child_skips", SKIPPED), ("child_passes_over", PASSED_OVER)] {
        let output = child(test, &report, "");
        assert!(output.status.success() && output.stdout.ends_with(b"s\n\n"), "{output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), line);
    }
    assert_eq!(fs::read_to_string(report).unwrap(), [SKIPPED, PASSED_OVER].concat());
}

#[test]
fn a_skip_is_a_failure_where_none_is_allowed_but_for_what_a_machine_can_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("skips");
    let output = child("child_skips", &report, "1");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        !output.status.success() && said.contains("skipped with COREC_NO_SKIP=1: no small disk"),
        "{said}"
    );
    assert!(child("child_passes_over", &report, "1").status.success());
    assert_eq!(fs::read_to_string(report).unwrap(), [SKIPPED, PASSED_OVER].concat());
}
