//! The plugin in a run: it is told of and stopped, and the rows are as if it had not been there.

use corec::prelude::*;
use corec_dynamics::chaos::{Chaos, EventKind, Ledger};
use corec_run::testing::{TestApp, TestRun};
use saboteur::Saboteur;

fn run(is_there: bool) -> TestRun {
    let quiet = Chaos { dead: 0, stuck: 0, drift: 0, noise: 0, plugin: 2, span: 200, ..Chaos::default() };
    let group = BlockGroup { id: "cells".into(), entities: 3000, ..BlockGroup::default() };
    let mut scenario = Scenario { blocks: vec![group], store: "memory".into(), ..Scenario::default() };
    scenario.set_section(&quiet);
    let mut app = TestApp::default().scenario(scenario);
    if is_there {
        app = app.plugin::<Saboteur>(r#"{"name": "saboteur"}"#).expect("the config is fine");
    }
    let mut run = app.start().expect("it starts");
    run.tick(210).expect("it runs on without the plugin");
    run
}

#[test]
fn it_fails_in_its_events_is_stopped_and_changes_nothing_else() {
    let (mut with, without) = (run(true), run(false));
    let events: Vec<u64> = with.world().resource::<Ledger>().events().map(|event| event.start).collect();
    assert_eq!(events.len(), 2);
    let kinds: Vec<_> = with.world().resource::<Ledger>().events().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Plugin; 2]);
    let told: Vec<_> = with.alerts().into_iter().map(|a| (a.tick, a.name, a.subject)).collect();
    let row = |tick, name: &str, subject: &str| (tick, name.to_string(), subject.to_string());
    assert_eq!(
        told,
        [
            row(events[0], "system_error", "saboteur::err"),
            row(events[1], "system_error", "saboteur::panic"),
            row(events[1] + 1, "system_stopped", "saboteur::panic"),
        ]
    );
    assert!(with.simulation.stopped_plugins().contains("saboteur"));
    let rows = |run: &TestRun| -> Vec<(String, u64)> {
        let parts = run.digest().parts;
        parts.into_iter().filter(|(part, _)| part.starts_with("cell.") || part == "stats").collect()
    };
    assert_eq!(rows(&with), rows(&without));
}
