//! Names with control characters reached the terminal as they were, and of a key that was there twice the last one counted
//! without a word.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use support::{corec, refused};

/// Refused with this scenario, and told what is `wanted`; what is said holds no control character but its line ends.
fn refuses(folder: &Path, scenario: &str, wanted: &str) {
    fs::write(folder.join("s.json"), scenario).unwrap();
    refused(folder, &["run", "s.json"], wanted);
    let output = corec(folder, &["run", "s.json"]);
    for said in [output.stdout, output.stderr] {
        let said = String::from_utf8(said).unwrap();
        assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
    }
}

const BLOCKS: &str = r#""blocks": [{"id": "a", "entities": 5}]"#;

#[test]
fn a_control_character_in_anything_that_is_printed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (keys, path) in [
        (
            r#""name": "x\u001b[31mred""#,
            "s.json: name: found 'x\\u{1b}[31mred', must be a text without control",
        ),
        (r#""instance_id": "x\u009b""#, "s.json: instance_id: found 'x\\u{9b}'"),
        (r#""role": "a\nb""#, "s.json: role: found 'a\\nb'"),
        (r#""bus": "redis://ana:s3cr3t@h\u001b""#, "s.json: bus: found 'redis://ana:***@h\\u{1b}'"),
        (r#""store": "sqlite://a\u0007.db""#, "s.json: store: found 'sqlite://a\\u{7}.db'"),
        (r#""input_stream": "in\u001b""#, "s.json: input_stream: found 'in\\u{1b}'"),
        (r#""plugins": ["alerts", "a\u001b"]"#, "s.json: plugins[1]: found 'a\\u{1b}'"),
        (r#""memory_max": "1\u001bGiB""#, "s.json: memory_max: found '1\\u{1b}GiB'"),
        (r#""se\u001bed": 1"#, "s.json: se\\u{1b}ed: unknown key 'se\\u{1b}ed': did you mean 'seed'?"),
        (r#""seed": "4\u001b""#, "s.json: seed: found \"4\\u{1b}\", must be a whole number"),
        (r#""threads": "\u009b""#, "s.json: threads: found \"\\u{9b}\", must be \"all\""),
        (
            r#""alerts": [{"name": "x\u001b", "signal": "fitness", "enter": 1, "leave": 0}]"#,
            "s.json: alerts[0].name: found 'x\\u{1b}'",
        ),
    ] {
        refuses(folder.path(), &format!("{{{keys}, {BLOCKS}}}"), path);
    }
    for (group, path) in [
        (r#""id": "a\u001b""#, "s.json: blocks[0].id: found 'a\\u{1b}'"),
        (r#""id": "a", "kind": "x\u001b""#, "s.json: blocks[0].kind: found 'x\\u{1b}'"),
        (r#""id": "a", "plugin": "x\u001b""#, "s.json: blocks[0].plugin: found 'x\\u{1b}'"),
        (r#""id": "a", "lo\u0085ad": 1"#, "s.json: blocks[0].lo\\u{85}ad: unknown key"),
    ] {
        refuses(folder.path(), &format!(r#"{{"blocks": [{{{group}, "entities": 5}}]}}"#), path);
    }
}

#[test]
fn a_key_that_is_there_twice_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    refuses(
        folder.path(),
        &format!("{{\"seed\": 1,\n \"seed\": 2, {BLOCKS}}}"),
        "s.json: line 2, column 7: found the key 'seed' again, must be there once",
    );
    refuses(
        folder.path(),
        r#"{"blocks": [{"id": "a", "entities": 50, "load": 0.1, "load": 0.9}]}"#,
        "s.json: line 1, column 59: found the key 'load' again",
    );
    let plugin = folder.path().join("p/alerts");
    fs::create_dir_all(&plugin).unwrap();
    fs::write(plugin.join("config.json"), r#"{"name": "alerts", "rules": [], "rules": []}"#).unwrap();
    refused(
        folder.path(),
        &["run", "--entities", "1k", "--ticks", "1", "--plugins", "p"],
        "p/alerts/config.json: line 1, column 39: found the key 'rules' again, must be there once",
    );
}

#[test]
fn what_does_not_fit_its_key_says_what_does() {
    let folder = tempfile::tempdir().unwrap();
    for (keys, wanted) in [
        (r#""ticks": -5"#, "s.json: ticks: found -5, must be a whole number of at least 1"),
        (r#""ticks": 1.5"#, "s.json: ticks: found 1.5, must be a whole number of at least 1"),
        (r#""ticks": "many""#, "s.json: ticks: found \"many\", must be a whole number of at least 1"),
        (r#""seed": -1"#, "s.json: seed: found -1, must be a whole number of at least 0"),
        (r#""tick_seconds": "1s""#, "s.json: tick_seconds: found \"1s\", must be within 1e-6..=1e9 seconds"),
        (r#""max_failures": null"#, "s.json: max_failures: found null, must be a whole number of at least 1"),
        (r#""name": 5"#, "s.json: name: found 5, must be a text"),
        (r#""telemetry": true"#, "s.json: telemetry: found true, must be an object"),
        (r#""on_plugin_error": 5"#, "s.json: on_plugin_error: found 5, must be a text"),
        (r#""telemetry": []"#, "s.json: telemetry: found a list, must be an object"),
        (r#""alerts": [["a", "fitness", 1, 0]]"#, "s.json: alerts[0]: found a list, must be an object"),
        (r#""alerts": {}"#, "s.json: alerts: found an object, must be a list"),
        (
            r#""alerts": [{"name": "a", "enter": 1, "leave": 0}]"#,
            "s.json: alerts[0]: found no key 'signal', must have it",
        ),
        (
            r#""alerts": [{"name": "a", "signal": "fitness", "enter": 1, "leave": 0, "severity": -1}]"#,
            "s.json: alerts[0].severity: found -1, must be a whole number within 1..=5",
        ),
    ] {
        refuses(folder.path(), &format!("{{{keys}, {BLOCKS}}}"), wanted);
    }
    for (group, wanted) in [
        (
            r#""entities": -3"#,
            "blocks[0].entities: found -3, must be a whole number within 0..=1,000,000,000",
        ),
        (
            r#""entities": 5, "channel": 300"#,
            "blocks[0].channel: found 300, must be a whole number within -128..=127",
        ),
        (r#""entities": 5, "load": "half""#, "blocks[0].load: found \"half\", must be within 0..=1"),
        (r#""entities": 5, "repair": 7"#, "blocks[0].repair: found 7, must be false or an object of limits"),
        (
            r#""entities": 5, "repair": {"fitness_min": "low"}"#,
            "blocks[0].repair.fitness_min: found \"low\", must be within 0..=1",
        ),
        (r#""entities": 5, "dynamics": []"#, "blocks[0].dynamics: found a list, must be an object"),
    ] {
        refuses(folder.path(), &format!(r#"{{"blocks": [{{"id": "a", {group}}}]}}"#), wanted);
    }
}

#[test]
fn a_path_of_sqlite_is_shown_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a:b@c")).unwrap();
    let store = format!("sqlite://{}/a:b@c/s.db", folder.path().display());
    let arguments = ["run", "--entities", "1k", "--ticks", "2", "--store", &store];
    let summary = support::json(folder.path(), &arguments, 0);
    assert_eq!(summary["store"], store);
    assert!(folder.path().join("a:b@c/s.db").exists());
}
