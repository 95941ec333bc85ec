//! The examples, as a user runs them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

#[test]
fn a_component_and_a_system_of_ones_own_run_a_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let run = ["run", "--quiet", "--locked", "--manifest-path", manifest, "--example", "fatigue"];
    let output = Command::new(env!("CARGO")).args(run).current_dir(folder.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for wanted in ["fatigue, seed 42", "100,000 in 100 blocks", "200 in", "fatigue::tire"] {
        assert!(text.contains(wanted), "{text} lacks {wanted}");
    }
    let source = include_str!("../examples/fatigue.rs");
    assert!(source.lines().count() < 40, "an own component and system in under 40 lines");
}
