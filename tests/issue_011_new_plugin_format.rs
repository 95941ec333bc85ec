//! What `corec plugin new` wrote was refused by `cargo fmt --check` for some names: lines got too long, or too short to stay
//! broken, and imports were out of order.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use corec_run::plugins::Tree;

/// Names short and long, that sort before `corec` and after it, whose types sort before `Tiredness` and after it.
#[test]
fn what_is_written_is_formatted_whatever_the_name() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("plugins/src")).unwrap();
    fs::write(folder.path().join("plugins/Cargo.toml"), "[package]\nname = \"corec_plugins\"\n").unwrap();
    let tree = Tree::around(folder.path()).unwrap();
    let style = concat!(env!("CARGO_MANIFEST_DIR"), "/rustfmt.toml");
    let (long, parts) = ("w".repeat(64), "a_".repeat(31) + "zz");
    let middling: Vec<String> = (8..40).step_by(4).map(|length| "n".repeat(length)).collect();
    let names = ["a", "z9", "alpha_beta", "corec2", "serde_like", "unusual_weather", &long, &parts];
    let rustfmt = |files: &[PathBuf]| {
        let mut rustfmt = Command::new("rustfmt");
        rustfmt.args(["--edition", "2024", "--check", "--config-path", style]).args(files);
        let checked =
            rustfmt.output().expect("rustfmt is part of the toolchain that rust-toolchain.toml names");
        let said = [checked.stdout, checked.stderr].concat();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&said));
    };
    for name in names.into_iter().chain(middling.iter().map(String::as_str)) {
        let made = tree.create(name).unwrap();
        rustfmt(&[made.join("src/lib.rs"), made.join("tests/runs.rs")]);
    }
    rustfmt(&[folder.path().join("plugins/src/lib.rs")]);
}
