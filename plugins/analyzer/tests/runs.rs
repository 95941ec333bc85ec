//! The analyzer in a run gives predictions, alerts and files, with the same bits at any number of threads and in a replay.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use analyzer::network::Network;
use analyzer::{Analyzer, BlockScores};
use corec::channels::Journal;
use corec::prelude::*;
use corec_run::testing::{TestApp, TestRun};

fn scenario() -> Scenario {
    let group = BlockGroup { id: "cells".into(), entities: 5000, ..BlockGroup::default() };
    Scenario { blocks: vec![group], store: "memory".into(), ..Scenario::default() }
}

fn start(folder: &Path, config: &str, threads: u32, journal: Option<Journal>) -> TestRun {
    let app = TestApp::default().scenario(scenario()).threads(threads);
    let app = app.plugin_in::<Analyzer>(folder, config).unwrap();
    app.with(|app| _ = journal.map(|journal| app.insert_resource(journal))).start().unwrap()
}

#[test]
fn the_guides_config_loads_unchanged_and_a_prediction_is_kept_for_every_entity_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let config = r#"{"nombre": "analizador_datos", "enabled": true, "canal": 7, "entidades": 100, "carga": 0.5, "intervalo": 60}"#;
    let mut digests = Vec::new();
    for threads in [1, 2, 8] {
        let mut run = start(folder.path(), config, threads, None);
        run.tick(130).unwrap();
        let scores = run.world().resource::<BlockScores>();
        assert_eq!(scores.0.iter().map(|block| block.entities).sum::<u32>(), 5100);
        assert!(scores.0.iter().all(|block| block.highest > 0.0 && block.highest <= 1.0));
        digests.push(run.digest());
        run.shut_down().unwrap();
        let stored = run.stored();
        assert_eq!(stored.metrics.iter().filter(|m| m.name == "analyzer.prediction_mean").count(), 3);
        let rows = stored.rows.iter().filter(|row| row.plugin == "analyzer" && row.key == "worst_block");
        assert!(rows.count() == 3 && run.simulation.stopped_plugins().is_empty());
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]));
    let log = fs::read_to_string(folder.path().join("data/training.log")).unwrap();
    let line: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(line["entrada"].as_array().unwrap().len(), 2);
    assert!((0.0..=1.0).contains(&line["salida"].as_f64().unwrap()));
    assert!(folder.path().join("models/nn.safetensors").is_file());
    TestApp::default().plugin::<Analyzer>(include_str!("../config.json")).unwrap();
}

#[test]
fn an_existing_nn_pt_is_read_and_what_it_says_raises_one_alert_a_block() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("models")).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/nn.pt");
    fs::copy(&fixture, folder.path().join("models/nn.pt")).unwrap();
    // Everything is above it: one alert for each of the five blocks, however long it lasts.
    let config = r#"{"name": "analyzer", "alert_enter": 0.001, "alert_leave": 0.0}"#;
    let mut run = start(folder.path(), config, 2, None);
    run.tick(20).unwrap();
    run.shut_down().unwrap();
    let told: Vec<String> =
        run.alerts().into_iter().filter(|a| a.name == "analisis_datos").map(|a| a.subject).collect();
    assert_eq!(told, ["cells/0", "cells/1", "cells/2", "cells/3", "cells/4"]);
    let saved = fs::read(folder.path().join("models/nn.safetensors")).unwrap();
    assert_eq!(Network::from_bytes("saved", &saved).unwrap(), analyzer::pytorch::read(&fixture).unwrap());
}

#[test]
fn candle_trains_it_when_the_run_is_over_and_a_replay_has_the_weights_it_began_with() {
    let (folder, log) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = r#"{"name": "analyzer", "train_epochs": 200, "learning_rate": 0.05}"#;
    let loss = |run: &TestRun| {
        let stored = run.stored();
        stored.metrics.iter().find(|m| m.name == "analyzer.training_loss").unwrap().value
    };
    let mut first = start(
        folder.path(),
        config,
        2,
        Some(Journal::record_in(log.path(), corec_core::units::RunId(1), false).unwrap()),
    );
    first.tick(200).unwrap();
    let digest = first.digest();
    first.shut_down().unwrap();
    let mut second = start(folder.path(), config, 2, None);
    second.tick(200).unwrap();
    assert_ne!(second.digest(), digest, "it scores with what it has learned");
    second.shut_down().unwrap();
    assert!(loss(&second) < loss(&first) && loss(&first) < 0.6, "{} then {}", loss(&first), loss(&second));

    let mut again = start(folder.path(), config, 1, Some(Journal::replay_of(log.path()).unwrap()));
    again.tick(200).unwrap();
    assert_eq!(again.digest(), digest);
}

#[test]
fn weights_of_another_shape_keep_the_run_from_going_on_and_are_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = start(folder.path(), r#"{"name": "analyzer"}"#, 1, None);
    first.tick(1).unwrap();
    first.shut_down().unwrap();
    let before = fs::read(folder.path().join("models/nn.safetensors")).unwrap();
    let mut run = start(folder.path(), r#"{"name": "analyzer", "hidden": 4}"#, 1, None);
    let error = run.tick(5).unwrap_err().to_string();
    assert!(error.contains("found a net of 2-10-1, must be 2-4-1"), "{error}");
    assert_eq!(
        fs::read(folder.path().join("models/nn.safetensors")).unwrap(),
        before,
        "they are still there"
    );
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let refused =
        |config: &str| TestApp::default().plugin::<Analyzer>(config).err().expect("refused").to_string();
    assert!(
        refused(r#"{"name": "analyzer", "hidden": 300}"#)
            .contains("hidden: found 300, must be within 1..=256")
    );
    assert!(refused(r#"{"name": "analyzer", "inputs": []}"#).contains("inputs: found 0"));
    assert!(refused(r#"{"name": "analyzer", "inputs": ["colour"]}"#).contains("inputs[0]"));
    assert!(refused(r#"{"name": "analyzer", "alert_leave": 0.95}"#).contains("enter above leave"));
}
