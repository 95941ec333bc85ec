//! The program as a user meets it: flags, files, exit codes, signals, and nothing secret on any output.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::{command, corec, json, number, refused, said};

const SMALL: &[&str] = &["run", "--entities", "5k", "--ticks", "20"];

#[test]
fn the_json_has_every_promised_key_and_they_agree() {
    let folder = tempfile::tempdir().unwrap();
    let s = json(folder.path(), &[SMALL, &["--threads", "2"]].concat(), 0);
    for key in [
        "scenario",
        "seed",
        "threads",
        "entities",
        "blocks",
        "tick",
        "ticks",
        "seconds",
        "startup_seconds",
        "ticks_per_second",
        "entity_updates",
        "entity_updates_per_second",
        "peak_rss_bytes",
        "bytes_per_entity",
        "fitness_start",
        "fitness_end",
        "faults",
        "repairs",
        "alerts",
        "state_digest",
        "store",
        "out",
        "systems",
    ] {
        assert!(!s[key].is_null(), "{key} is missing");
    }
    assert_eq!((&s["scenario"], &s["seed"], &s["threads"]), (&"ecosystem".into(), &42.into(), &2.into()));
    assert_eq!((number(&s, "tick"), number(&s, "ticks"), number(&s, "entities")), (20.0, 20.0, 5000.0));
    // Load 0.5: half of every block; blocks of odd length round down.
    assert!((number(&s, "entity_updates") - 20.0 * 2500.0).abs() <= 20.0 * number(&s, "blocks"));
    assert_eq!(s["state_digest"].as_str().unwrap().len(), 16);
    let near = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-9, "{a} is not {b}");
    near(number(&s, "ticks_per_second"), 20.0 / number(&s, "seconds"));
    near(number(&s, "bytes_per_entity"), number(&s, "peak_rss_bytes") / 5000.0);
    let systems = s["systems"].as_array().unwrap();
    let process = systems.iter().find(|s| s["name"] == "process").unwrap();
    assert_eq!((&process["phase"], &process["calls"]), (&"process".into(), &20.into()));
    let folder = folder.path().join(s["out"].as_str().unwrap());
    assert!(folder.join("store.db").exists() && folder.join("summary.json").exists());
}

#[test]
fn the_summary_for_people_names_the_run_and_the_next_command() {
    let folder = tempfile::tempdir().unwrap();
    let output = corec(folder.path(), SMALL);
    let text = String::from_utf8(output.stdout).unwrap();
    for wanted in [
        "ecosystem",
        "5,000 in",
        "20 in",
        "updates/s",
        "MB at most",
        "fitness",
        "digest",
        "runs/0001",
        "corec run",
    ] {
        assert!(text.contains(wanted), "{text} lacks {wanted}");
    }
    assert_eq!(corec(folder.path(), &[SMALL, &["--quiet"]].concat()).stdout, b"");
    assert!(folder.path().join("runs/0002").exists(), "each run has a folder of its own");
}

