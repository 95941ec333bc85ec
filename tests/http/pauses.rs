//! A plugin is paused and goes on by whoever has the token, in a tick that the journal has.

use serde_json::{Value, json};

use super::client::{ask, get};
use super::shown::{Shown, TOKEN};
use super::support::{json, wait_until};

const PLUGINS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/plugins");

fn state_of(shown: &Shown) -> Value {
    let told = get(&shown.address, "/api/v1/plugins").json();
    let plugins = told["plugins"].as_array().unwrap().clone();
    plugins.into_iter().find(|plugin| plugin["name"] == "analyzer").unwrap()
}

#[test]
fn a_pause_is_in_the_journal_and_outlives_a_kill_and_a_replay_has_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let arguments = [
        "--entities",
        "5k",
        "--ticks",
        "1G",
        "--tick-rate",
        "400",
        "--plugins",
        PLUGINS,
        "--snapshot-interval",
        "50",
    ];
    let shown = Shown::start(at, "r", &arguments);
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let change =
        |what: &str, head: &str| ask(&shown.address, "POST", &format!("/api/v1/plugins/{what}"), head);
    let state = || state_of(&shown);
    assert_eq!(change("analyzer/pause", "Authorization: Bearer a-token-of-the-testz\r\n").status, 401);
    assert_eq!(state()["state"], "running");
    for (what, status) in [("nobody/pause", 404), ("analyzer/explode", 404), ("analyzer/pause", 202)] {
        assert_eq!(change(what, &bearer).status, status, "{what}");
    }
    wait_until("the pause", || state()["state"] == "paused");
    let alerts = get(&shown.address, "/api/v1/alerts").json();
    let alert = &alerts["open"]
        .as_array()
        .unwrap()
        .iter()
        .find(|alert| alert["name"] == "plugin_paused")
        .unwrap()
        .clone();
    assert_eq!((&alert["subject"], &alert["severity"]), (&json!("analyzer"), &json!(4)));
    let (calls, tick) = (state()["calls"].clone(), shown.tick());
    wait_until("ticks without it", || shown.tick() > tick + 100);
    assert_eq!(state()["calls"], calls, "a plugin that is paused was called");
    // Asked twice, it is one pause.
    assert_eq!(change("analyzer/pause", &bearer).status, 202);
    // Killed in the pause, it goes on in it.
    wait_until("ticks without it", || shown.tick() > tick + 300);
    drop(shown);
    let shown = Shown::begin(at, "r", &["run", "--restore", "r"]);
    let state = || state_of(&shown);
    wait_until("the run that goes on", || shown.tick() > tick + 350);
    assert_eq!(state()["state"], "paused");
    assert_eq!(ask(&shown.address, "POST", "/api/v1/plugins/analyzer/resume", &bearer).status, 202);
    wait_until("the end of the pause", || state()["state"] == "running" && state()["calls"] != 0);
    let open = get(&shown.address, "/api/v1/alerts").json();
    assert!(open["open"].as_array().unwrap().iter().all(|alert| alert["name"] != "plugin_paused"), "{open}");
    let ended = shown.end();
    for threads in ["1", "2"] {
        let replayed = json(at, &["replay", "r", "--threads", threads], 0);
        assert_eq!(
            (&replayed["digest"], &replayed["differs"]),
            (&ended["state_digest"], &Value::Null),
            "{replayed}"
        );
    }
}
