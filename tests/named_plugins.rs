//! Plugins with a name and settings: a group of blocks, an interval, a fixed order, the same bits at any thread count.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Instant;

use corec::prelude::*;
use corec_core::config::{Plugins, Threads, load_plugin};
use corec_run::plugins::PluginSet;
use corec_run::{RunPlan, Summary, run};

/// Entities tire under load; tired entities answer more weakly.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
struct Fatigue {
    /// Tiredness gained per tick at full value.
    gain_per_tick: f32,
}

#[derive(Component, Pod, Zeroable, Clone, Copy, Default)]
#[repr(C)]
struct Tiredness(f32);

#[derive(Resource)]
struct Gain(f32);

impl Plugin for Fatigue {
    fn build(&self, app: &mut App) {
        app.insert_resource(Gain(self.gain_per_tick))
            .add_kind(Kind::new("tired").with::<Signal>().with::<Tiredness>())
            .add_systems(Update, tire.in_set(Phase::Process));
    }
}

corec::plugin!(Fatigue, name = "fatigue", aliases = ["fatiga"]);

fn tire(gain: Res<Gain>, blocks: Blocks<(&mut Tiredness, &mut Signal)>) {
    blocks.par_for_each(|(tiredness, signal)| {
        for (tiredness, signal) in tiredness.iter_mut().zip(signal) {
            tiredness.0 += gain.0;
            signal.value *= 1.0 - tiredness.0;
        }
    });
}

/// Ticks in which a system of each plugin ran, for the order and the interval.
#[derive(Resource, Default, Serialize, Deserialize)]
struct Ran(Vec<(String, u64)>);

impl Saved for Ran {
    const NAME: &'static str = "ran";
}

macro_rules! diarist {
    ($type:ident, $name:literal) => {
        #[derive(Deserialize, JsonSchema, Default)]
        struct $type {}

        impl Plugin for $type {
            fn build(&self, app: &mut App) {
                fn write(tick: Res<Tick>, mut ran: ResMut<Ran>) {
                    ran.0.push(($name.into(), tick.0));
                }
                app.init_resource::<Ran>().save_resource::<Ran>().add_systems(
                    Startup,
                    |mut ran: ResMut<Ran>| {
                        ran.0.push((concat!($name, " starts").into(), 0));
                    },
                );
                app.add_systems(Update, write.in_set(Phase::Process));
            }
        }

        corec::plugin!($type, name = $name);
    };
}
diarist!(Alpha, "alpha");
diarist!(Zeta, "zeta");

fn set<P: NamedPlugin>(config: &str) -> Result<PluginSet, String> {
    with::<P>(PluginSet::default(), config)
}

fn with<P: NamedPlugin>(set: PluginSet, config: &str) -> Result<PluginSet, String> {
    let config = load_plugin("config.json", config, &|_| None).map_err(|e| e.to_string())?;
    set.with::<P>(config).map_err(|e| e.to_string())
}

fn scenario(threads: u32) -> Scenario {
    let group = BlockGroup { id: "g".into(), entities: 3000, ..Default::default() };
    let plugins = Plugins::Auto;
    Scenario {
        blocks: vec![group],
        store: "memory".into(),
        tick_seconds: 2.0,
        threads: Threads::Count(threads),
        plugins,
        ..Default::default()
    }
}

fn go(mut scenario: Scenario, plugins: &PluginSet, out: &Path) -> Result<Summary, String> {
    let app = plugins.app(&mut scenario);
    let plugins = plugins.records();
    #[expect(clippy::disallowed_methods, reason = "a run wants to know when it began")]
    let mut plan = RunPlan { out: Some(out.into()), plugins, ..RunPlan::new(scenario, Instant::now()) };
    plan.options.ticks = Some(9);
    run(app, plan, &corec::run::Stop::default(), &mut |_| {}).map_err(|e| e.to_string())
}