#[test]
fn bad_usage_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let config = |name: &str, text: &str| {
        fs::write(at.join(name), text).unwrap();
        at.join(name).to_str().unwrap().to_string()
    };
    refused(at, &["run", "ecosistem"], "one of: ecosystem, chaos, full-rows, telemetry");
    refused(at, &["run", "--entities", "lots"], "such as 250000, 10k or 1M");
    refused(at, &["run", "--entities", "2"], "at least 3");
    refused(at, &["run", "--ticks", "0"], "ticks: found 0, must be at least 1");
    refused(at, &["run", "--load", "1.7"], "--load: found 1.7, must be within 0..=1");
    refused(at, &["run", "--threads", "0"], "1..=1024");
    refused(at, &["run", "--tick-rate", "-1"], "must be within 0.001");
    refused(at, &["run", "--tick-rte", "1"], "--tick-rate");
    refused(at, &["run", "--input", "x.csv"], "scenario 'ecosystem' takes no table");
    refused(at, &["run", "telemetry"], "--input: missing");
    refused(at, &["run", "telemetry", "--input", "/nowhere/x.csv"], "/nowhere/x.csv");
    refused(at, &["run", "--bus", "redis://u:hunter2@h?kep=1MiB"], "found the parameter 'kep'");
    refused(
        at,
        &["run", "--store", "postgres://u:hunter2@h/d?sslmode=maybe"],
        "must be disable, prefer, require",
    );
    refused(at, &["run", "--store", "sqlit://x"], "unknown store");
    refused(at, &["run", "--memory-max", "20MB"], "must be at most 20 MB");
    refused(at, &["run", "--memory-max", "much"], "memory_max");
    refused(
        at,
        &["run", &config("a.json", r#"{"blocks": [{"id": "a", "entities": 5, "lod": 1}]}"#)],
        "did you mean 'load'?",
    );
    refused(
        at,
        &["run", &config("b.json", r#"{"blocks": [{"id": "a", "entities": 5, "kind": "sell"}]}"#)],
        "one of: cell, colony, full, mirror, twin",
    );
    let big = r#"{"blocks": [{"id": "a", "entities": 5000, "block_bytes_max": 10}]}"#;
    refused(at, &["run", &config("c.json", big)], "block_bytes_max");
    let plugin = r#"{"plugins": ["nobody"], "blocks": [{"id": "a", "entities": 5}]}"#;
    refused(at, &["run", &config("d.json", plugin)], "found no folder 'plugins' with nobody");
}

#[test]
fn a_folder_that_holds_a_run_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    json(folder.path(), &[SMALL, &["--out", "mine"]].concat(), 0);
    let again = corec(folder.path(), &[SMALL, &["--out", "mine"]].concat());
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("holds a run already"));
}

#[test]
fn the_old_file_runs_once_its_servers_are_named_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let old = r#"{"instance_id": "corec1",
        "db_config": {"dbname": "d", "user": "u", "password": "hunter2", "host": "localhost", "port": "5432"},
        "redis_config": {"host": "localhost", "port": 1, "username": "u", "password": "hunter2"},
        "bloques": [{"id": "enjambre_sensor", "canal": 1, "entidades": 9000, "max_size_mb": 1, "entidades_por_bloque": 1000,
                     "autoreparacion": {"max_errores": 0.05, "min_fitness": 0.2}},
                    {"id": "ia_analisis", "canal": 3, "entidades": 2000, "max_size_mb": 5, "entidades_por_bloque": 2000,
                     "plugin": "procesador_inteligente"}],
        "modules": ["registro", "ejecucion"], "rol": "generica"}"#;
    fs::write(folder.path().join("corec_config.json"), old).unwrap();
    let (status, said) = said(folder.path(), &["run", "./corec_config.json", "--connect-timeout", "0"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("--bus memory") && !said.contains("hunter2"), "{said}");
    let arguments = [
        "run",
        "./corec_config.json",
        "--bus",
        "memory",
        "--store",
        "sqlite://store.db",
        "--ticks",
        "5",
        "--json",
    ];
    let output = corec(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("procesador_inteligente"), "{err}");
    let left = everything_in(folder.path(), "corec_config.json");
    assert!(left.contains("enjambre_sensor") && !left.contains("hunter2"), "{left}");
}

/// All that a run left behind, and what it was told stays out of it.
fn everything_in(folder: &std::path::Path, but: &str) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|e| e.file_name() != but) {
        if entry.path().is_dir() {
            all += &everything_in(&entry.path(), but);
        } else {
            all += &String::from_utf8_lossy(&fs::read(entry.path()).unwrap());
        }
    }
    all
}

#[test]
fn no_output_and_no_file_shows_a_password() {
    let folder = tempfile::tempdir().unwrap();
    for flags in
        [["--bus", "redis://ana:hunter2@h:1"], ["--store", "postgres://ana:hunter2@h/d?ca=/nowhere.pem"]]
    {
        let output = corec(folder.path(), &[SMALL, &flags, &["--log", "trace"]].concat());
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        // It speaks of the URL, and leaves the password out.
        assert!(text.contains(&flags[1][..8]) && !text.contains("hunter2"), "{text}");
    }
    assert!(!everything_in(folder.path(), "").contains("hunter2"));
}

