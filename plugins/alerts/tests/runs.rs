//! Extreme values in a run make one alert and one clearance for an event, on the stream and in the store.

use alerts::BlockAlerts;
use corec::prelude::*;
use corec_run::testing::TestApp;

/// Lifts one entity of the second block above the rule for ticks 10 to 29, and shakes it across `enter` the whole time.
fn lift(tick: Res<Tick>, blocks: Blocks<(&StableId, &mut Signal)>) {
    blocks.for_each(|(ids, signals)| {
        for (_, signal) in ids.iter().zip(signals).filter(|(id, _)| id.0 == 1500) {
            let is_high = (10..30).contains(&tick.0);
            signal.value = if !is_high {
                0.5
            } else if tick.0.is_multiple_of(2) {
                2.0
            } else {
                1.6
            };
        }
    });
}

#[test]
fn an_event_is_one_alert_and_one_clearance_on_stream_and_store() {
    let config = r#"{"name": "alertas", "rules":
        [{"name": "too_high", "signal": "value_max", "enter": 1.5, "leave": 1.2, "hold": 2, "severity": 1}]}"#;
    let mut digests = Vec::new();
    for threads in [1, 2, 8] {
        let group = BlockGroup { id: "cells".into(), entities: 3000, ..BlockGroup::default() };
        let scenario =
            Scenario { blocks: vec![group], store: "memory".into(), alerts: vec![], ..Scenario::default() };
        let app = TestApp::default().scenario(scenario).threads(threads);
        let app = app.plugin::<BlockAlerts>(config).expect("the config is fine");
        let app =
            app.with(|app| _ = app.add_systems(Update, lift.after(Phase::Process).before(Phase::Measure)));
        let mut run = app.start().expect("it starts");
        run.tick(50).expect("it runs");
        run.shut_down().expect("it ends");
        let told: Vec<String> = run
            .alerts()
            .iter()
            .map(|a| format!("{} {} {} {}", a.tick, a.name, a.subject, a.state.as_str()))
            .collect();
        assert_eq!(told, ["12 too_high cells/1 raised", "30 too_high cells/1 cleared"]);
        assert_eq!(run.stored().alerts, run.alerts());
        digests.push(run.digest());
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]));
}

#[test]
fn a_rule_that_makes_no_sense_keeps_a_run_from_starting() {
    let start = |rules: &str| {
        let config = format!(r#"{{"name": "alerts", "rules": [{rules}]}}"#);
        let app = TestApp::default().plugin::<BlockAlerts>(&config).expect("a list of rules");
        app.start().err().expect("refused").to_string()
    };
    let rule = r#"{"name": "a", "signal": "value_max", "enter": 1, "leave": 1}"#;
    assert!(start(rule).contains("a.enter: found 1, must be a number other than leave"), "{}", start(rule));
    let taken = r#"{"name": "block_faults", "signal": "value_max", "enter": 1, "leave": 0}"#;
    assert!(start(taken).contains("must be a name of its own"), "{}", start(taken));
    let unknown = r#"{"name": "a", "signal": "loudness", "enter": 1, "leave": 0}"#;
    let error = start(unknown);
    assert!(error.contains("a.signal: found 'loudness'") && error.contains("value_max"), "{error}");
}

#[test]
fn the_shipped_config_is_fine() {
    TestApp::default().plugin::<BlockAlerts>(include_str!("../config.json")).expect("config.json is fine");
}
