//! A plugin that fails leaves the others as they would be without it, at any thread count; and one that could leave
//! others' data half-written ends the run.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use corec::prelude::*;
use corec::testing::{TestApp, TestRun};
use corec_core::config::OnPluginError;

#[derive(Component, Pod, Zeroable, Clone, Copy)]
#[repr(C)]
struct Own(f32);

#[derive(Resource, Default)]
struct Notes(u64);

/// Fails as its config says.
#[derive(Deserialize, JsonSchema)]
struct Frail {
    how: String,
}

impl Plugin for Frail {
    fn build(&self, app: &mut App) {
        app.add_kind(Kind::new("frail").with::<Own>()).init_resource::<Notes>();
        match &self.how[..] {
            "build" => panic!("no model"),
            "block" => app.add_systems(Update, panics_in_a_block.in_set(Phase::Process)),
            "system" => app.add_systems(Update, panics.in_set(Phase::Process)),
            "error" => app.add_systems(Update, errs.in_set(Phase::Process)),
            "shutdown" => app.add_systems(Shutdown, panics),
            "others" => app.add_systems(Update, panics_on_signals.in_set(Phase::Process)),
            "resource" => app.add_systems(Update, panics_on_alerts.in_set(Phase::Process)),
            other => panic!("what is '{other}'?"),
        };
        app.add_systems(Update, counts.in_set(Phase::Measure));
    }
}

corec::plugin!(Frail, name = "frail");

fn panics_in_a_block(tick: Res<Tick>, blocks: Blocks<&mut Own>) {
    blocks.par_for_each(|own| {
        own[0].0 += 1.0;
        assert!(tick.0 < 3, "block too hot");
    });
}

fn panics(tick: Res<Tick>, mut notes: ResMut<Notes>, mut out: Outbox<Frail>) {
    notes.0 += 1;
    out.alert("said", "before the end", 1.0, 1);
    assert!(tick.0 < 3, "system too hot");
}

fn errs(tick: Res<Tick>) -> Result {
    if tick.0 < 3 { Ok(()) } else { Err("nothing to read".into()) }
}

fn panics_on_signals(tick: Res<Tick>, blocks: Blocks<&mut Signal>) {
    blocks.par_for_each(|_| assert!(tick.0 < 3, "on everyone's rows"));
}

fn panics_on_alerts(tick: Res<Tick>, _: ResMut<Alerts>) {
    assert!(tick.0 < 3, "on the engine's resource");
}

#[derive(Resource, Default)]
struct Counted(u64);

fn counts(mut notes: ResMut<Notes>) {
    notes.0 += 1000;
}

/// The plugin that must not notice.
#[derive(Deserialize, JsonSchema)]
struct Steady {}

#[derive(Component, Pod, Zeroable, Clone, Copy)]
#[repr(C)]
struct Warmth(f32);

impl Plugin for Steady {
    fn build(&self, app: &mut App) {
        fn warm(blocks: Blocks<(&StableId, &mut Warmth)>) {
            blocks.par_for_each(|(ids, warmth)| {
                ids.iter().zip(warmth).for_each(|(id, warmth)| warmth.0 += 0.25 * (id.0 % 7) as f32);
            });
        }
        app.init_resource::<Counted>().add_kind(Kind::new("steady").with::<Warmth>());
        app.add_systems(Update, warm.in_set(Phase::Process));
        app.add_systems(Shutdown, |mut counted: ResMut<Counted>| counted.0 += 1);
    }
}

corec::plugin!(Steady, name = "another");

fn scenario(threads: u32, on_plugin_error: OnPluginError) -> Scenario {
    let group = BlockGroup { id: "cells".into(), entities: 3000, ..BlockGroup::default() };
    let threads = corec_core::config::Threads::Count(threads);
    Scenario { blocks: vec![group], store: "memory".into(), on_plugin_error, threads, ..Scenario::default() }
}