#[test]
fn a_signal_ends_the_run_after_its_tick_with_everything_flushed() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["run", "--entities", "20k", "--ticks", "1M", "--tick-rate", "200", "--json"];
        let child =
            command(folder.path(), &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Long enough to be under way; the tick rate keeps it from being over.
        std::thread::sleep(Duration::from_millis(1500));
        Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let (tick, store) =
            (number(&summary, "tick"), folder.path().join(summary["out"].as_str().unwrap()).join("store.db"));
        assert!(tick >= 1.0);
        let db = rusqlite::Connection::open(store).unwrap();
        let last: f64 = db.query_row("SELECT last_tick FROM runs", [], |row| row.get(0)).unwrap();
        assert_eq!(last, tick);
    }
}

#[test]
fn scenarios_and_schema_can_be_read_by_programs_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let list = String::from_utf8(corec(folder.path(), &["scenarios"]).stdout).unwrap();
    assert!(
        ["ecosystem", "chaos", "full-rows", "telemetry"].iter().all(|name| list.contains(name)),
        "{list}"
    );
    let text = corec(folder.path(), &["scenarios", "ecosystem"]).stdout;
    fs::write(folder.path().join("mine.json"), text).unwrap();
    let mine = json(folder.path(), &["run", "mine.json", "--entities", "5k", "--ticks", "20"], 0);
    let built_in = json(folder.path(), SMALL, 0);
    assert_eq!(mine["state_digest"], built_in["state_digest"]);
    let schema: serde_json::Value =
        serde_json::from_slice(&corec(folder.path(), &["schema"]).stdout).unwrap();
    for key in ["blocks", "seed", "tick_seconds", "alerts", "memory_max"] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn a_disk_that_can_not_be_written_fails_the_run_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("not_a_db"), "just text, and long enough to be looked at".repeat(100))
        .unwrap();
    let store = format!("sqlite://{}", folder.path().join("not_a_db").display());
    let output = corec(folder.path(), &[SMALL, &["--store", &store]].concat());
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("not a database"), "{err}");
}

#[test]
fn a_profile_shows_every_system_and_its_blocks_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["run", "--entities", "50k", "--ticks", "20", "--threads", "2"];
    let with = json(folder.path(), &[&arguments[..], &["--profile", "p.json"]].concat(), 0);
    let without = json(folder.path(), &arguments, 0);
    assert_eq!(with["state_digest"], without["state_digest"]);
    let text = fs::read_to_string(folder.path().join("p.json")).unwrap();
    let trace: serde_json::Value = serde_json::from_str(&text).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let spans = |category: &str| events.iter().filter(|e| e["cat"] == category).collect::<Vec<_>>();
    assert_eq!(spans("process").iter().filter(|e| e["name"] == "process").count(), 20);
    let end = |e: &serde_json::Value| number(e, "ts") + number(e, "dur");
    for blocks in spans("blocks") {
        assert!(blocks["tid"].as_u64().unwrap() < 2);
        let inside = |e: &serde_json::Value| {
            number(e, "ts") <= number(blocks, "ts") + 0.01 && end(blocks) <= end(e) + 0.01
        };
        assert!(
            events.iter().any(|e| e["cat"] != "blocks" && e["ph"] == "X" && inside(e)),
            "{blocks} is in no system"
        );
    }
    assert!(spans("blocks").len() >= 20 * 16, "{}", spans("blocks").len());
    let names = events.iter().filter(|e| e["ph"] == "M").count();
    assert_eq!(names, 3, "two threads of the pool, and the others");
    let output = corec(folder.path(), &[SMALL, &["--profile", "/nowhere/p.json"]].concat());
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn help_tells_all_that_stands_above_the_arguments_of_a_subcommand() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["run", "verify", "replay", "fork", "ask", "feed", "tail", "doctor"] {
        let help = String::from_utf8(corec(folder.path(), &[name, "--help"]).stdout).unwrap();
        assert!(help.contains("Exit status: 0"), "{name}: {help}");
    }
    let help = String::from_utf8(corec(folder.path(), &["--help"]).stdout).unwrap();
    for line in
        ["CoreC: a million small entities", "feed       Send the rows", "schema     Print the JSON schema"]
    {
        assert!(help.contains(line), "{help} lacks {line}");
    }
}
