//! The claim that anyone can check: one digest at any thread count, and across kills.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use corec_core::journal::{Input, Inputs, Journal};
use corec_run::manifest::Manifest;
use serde_json::Value;
use support::{corec, json, refused};

#[test]
fn one_digest_at_every_thread_count_and_across_kills() {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["verify", "ecosystem", "--entities", "30k", "--ticks", "60", "--threads", "1,2,8", "--kill", "5"];
    let found = json(folder.path(), &arguments, 0);
    let arguments = ["run", "--entities", "30k", "--ticks", "60", "--out", "run"];
    let run = json(folder.path(), &arguments, 0);
    assert_eq!((&found["same"], &found["digest"]), (&Value::Bool(true), &run["state_digest"]));
    // What a run has recorded is verified as well, and a number that was changed in it is found.
    let arguments = ["verify", "run", "--threads", "2"];
    assert_eq!(json(folder.path(), &arguments, 0)["digest"], run["state_digest"]);
    let run = folder.path().join("run");
    let journal = run.join("journal");
    fs::rename(&journal, run.join("true")).unwrap();
    let (mut inputs, id) =
        (Inputs::of(&run.join("true")).unwrap(), Manifest::read(&run).unwrap().id.unwrap());
    let mut forged = Journal::record_in(&journal, id, false).unwrap();
    while let Some((_, tick, input)) = inputs.next_input().unwrap() {
        forged.record(tick, if tick == 30 { &Input::Digest(7) } else { &input });
    }
    forged.commit();
    let found = json(folder.path(), &arguments, 1);
    assert_eq!((&found["same"], &found["recorded_tick"]), (&Value::Bool(false), &Value::from(30)));
    // So is one of what was said.
    fs::remove_dir_all(&journal).unwrap();
    let mut inputs = Inputs::of(&run.join("true")).unwrap();
    let mut forged = Journal::record_in(&journal, id, false).unwrap();
    while let Some((_, tick, input)) = inputs.next_input().unwrap() {
        let is_said = tick == 40 && matches!(input, Input::Outputs(_));
        forged.record(tick, if is_said { &Input::Outputs(7) } else { &input });
    }
    forged.commit();
    let found = json(folder.path(), &arguments, 1);
    assert_eq!((&found["same"], &found["recorded_tick"]), (&Value::Bool(false), &Value::from(40)));
    let said = String::from_utf8(corec(folder.path(), &["replay", "run"]).stdout).unwrap();
    assert!(said.contains("at tick 40 found the output digest"), "{said}");
    refused(folder.path(), &["verify", "run", "--seed", "3"], "a run's own are taken");
}

#[test]
fn runs_are_listed_inspected_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    for seed in ["1", "2"] {
        let out = format!("runs/{seed}");
        let arguments = ["run", "--entities", "5k", "--ticks", "20", "--snapshot-interval", "20"];
        json(folder.path(), &[&arguments[..], &["--seed", seed, "--out", &out]].concat(), 0);
    }
    let runs = json(folder.path(), &["runs"], 0);
    assert_eq!(
        (runs.as_array().unwrap().len(), &runs[0]["status"], &runs[1]["seed"]),
        (2, &"done".into(), &2.into())
    );
    let inspected = json(folder.path(), &["inspect", "runs/1"], 0);
    assert_eq!((&inspected["tick"], &inspected["kinds"][0]["rows"]), (&20.into(), &5000.into()));
    assert_eq!(inspected["digest"], runs[0]["digest"]);
    assert_eq!(inspected["kinds"][0]["first_rows"][2]["StableId"], "0200000000000000");
    let snapshot = |run: &str| format!("runs/{run}/snapshots/tick-000000000020.corec");
    let differences = json(folder.path(), &["diff", &snapshot("1"), &snapshot("2")], 1);
    assert!(differences.as_array().unwrap().iter().any(|d| d["part"] == "cell.Signal" && d["entity"] == 0));
    assert_eq!(json(folder.path(), &["diff", &snapshot("1"), &snapshot("1")], 0), Value::Array(vec![]));
    assert_eq!(corec(folder.path(), &["diff", &snapshot("1"), "nothing"]).status.code(), Some(2));
}

#[test]
fn the_shortest_runs_and_plugins_beside_a_scenario_elsewhere_are_killed_and_restored_as_well() {
    let folder = tempfile::tempdir().unwrap();
    refused(folder.path(), &["verify", "ecosystem", "--ticks", "0"], "found 0, must be at least 1");
    for ticks in ["1", "2", "3"] {
        let arguments = ["verify", "ecosystem", "--entities", "500", "--ticks", ticks];
        assert_eq!(json(folder.path(), &arguments, 0)["same"], true, "{ticks} ticks");
    }
    let alerts = folder.path().join("sub/plugins/alerts");
    fs::create_dir_all(&alerts).unwrap();
    fs::write(alerts.join("config.json"), r#"{"name": "alerts"}"#).unwrap();
    let scenario =
        r#"{"name": "s", "ticks": 30, "blocks": [{"id": "a", "entities": 500}], "plugins": ["alerts"]}"#;
    fs::write(folder.path().join("sub/s.json"), scenario).unwrap();
    let found = json(folder.path(), &["verify", "sub/s.json"], 0);
    let compared = found["compared"].as_array().unwrap();
    assert!(compared.iter().any(|run| run["what"] == "killed and restored"), "{found}");
    let found = json(folder.path(), &["verify", "sub/s.json", "--kill", "0", "--threads", "3"], 0);
    let compared: Vec<&Value> =
        found["compared"].as_array().unwrap().iter().map(|run| &run["what"]).collect();
    assert_eq!(compared, ["threads 3", "threads 3, again"]);
}