fn start(
    threads: u32,
    how: Option<&str>,
    on_plugin_error: OnPluginError,
) -> Result<TestRun, SimulationError> {
    let app = TestApp::default().scenario(scenario(threads, on_plugin_error));
    let mut app = app.plugin::<Steady>(r#"{"name": "another", "entities": 2500}"#).unwrap();
    if let Some(how) = how {
        let config = format!(r#"{{"name": "frail", "entities": 2500, "how": "{how}"}}"#);
        app = app.plugin::<Frail>(&config).unwrap();
    }
    app.start()
}

/// The digests of everything but the plugin that fails, the alerts and the list of who stopped, and that of statistics, which has
/// its blocks too; and the statistics of the others' six blocks.
fn others(run: &TestRun) -> (Vec<(String, u64)>, Vec<BlockStats>) {
    let is_others =
        |name: &str| !name.starts_with("frail") && !["alerts", "stats", "stopped_plugins"].contains(&name);
    let digests = run.digest().parts.into_iter().filter(|(name, _)| is_others(name)).collect();
    (digests, run.simulation.world().resource::<Stats>().blocks[..6].to_vec())
}

fn frails(run: &TestRun) -> Vec<(String, u64)> {
    run.digest().parts.into_iter().filter(|(name, _)| name.starts_with("frail")).collect()
}

#[test]
fn others_are_as_without_a_plugin_that_fails() {
    let mut alone = start(1, None, OnPluginError::StopPlugin).unwrap();
    alone.tick(10).unwrap();
    for how in ["error", "block", "system", "build", "shutdown"] {
        let mut own = Vec::new();
        for threads in [1, 2, 8] {
            let mut run = start(threads, Some(how), OnPluginError::StopPlugin).unwrap();
            run.tick(10).unwrap();
            assert_eq!(others(&run), others(&alone), "{how} at {threads} threads");
            own.push(frails(&run));
            run.shut_down().unwrap();
            assert_eq!(run.world().resource::<Counted>().0, 1, "{how}: the others shut down");
            let stopped = run.simulation.stopped_plugins();
            assert_eq!(stopped.into_iter().collect::<Vec<_>>(), ["frail"], "{how}");
            let told = run.alerts();
            let of = |name: &str| told.iter().filter(|alert| alert.name == name).count();
            let expected = if how == "build" { ("plugin_stopped", 1) } else { ("system_stopped", 1) };
            assert_eq!(of(expected.0), expected.1, "{how}: {told:?}");
        }
        assert!(
            own.windows(2).all(|pair| pair[0] == pair[1]),
            "{how}: the failing plugin's rows depend on the threads"
        );
    }
}

#[test]
fn the_other_systems_of_a_stopped_plugin_stop_with_the_next_tick() {
    let mut run = start(2, Some("system"), OnPluginError::StopPlugin).unwrap();
    run.tick(10).unwrap();
    // Four ticks, the last of which fails after it has counted.
    assert_eq!(run.world().resource::<Notes>().0, 4 * 1000 + 4);
    run.shut_down().unwrap();
    let said = run.alerts().into_iter().filter(|alert| alert.name == "said").count();
    assert_eq!(said, 1, "what the failing call said is not said, and the rest is one event");
}

#[test]
fn a_plugin_that_can_write_what_is_not_its_own_ends_the_run() {
    for (how, said) in [("others", "on everyone's rows"), ("resource", "on the engine's resource")] {
        let mut run = start(2, Some(how), OnPluginError::StopPlugin).unwrap();
        let error = run.tick(10).unwrap_err().to_string();
        assert!(error.starts_with("tick 3:") && error.contains(said), "{how}: {error}");
    }
}

#[test]
fn every_failure_ends_a_run_that_wants_it_so() {
    for how in ["error", "block", "system", "build", "shutdown"] {
        let error = match start(1, Some(how), OnPluginError::FailRun) {
            Err(error) => error,
            Ok(mut run) => run.tick(10).and_then(|()| run.shut_down()).unwrap_err(),
        };
        assert!(error.to_string().contains(": "), "{how}: {error}");
    }
}

#[test]
fn a_stopped_plugin_stays_stopped_in_a_restored_run() {
    use corec_core::snapshot::{About, Snapshot, SnapshotFolder, write_in_place};
    let folder = tempfile::tempdir().unwrap();
    let mut run = start(2, Some("system"), OnPluginError::StopPlugin).unwrap();
    run.tick(10).unwrap();
    let written = run
        .simulation
        .in_pool(|world| {
            write_in_place(world, &About::default(), &SnapshotFolder::own(folder.path().into(), 1), 1)
        })
        .unwrap();
    run.tick(10).unwrap();
    let snapshot = Snapshot::open(&written.path).unwrap();

    let plugins = corec_run::plugins::PluginSet::default();
    let config = |text: &str| corec_core::config::load_plugin("config.json", text, &|_| None).unwrap();
    let plugins = plugins.with::<Steady>(config(r#"{"name": "another", "entities": 2500}"#)).unwrap();
    let plugins =
        plugins.with::<Frail>(config(r#"{"name": "frail", "entities": 2500, "how": "system"}"#)).unwrap();
    let mut scenario = scenario(2, OnPluginError::StopPlugin);
    let app = plugins.app(&mut scenario);
    let mut restored = Simulation::restore(app, scenario, &snapshot).unwrap();
    restored.run(10).unwrap();
    assert_eq!(restored.digest(), run.digest());
    assert_eq!(restored.world().resource::<Notes>().0, 0, "it has not run");
}
