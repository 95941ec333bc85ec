//! Plugins in a folder: which are loaded, what is refused and why, what the program says of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use support::{corec, json, refused};

/// Writes `plugins/NAME/config.json`.
fn plugin(folder: &Path, name: &str, config: &str) {
    let folder = folder.join("plugins").join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.json"), config).unwrap();
}

fn scenario(folder: &Path, plugins: &str) {
    let text = format!(
        r#"{{"name": "s", "ticks": 10, "store": "memory", "plugins": {plugins}, "blocks": [{{"id": "a", "entities": 100}}]}}"#
    );
    fs::write(folder.join("s.json"), text).unwrap();
}

fn loaded(folder: &Path, arguments: &[&str]) -> Vec<String> {
    let summary = json(folder, arguments, 0);
    summary["plugins"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap().to_string()).collect()
}

const ALERTS: &str =
    r#"{"nombre": "alertas", "enabled": true, "canal": 6, "entidades": 50, "carga": 0.5, "intervalo": 2}"#;

#[test]
fn a_plugin_is_found_by_its_name_or_alias_and_not_by_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    plugin(folder.path(), "some_folder", ALERTS);
    fs::create_dir(folder.path().join("plugins/no_plugin")).unwrap();
    scenario(folder.path(), r#""auto""#);
    assert_eq!(loaded(folder.path(), &["run", "s.json"]), ["alerts"]);
    scenario(folder.path(), r#"["alerts"]"#);
    assert_eq!(loaded(folder.path(), &["run", "s.json"]), ["alerts"]);
    scenario(folder.path(), "[]");
    assert_eq!(loaded(folder.path(), &["run", "s.json"]), [""; 0]);
    let there = folder.path().join("plugins");
    assert_eq!(loaded(folder.path(), &["run", "s.json", "--plugins", there.to_str().unwrap()]), ["alerts"]);
    // Beside the scenario, wherever it is started.
    let elsewhere = tempfile::tempdir().unwrap();
    scenario(folder.path(), r#""auto""#);
    let file = folder.path().join("s.json");
    assert_eq!(loaded(elsewhere.path(), &["run", file.to_str().unwrap()]), ["alerts"]);
}

#[test]
fn a_run_with_plugins_is_replayed_verified_forked_and_restored_with_them() {
    let folder = tempfile::tempdir().unwrap();
    plugin(folder.path(), "alerts", ALERTS);
    scenario(folder.path(), r#""auto""#);
    let run = json(folder.path(), &["run", "s.json", "--out", "r", "--snapshot-interval", "4"], 0);
    assert_eq!(run["entities"], 150);
    // What it was stays what it was, whatever became of its folder since.
    fs::remove_dir_all(folder.path().join("plugins")).unwrap();
    let replayed = json(folder.path(), &["replay", "r"], 0);
    assert_eq!((&replayed["digest"], &replayed["tick"]), (&run["state_digest"], &run["tick"]));
    assert_eq!(json(folder.path(), &["verify", "r", "--threads", "1,2"], 0)["digest"], run["state_digest"]);
    let forked = json(folder.path(), &["fork", "r", "--at", "6", "--set", "blocks[0].load=0.9"], 0);
    assert_eq!(forked["same"]["plugins"][0]["name"], "alerts");
    let restored = json(folder.path(), &["run", "--restore", "r", "--ticks", "10"], 0);
    assert_eq!(restored["state_digest"], run["state_digest"]);
}

#[test]
fn verify_takes_a_folder_of_plugins_through_kills_too() {
    let folder = tempfile::tempdir().unwrap();
    plugin(folder.path(), "alerts", ALERTS);
    let found = json(
        folder.path(),
        &[
            "verify",
            "ecosystem",
            "--entities",
            "3000",
            "--ticks",
            "30",
            "--plugins",
            "plugins",
            "--kill",
            "2",
        ],
        0,
    );
    assert_eq!(found["same"], true);
}

#[test]
fn what_cannot_be_loaded_is_bad_usage_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    scenario(path, r#"["ghost"]"#);
    refused(path, &["run", "s.json"], "found no folder 'plugins' with ghost");
    refused(path, &["run", "s.json", "--plugins", "nowhere"], "--plugins: found no folder nowhere");
    plugin(path, "alerts", ALERTS);
    refused(path, &["run", "s.json"], "plugins: found 'ghost', must be of those in plugins: alertas");
    scenario(path, r#""auto""#);
    plugin(path, "twin", r#"{"name": "alerts"}"#);
    refused(path, &["run", "s.json"], "found in plugins/alerts/config.json and in plugins/twin/config.json");
    plugin(path, "twin", r#"{"name": "ghost"}"#);
    refused(
        path,
        &["run", "s.json"],
        "plugins/twin/config.json: name: found 'ghost', which this binary was not built with",
    );
    fs::write(path.join("plugins/twin/main.py"), "class Ghost: pass").unwrap();
    refused(path, &["run", "s.json"], "its main.py is Python, which is ported with `corec plugin new`");
    plugin(path, "twin", r#"{"name": "ghost", "enabled": false}"#);
    assert_eq!(loaded(path, &["run", "s.json", "--out", "fine"]), ["alerts"], "what is off may be unknown");
    plugin(path, "twin", r#"{"name": "#);
    refused(path, &["run", "s.json"], "plugins/twin/config.json");
}

#[test]
fn list_and_check_say_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    plugin(path, "alerts", ALERTS);
    plugin(path, "old", r#"{"nombre": "procesador", "enabled": false}"#);
    let listed = json(path, &["plugin", "list"], 0);
    let of = |name: &str| listed.as_array().unwrap().iter().find(|p| p["name"] == name).unwrap().clone();
    let alerts = of("alerts");
    assert_eq!(
        (&alerts["channel"], &alerts["entities"], &alerts["systems"]),
        (&6.into(), &50.into(), &1.into())
    );
    assert_eq!((&alerts["enabled"], &alerts["source"]), (&true.into(), &"plugins/alerts/config.json".into()));
    assert_eq!(of("procesador")["is_built_in"], false);
    let text = corec(path, &["plugin", "list"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("not built"));

    let checked = corec(path, &["plugin", "check", "plugins/alerts"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    refused(path, &["plugin", "check", "nowhere"], "nowhere");
    plugin(path, "alerts", r#"{"name": "alerts", "rulez": []}"#);
    refused(path, &["plugin", "check", "plugins"], "rulez: unknown key 'rulez': did you mean 'rules'?");
}

#[test]
fn the_registry_of_this_tree_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let checked = corec(root, &["plugin", "sync", "--check"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn a_secret_of_a_plugin_is_in_no_file_and_no_output() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let config = r#"{"name": "communicator", "openrouter_api_key": "s3cr3t-t0ken-s3cr3t", "chat": {"base_url": "http://127.0.0.1:9"}}"#;
    plugin(path, "communicator", config);
    scenario(path, r#""auto""#);
    let said = corec(path, &["run", "s.json", "--out", "r", "--log", "trace", "--snapshot-interval", "5"]);
    assert!(said.status.success());
    let replayed = corec(path, &["replay", "r", "--log", "trace"]);
    let all = [said.stdout, said.stderr, replayed.stdout, replayed.stderr].concat();
    assert!(!String::from_utf8_lossy(&all).contains("s3cr3t"), "{}", String::from_utf8_lossy(&all));
    let mut folders = vec![path.join("r")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            let bytes = fs::read(&entry).unwrap();
            assert!(!bytes.windows(6).any(|window| window == b"s3cr3t"), "{}", entry.display());
            files += 1;
        }
    }
    assert!(files >= 4, "{files} files");
    // A restored run has it again, from the file that it was in: the plugin is as it was.
    let restored = json(path, &["run", "--restore", "r", "--ticks", "20"], 0);
    assert_eq!(restored["plugins"][0]["is_stopped"], false);
}

#[test]
fn a_run_is_asked_and_answers_in_the_language_of_the_question() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    plugin(path, "talk", r#"{"name": "comunicador_inteligente", "enabled": false, "entidades": 100}"#);
    refused(path, &["ask", "hola"], "found no run in runs/");
    let run = corec(path, &["run", "ecosystem", "--entities", "3000", "--ticks", "50", "--quiet"]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let answer = corec(path, &["ask", "¿cómo va la simulación?"]);
    let text = String::from_utf8_lossy(&answer.stdout);
    assert!(text.starts_with("Tick 50: fitness media 0.") && text.contains("3000 entidades"), "{text}");
    let english = json(path, &["ask", "how is it going?", "--run", "runs/0001"], 0);
    assert!(english["texto"].as_str().unwrap().starts_with("Tick 50: mean fitness"), "{english}");
    assert_eq!(english["source"], "local");
    assert!(!path.join("plugins/talk/data").exists(), "asking writes nothing");
    assert_eq!(corec(path, &["ask", ""]).status.code(), Some(2), "no question");
}
