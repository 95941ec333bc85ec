//! Replay and verify of runs that have little to compare, or much that came from outside. Broke: a run without digests could not be
//! replayed, and a run whose plugin had read a file was told to have other bits.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use support::{corec, json, refused};

#[test]
fn what_was_compared_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let s =
        json(at, &["run", "--entities", "1k", "--ticks", "25", "--digest-interval", "0", "--out", "r"], 0);
    let replayed = json(at, &["replay", "r"], 0);
    assert_eq!((&replayed["tick"], &replayed["same"]), (&25.into(), &0.into()));
    assert_eq!(replayed["digest"], s["state_digest"]);
    let text = String::from_utf8(corec(at, &["replay", "r"]).stdout).unwrap();
    assert!(text.contains("no digest was recorded"), "{text}");
    let text = String::from_utf8(corec(at, &["verify", "r", "--threads", "1,2"]).stdout).unwrap();
    assert!(text.contains("recorded (0)") && text.contains("threads 2 (3)"), "{text}");
    let none = json(at, &["replay", "r", "--to", "0"], 0);
    assert_eq!((&none["tick"], &none["ticks_per_second"]), (&0.into(), &serde_json::Value::Null));
    assert_eq!(json(at, &["replay", "r", "--to", "7"], 0)["tick"], 7);
    refused(at, &["replay", "r", "--to", "26"], "--to: found 26, must be at most 25");
    refused(at, &["verify", "r", "--ticks", "26"], "--ticks: found 26, must be at most 25");
}

/// The analyzer reads its weights from a file, which is another one when the run is over.
#[test]
fn a_run_whose_plugin_read_a_file_is_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let plugin = at.join("plugins/analyzer");
    fs::create_dir_all(&plugin).unwrap();
    let config = r#"{"name": "analyzer", "mode": "score", "train_epochs": 5, "entities": 100}"#;
    fs::write(plugin.join("config.json"), config).unwrap();
    let run = |out: &str| {
        let arguments = ["run", "--entities", "500", "--ticks", "40", "--plugins", "plugins", "--out", out];
        json(at, &arguments, 0)
    };
    let (first, second) = (run("a"), run("b"));
    assert_ne!(
        first["state_digest"], second["state_digest"],
        "the second began with what the first had learned"
    );
    for out in ["a", "b"] {
        let found = json(at, &["verify", out, "--threads", "1,2", "--kill", "2"], 0);
        assert_eq!((&found["same"], &found["tick"]), (&true.into(), &40.into()), "{out}: {found}");
        assert_eq!(json(at, &["replay", out], 0)["same"], 4);
    }
}

#[test]
fn a_run_over_a_table_is_verified_and_killed_without_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let rows: String =
        (0..120).map(|i| format!("{},{},{}\n", i % 7, i % 11, u8::from(i % 40 == 39))).collect();
    fs::write(at.join("t.csv"), format!("a,b,label\n{rows}")).unwrap();
    let s = json(at, &["run", "telemetry", "--input", "t.csv", "--out", "r"], 0);
    fs::remove_file(at.join("t.csv")).unwrap();
    let found = json(at, &["verify", "r", "--threads", "1,2", "--kill", "3"], 0);
    assert_eq!((&found["same"], &found["digest"]), (&true.into(), &s["state_digest"]));
    assert!(corec(at, &["verify", "telemetry"]).status.code() == Some(2), "a table is run first");
}

#[test]
fn a_run_that_had_no_plugins_is_asked_with_and_without_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
    for (out, more) in [("a", &[][..]), ("b", &["--snapshot-interval", "10"][..])] {
        json(at, &[&["run", "--entities", "1k", "--ticks", "25", "--out", out][..], more].concat(), 0);
        let arguments = ["ask", "how is it going?", "--run", out, "--plugins", plugins.to_str().unwrap()];
        let answer = json(at, &arguments, 0);
        assert!(answer["texto"].as_str().unwrap().contains("Tick 25"), "{answer}");
    }
}
