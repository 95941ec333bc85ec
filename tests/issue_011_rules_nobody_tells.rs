//! An alert rule on a signal that nothing in its run tells waited for ever, without a word.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use support::{json, refused};

fn scenario(signal: &str, more: &str) -> String {
    format!(
        r#"{{"name": "watch", "ticks": 3, {more} "alerts": [
            {{"name": "ok", "signal": "fitness", "enter": 0.1, "leave": 0.2}},
            {{"name": "rule", "signal": "{signal}", "enter": 1, "leave": 0}}],
            "blocks": [{{"id": "a", "entities": 50}}]}}"#
    )
}

#[test]
fn a_rule_of_a_scenario_on_a_signal_that_nobody_tells_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let with_table = "a scenario with the section 'telemetry' would tell it";
    for (signal, by) in [
        ("value_max", "a plugin may tell others"),
        ("fitnes", "a plugin may tell others"),
        ("row_score", with_table),
        ("column_score", with_table),
    ] {
        fs::write(at.join("s.json"), scenario(signal, "")).unwrap();
        let wanted = format!(
            "s.json: alerts[1].signal: found '{signal}', which nothing in this run tells, must be one of fault_ratio, fitness ({by})"
        );
        refused(at, &["run", "s.json"], &wanted);
    }
}

#[test]
fn a_rule_whose_signal_a_plugin_tells_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir_all(at.join("plugins/alerts")).unwrap();
    fs::write(at.join("plugins/alerts/config.json"), r#"{"name": "alerts", "rules": []}"#).unwrap();
    fs::write(at.join("s.json"), scenario("value_max", r#""plugins": ["alerts"],"#)).unwrap();
    json(at, &["run", "s.json"], 0);
}

#[test]
fn a_rule_of_a_plugin_on_a_signal_that_nobody_tells_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir_all(at.join("plugins/alerts")).unwrap();
    let config =
        r#"{"name": "alerts", "rules": [{"name": "row", "signal": "row_score", "enter": 1, "leave": 0}]}"#;
    fs::write(at.join("plugins/alerts/config.json"), config).unwrap();
    refused(
        at,
        &["run", "--entities", "1k", "--ticks", "3", "--plugins", "plugins"],
        "a plugin's alert rule: row.signal: found 'row_score', which nothing in this run tells, must be one of fault_ratio, \
         fitness, value_max, value_min",
    );
}
