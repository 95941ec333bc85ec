//! A program of one's own could run a scenario, and not say where to, nor make snapshots, nor go on with a run.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use bevy_app::AppExit;
use corec::prelude::*;
use corec::run::{Options, SnapshotInterval, Watch};
use corec_core::config::Threads;

/// A small one, made in code.
fn scenario() -> Scenario {
    let cells = BlockGroup { id: "cells".into(), entities: 3000, ..BlockGroup::default() };
    Scenario { name: "mine".into(), blocks: vec![cells], ..Scenario::default() }
}

fn run(plugins: CorecPlugins) -> AppExit {
    App::new().add_plugins(plugins.without_signals()).run()
}

fn digest(folder: &Path) -> String {
    let summary: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("summary.json")).unwrap()).unwrap();
    summary["state_digest"].as_str().unwrap().into()
}

#[test]
fn a_run_of_a_program_goes_on_from_its_last_snapshot_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, half] = ["whole", "half"].map(|name| folder.path().join(name));
    let watch = Watch::default();
    let given = || CorecPlugins::given(scenario()).threads(Threads::Count(2));
    assert_eq!(run(given().ticks(120).out(&whole).watched_by(watch.clone())), AppExit::Success);
    let view = watch.view();
    assert_eq!((view.tick, view.entities, view.blocks.len()), (120, 3000, 3));
    assert!(view.systems.iter().any(|system| system.name.contains("process")), "{:?}", view.systems);

    let every = SnapshotInterval::Ticks(50);
    assert_eq!(run(given().ticks(70).snapshots(every).out(&half)), AppExit::Success);
    assert!(half.join("snapshots/tick-000000000050.corec").is_file());
    let options = Options { digest_interval: Some(7), ..Options::default() };
    assert_eq!(run(CorecPlugins::restore(&half).ticks(120).options(options)), AppExit::Success);
    assert_eq!(digest(&half), digest(&whole));
}

#[test]
fn what_a_program_asks_for_that_cant_be_is_an_error_of_its_exit() {
    let folder = tempfile::tempdir().unwrap();
    let usage = AppExit::from_code(2);
    assert_eq!(run(CorecPlugins::scenario("nothing")), usage);
    assert_eq!(run(CorecPlugins::restore(folder.path().join("none"))), usage);
    assert_eq!(run(CorecPlugins::given(scenario()).input("t.csv").out(folder.path().join("a"))), usage);
}
