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

/// Counts, and adds what it is told to.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
struct Adds {
    /// What it adds to every signal of a block in a tick.
    by: f32,
}

impl Plugin for Adds {
    fn build(&self, app: &mut App) {
        app.add_systems(Update, add.in_set(Phase::Process));
    }
}

fn add(adds: Res<Settings<Adds>>, blocks: Blocks<&mut Signal>) {
    blocks.par_for_each(|signals| signals.iter_mut().for_each(|signal| signal.value += adds.by));
}

corec::plugin!(Adds, name = "adds");

/// One that the run had not.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
struct Idle {}

impl Plugin for Idle {
    fn build(&self, _: &mut App) {}
}

corec::plugin!(Idle, name = "idle");

#[test]
fn a_run_goes_on_with_the_plugins_that_it_had_and_their_settings() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, half] = ["whole", "half"].map(|name| folder.path().join(name));
    let config = folder.path().join("config.json");
    std::fs::write(&config, r#"{"name": "adds", "by": 0.25}"#).unwrap();
    let given = || CorecPlugins::given(scenario()).plugin::<Adds>(&config).threads(Threads::Count(2));
    assert_eq!(run(given().ticks(60).out(&whole)), AppExit::Success);
    assert_eq!(run(given().ticks(20).out(&half)), AppExit::Success);

    let usage = AppExit::from_code(2);
    let restored = || CorecPlugins::restore(&half).ticks(60);
    assert_eq!(run(restored()), usage, "without its plugin");
    assert_eq!(run(restored().plugin::<Adds>(&config).plugin::<Idle>(&config)), usage, "with another's");
    // Neither changed nor gone does the file matter.
    std::fs::write(&config, r#"{"name": "adds", "by": 7}"#).unwrap();
    assert_eq!(run(restored().plugin::<Adds>("gone/config.json")), AppExit::Success);
    assert_eq!(digest(&half), digest(&whole));
}

#[test]
fn a_config_that_asks_for_a_group_of_anothers_kind_is_an_error_of_usage() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    std::fs::write(&config, r#"{"name": "idle", "groups": {"cell": {"entities": 5}}}"#).unwrap();
    let asked = CorecPlugins::given(scenario()).plugin::<Idle>(&config).out(folder.path().join("run"));
    assert_eq!(run(asked), AppExit::from_code(2));
}
