//! Two processes, one ecosystem: an engine, and beside it an instance without blocks of its own that analyses what the engine shows and
//! answers questions. Either is killed, and both go on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::redis::{Options, Redis};
use support::{corec, number, read_json, start, wait_until};

/// The engine shows all its entities in every tick.
fn write_engine(folder: &Path, url: &str) {
    let scenario = json!({
        "name": "engine", "instance_id": "engine", "bus": url, "publish_interval": 1, "store_interval": 1,
        "blocks": [{"id": "swarm", "entities": 300, "channel": 1}, {"id": "guard", "entities": 100, "channel": 2}],
    });
    fs::write(folder.join("engine.json"), scenario.to_string()).unwrap();
}

/// The other has rows that mirror them, and the plugins.
fn write_analysis(folder: &Path, url: &str) {
    let mirror = |id: &str, entities: u64| json!({"id": id, "kind": "mirror", "entities": entities});
    let scenario = json!({
        "name": "analysis", "instance_id": "analysis", "bus": url, "input_stream": "bloque_data_stream",
        "plugins": "auto", "blocks": [mirror("swarm", 300), mirror("guard", 100)],
    });
    fs::write(folder.join("analysis.json"), scenario.to_string()).unwrap();
    let analyzer = json!({"name": "analyzer", "interval": 1, "alert_enter": 0.01, "alert_leave": 0.001});
    let communicator = json!({"name": "communicator", "openrouter_api_key": ""});
    for (name, config) in [("analyzer", analyzer), ("communicator", communicator)] {
        fs::create_dir_all(folder.join("plugins").join(name)).unwrap();
        fs::write(folder.join("plugins").join(name).join("config.json"), config.to_string()).unwrap();
    }
}

fn length(redis: &Redis, stream: &str) -> u64 {
    redis.cli(&["XLEN", stream]).trim().parse().unwrap()
}

/// Asks, and waits for an answer that is new.
fn ask(redis: &Redis, text: &str) {
    let before = length(redis, "user_output_stream");
    redis.cli(&["XADD", "user_input_stream", "*", "data", &json!({"texto": text, "valor": 0.5}).to_string()]);
    wait_until("an answer", || length(redis, "user_output_stream") > before);
}

#[test]
fn an_instance_without_blocks_analyses_another_and_either_may_be_killed() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_engine(folder, &redis.url());
    write_analysis(folder, &redis.url());
    let pace = ["--tick-rate", "50", "--ticks", "1000000", "--snapshot-interval", "20", "--out"];
    let begin = |name: &str| start(folder, &[&["run", &format!("{name}.json")], &pace[..], &[name]].concat());
    let go_on = |name: &str| start(folder, &["run", "--restore", name]);
    let (mut engine, mut analysis) = (begin("engine"), begin("analysis"));
    wait_until("frames", || length(&redis, "bloque_data_stream") > 20);
    ask(&redis, "how is it?");
    // The engine is killed, and the analyst waits for it.
    wait_until("a snapshot", || folder.join("engine/snapshots").read_dir().is_ok_and(|d| d.count() > 1));
    engine.kill().unwrap();
    engine.wait().unwrap();
    ask(&redis, "and now?");
    let before = length(&redis, "bloque_data_stream");
    engine = go_on("engine");
    wait_until("more frames", || length(&redis, "bloque_data_stream") > before + 20);
    // The analyst is killed, and the engine does not mind.
    wait_until("a snapshot", || folder.join("analysis/snapshots").read_dir().is_ok_and(|d| d.count() > 1));
    analysis.kill().unwrap();
    analysis.wait().unwrap();
    let before = length(&redis, "bloque_data_stream");
    wait_until("more frames", || length(&redis, "bloque_data_stream") > before + 20);
    analysis = go_on("analysis");
    ask(&redis, "still there?");
    for child in [&mut engine, &mut analysis] {
        support::signal(child, "TERM");
        assert_eq!(child.wait().unwrap().code(), Some(143));
    }
    let ids = |stream: &str| -> Vec<String> {
        redis.ledger().entries(stream).into_iter().filter_map(|entry| entry.id).collect()
    };
    // Every frame once, and none is missing, over the kill.
    let frames = ids("bloque_data_stream");
    let ticks: Vec<u64> = frames
        .iter()
        .map(|id| id.rsplit('/').next().unwrap().split('.').nth(1).unwrap().parse().unwrap())
        .collect();
    assert_eq!(ticks, (0..ticks.len() as u64).collect::<Vec<_>>());
    assert!(frames.iter().all(|id| id.starts_with("engine/")));
    assert_eq!(ids("bloque_data_stream_critical").len(), frames.len());
    assert_eq!(ids("user_output_stream").len(), 3);
    // Both say who they are on the stream that they share.
    let alerts = redis.ledger().entries("alertas");
    let by: Vec<Value> = alerts
        .iter()
        .map(|alert| serde_json::from_slice::<Value>(&alert.data).unwrap()["instance"].clone())
        .collect();
    assert!(by.contains(&json!("analysis")), "{by:?}");
    let [engine, analysis] =
        ["engine", "analysis"].map(|name| read_json(&folder.join(name).join("summary.json")));
    assert_eq!((number(&analysis, "messages_refused"), number(&analysis, "messages_lost")), (0.0, 0.0));
    assert!(number(&analysis, "messages") > 40.0 && number(&engine, "messages") == 0.0);
    for name in ["engine", "analysis"] {
        let replay = corec(folder, &["replay", name]);
        assert!(replay.status.success(), "{name}: {}", String::from_utf8_lossy(&replay.stderr));
    }
}

#[test]
fn an_instance_of_plugins_alone_has_no_blocks() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_analysis(folder, &redis.url());
    fs::remove_dir_all(folder.join("plugins/analyzer")).unwrap();
    let scenario =
        json!({"name": "talk", "instance_id": "talk", "bus": redis.url(), "plugins": "auto", "blocks": []});
    fs::write(folder.join("talk.json"), scenario.to_string()).unwrap();
    let mut talk =
        start(folder, &["run", "talk.json", "--tick-rate", "50", "--ticks", "1000000", "--out", "talk"]);
    ask(&redis, "hello?");
    support::signal(&talk, "TERM");
    assert_eq!(talk.wait().unwrap().code(), Some(143));
    assert!(corec(folder, &["replay", "talk"]).status.success());
}