#[test]
fn entities_of_a_config_become_a_group_of_the_plugins_kind() {
    let folder = tempfile::tempdir().unwrap();
    let mut digests = Vec::new();
    for threads in [1, 2, 8] {
        let config =
            r#"{"nombre": "fatiga", "entidades": 2500, "canal": 6, "carga": 0.25, "gain_per_tick": 0.01}"#;
        let plugins = set::<Fatigue>(config).unwrap();
        let summary = go(scenario(threads), &plugins, &folder.path().join(threads.to_string())).unwrap();
        assert_eq!(summary.error, None);
        assert_eq!((summary.entities, summary.blocks), (5500, 6), "3000 cells and 2500 tired ones");
        digests.push(summary.state_digest);
    }
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
    let manifest = std::fs::read_to_string(folder.path().join("1/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["settings"]["blocks"][1]["kind"], "tired");
    assert_eq!(manifest["plugins"][0]["config"]["nombre"], "fatiga", "as it was given");
}

#[test]
fn systems_keep_to_the_interval_and_come_by_name() {
    let mut app = App::new();
    let mut settings = scenario(2);
    app.add_plugins(CorecPlugin);
    // Added the wrong way round: the order is by name all the same.
    let plugins = set::<Zeta>(r#"{"name": "zeta", "interval": 5}"#).unwrap();
    let plugins = with::<Alpha>(plugins, r#"{"name": "alpha", "interval": 6}"#).unwrap();
    plugins.add_to(&mut app, &mut settings);
    let mut simulation = Simulation::new(app, settings).unwrap();
    simulation.run(7).unwrap();
    let ran = simulation.world().resource::<Ran>();
    let ran: Vec<(&str, u64)> = ran.0.iter().map(|(name, tick)| (&name[..], *tick)).collect();
    // Ticks of 2 seconds: 5 and 6 seconds are 3 ticks each.
    let each = [("alpha", 0), ("zeta", 0), ("alpha", 3), ("zeta", 3), ("alpha", 6), ("zeta", 6)];
    assert_eq!(ran, [&[("alpha starts", 0), ("zeta starts", 0)][..], &each].concat());
}

#[test]
fn two_systems_of_a_plugin_without_an_order_are_refused() {
    #[derive(Deserialize, JsonSchema)]
    struct Torn {}
    impl Plugin for Torn {
        fn build(&self, app: &mut App) {
            fn first(_: ResMut<Ran>) {}
            fn second(_: ResMut<Ran>) {}
            app.init_resource::<Ran>().add_systems(Update, (first, second));
        }
    }
    corec::plugin!(Torn, name = "torn");
    let folder = tempfile::tempdir().unwrap();
    let plugins = set::<Torn>(r#"{"name": "torn"}"#).unwrap();
    let error = go(scenario(1), &plugins, &folder.path().join("run")).unwrap_err();
    assert!(error.contains("have no declared order"), "{error}");
}

#[test]
fn a_disabled_plugin_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let without = go(scenario(1), &PluginSet::default(), &folder.path().join("without")).unwrap();
    let plugins = set::<Fatigue>(r#"{"name": "fatigue", "enabled": false, "entities": 9}"#).unwrap();
    let disabled = go(scenario(1), &plugins, &folder.path().join("disabled")).unwrap();
    assert_eq!(without.state_digest, disabled.state_digest);
}

#[test]
fn what_is_wrong_with_a_plugin_is_said_before_anything_runs() {
    let error = |config: &str| set::<Fatigue>(config).err().unwrap();
    let found = error(r#"{"name": "fatigue", "gain_per_tik": 0.1}"#);
    assert!(
        found.starts_with(
            "config.json: gain_per_tik: unknown key 'gain_per_tik': did you mean 'gain_per_tick'?"
        ),
        "{found}"
    );
    let found = error(r#"{"name": "other"}"#);
    assert_eq!(found, "config.json: name: found 'other', must be 'fatigue' or 'fatiga'");
    let fatigue = r#"{"name": "fatigue"}"#;
    let found = with::<Fatigue>(set::<Fatigue>(fatigue).unwrap(), fatigue).err().unwrap();
    assert!(
        found.contains("'fatigue': found in config.json and in config.json, must be there once"),
        "{found}"
    );
}

/// Load 0.5 and an even interval met the same half of the rows for ever: the window moved with the ticks.
#[test]
fn every_row_gets_its_turn_whatever_the_interval() {
    #[derive(Deserialize, JsonSchema)]
    struct Turns {}
    impl Plugin for Turns {
        fn build(&self, app: &mut App) {
            fn count(blocks: Blocks<&mut Tiredness>) {
                blocks.due().par_for_each(|tired| tired.iter_mut().for_each(|tired| tired.0 += 1.0));
            }
            app.add_kind(Kind::new("turns").with::<Tiredness>())
                .add_systems(Update, count.in_set(Phase::Process));
        }
    }
    corec::plugin!(Turns, name = "turns");
    let config = r#"{"nombre": "turns", "entidades": 1500, "carga": 0.5, "intervalo": 60}"#;
    let mut settings = scenario(2);
    settings.tick_seconds = 1.0;
    let app = set::<Turns>(config).unwrap().app(&mut settings);
    let mut simulation = Simulation::new(app, settings).unwrap();
    simulation.run(240).unwrap();
    let world = simulation.world_mut();
    let turns: Vec<f32> = world.query::<&Tiredness>().iter(world).map(|tired| tired.0).collect();
    assert!(
        turns.len() == 1500 && turns.iter().all(|turns| *turns == 2.0),
        "four calls, half of the rows in each"
    );
}

#[test]
fn two_saved_resources_of_one_name_are_refused() {
    #[derive(Resource, Default, Serialize, Deserialize)]
    struct Impostor(u8);
    impl Saved for Impostor {
        const NAME: &'static str = "ran";
    }
    let mut app = App::new();
    app.add_plugins(CorecPlugin).init_resource::<Ran>().save_resource::<Ran>().save_resource::<Ran>();
    app.init_resource::<Impostor>().save_resource::<Impostor>();
    let error = Simulation::new(app, scenario(1)).err().unwrap().to_string();
    assert_eq!(
        error,
        "saved resource 'ran': found two types of that name, must be one: two plugins need two names"
    );
}

#[test]
fn a_plugin_that_takes_longer_than_its_budget_is_in_the_summary() {
    #[derive(Deserialize, JsonSchema)]
    struct Slow {}
    impl Plugin for Slow {
        fn build(&self, app: &mut App) {
            app.add_systems(Update, || std::thread::sleep(std::time::Duration::from_millis(2)));
            app.insert_resource(Gain(1.0)).add_kind(Kind::new("slow").with::<Tiredness>());
        }
    }
    corec::plugin!(Slow, name = "slow");
    let folder = tempfile::tempdir().unwrap();
    let plugins = set::<Slow>(r#"{"name": "slow", "budget_ms": 0.5, "entities": 100}"#).unwrap();
    let summary = go(scenario(1), &plugins, &folder.path().join("run")).unwrap();
    let slow = &summary.plugins[0];
    assert!(slow.ms_per_tick > 1.0 && slow.budget_ms == Some(0.5), "{slow:?}");
    // StableId, Health, Tiredness: 16 bytes, and what the world keeps for three columns.
    assert_eq!((slow.kind_bytes, slow.resource_bytes), ((100.0 * (16.0 + 32.4 + 16.0 + 4.0)) as u64, 4));
    assert!(summary.to_string().contains("over its budget_ms"), "{summary}");
}
