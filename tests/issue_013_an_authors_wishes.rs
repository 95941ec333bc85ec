//! What an author had to write by hand: a second resource for the settings, births in a system that has the world to itself, a group for
//! a second kind, settings for each group.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use corec::prelude::*;
use corec::testing::TestApp;
use corec_core::config::load;

/// Sparks are struck, and go out.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
struct Sparks {
    /// Sparks struck in a tick.
    struck: u32,
    /// Ticks that one lives.
    lives: u32,
    /// The tick from which on it asks for entities of another's.
    strays_at: Option<u64>,
}

#[derive(Component, Pod, Zeroable, Clone, Copy, Default)]
#[repr(C)]
struct Age(u32);

/// What is left of a spark.
#[derive(Component, Pod, Zeroable, Clone, Copy, Default)]
#[repr(C)]
struct Ash(u32);

/// How a group of sparks burns.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema, PartialEq, Debug)]
#[serde(default)]
struct Burning {
    /// Ticks added to the life of each, 0..=100.
    more: u32,
}

impl Section for Burning {
    const NAME: &'static str = "burning";

    fn check(&self) -> std::result::Result<(), (&'static str, String, &'static str)> {
        if self.more <= 100 { Ok(()) } else { Err(("more", self.more.to_string(), "within 0..=100")) }
    }
}

impl Plugin for Sparks {
    fn build(&self, app: &mut App) {
        app.add_kind(Kind::new("spark").with::<Signal>().with::<Age>().recycled())
            .add_kind(Kind::new("ash").with::<Ash>().recycled())
            .add_group_section::<Burning>()
            .add_systems(Update, (strike, age, (burn_out, fall)).chain().in_set(Phase::Process));
    }
}

corec::plugin!(Sparks, name = "sparks");

fn strike(
    sparks: Res<Settings<Sparks>>,
    tick: Res<Tick>,
    population: Res<Population>,
    mut births: Births<Sparks, (Signal, Age)>,
) -> Result {
    let group = population.group_named("sparks").ok_or("there is no group 'sparks'")?;
    for n in 0..sparks.struck {
        births.spawn(group, (Signal { value: n as f32 }, Age(0)))?;
    }
    if sparks.strays_at.is_some_and(|at| tick.0 >= at) {
        let cells = population.group_named("cells").ok_or("there is no group 'cells'")?;
        births.spawn(cells, (Signal { value: 1.0 }, Age(0)))?;
    }
    Ok(())
}

fn age(blocks: Blocks<&mut Age>) {
    blocks.par_for_each(|ages| ages.iter_mut().for_each(|age| age.0 += 1));
}

fn burn_out(
    sparks: Res<Settings<Sparks>>,
    burning: Res<GroupSettings<Burning>>,
    blocks: Blocks<(&StableId, &Age)>,
    mut deaths: Deaths<Sparks>,
) -> Result {
    let mut out = Vec::new();
    blocks.for_each_block(|view, (ids, ages)| {
        let lives = sparks.lives + burning.of(view.group_id()).more;
        out.extend(ids.iter().zip(ages).filter(|(_, age)| age.0 > lives).map(|(id, _)| *id));
    });
    for id in out {
        deaths.free(id)?;
        // Twice is once.
        deaths.free(id)?;
    }
    Ok(())
}

fn fall(population: Res<Population>, mut births: Births<Sparks, (Ash,)>) -> Result {
    let ash = population.group_named("ash").ok_or("there is no group 'ash'")?;
    births.spawn(ash, (Ash(7),))?;
    Ok(())
}

const CONFIG: &str = r#"{"name": "sparks", "entities": 40, "channel": 3, "struck": 5, "lives": 4}"#;

fn live(population: &Population, group: &str) -> u64 {
    let id = population.group_named(group).unwrap();
    population.blocks().filter(|block| block.group() == id).map(|block| u64::from(block.live())).sum()
}

#[test]
fn births_and_deaths_of_a_system_that_is_not_exclusive_are_the_same_at_any_number_of_threads() {
    let digests = [1, 2, 3, 8].map(|threads| {
        let app = TestApp::default().threads(threads).plugin::<Sparks>(CONFIG).unwrap();
        let mut run = app.start().unwrap();
        run.tick(30).unwrap();
        let population = run.simulation.world().resource::<Population>();
        // Struck in the last five ticks, and those that have just got too old are gone.
        assert_eq!((live(population, "sparks"), live(population, "ash")), (20, 30));
        run.digest()
    });
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[test]
fn a_plugin_that_asks_for_anothers_entities_stops_and_the_run_goes_on() {
    let config = CONFIG.replace("\"struck\"", "\"strays_at\": 3, \"struck\"");
    let mut run = TestApp::default().plugin::<Sparks>(&config).unwrap().start().unwrap();
    run.tick(10).unwrap();
    let alerts: Vec<String> = run.alerts().into_iter().map(|alert| alert.name).collect();
    assert_eq!(alerts, ["system_error", "system_stopped"]);
    assert!(run.simulation.stopped_plugins().contains("sparks"));
    assert_eq!(live(run.simulation.world().resource(), "cells"), 1000);
}

#[test]
fn a_group_may_start_empty_and_a_fixed_kinds_may_not() {
    let mut run = TestApp::default().plugin::<Sparks>(&CONFIG.replace("40", "1")).unwrap().start().unwrap();
    let population = run.simulation.world().resource::<Population>();
    let names: Vec<&str> = population.groups().iter().map(|group| &**group.name()).collect();
    assert_eq!((names, live(population, "ash")), (vec!["cells", "sparks", "ash"], 0));
    run.tick(3).unwrap();
    assert_eq!(live(run.simulation.world().resource(), "ash"), 3);

    let scenario = |kind: &str| {
        let text = format!(
            r#"{{"name": "t", "store": "memory", "blocks": [{{"id": "sparks", "kind": "{kind}", "entities": 0}}]}}"#
        );
        load("t.json", &text, &|_| None).unwrap().scenario
    };
    let start = |kind: &str| {
        let config = r#"{"name": "sparks", "struck": 0}"#;
        let app = TestApp::default().scenario(scenario(kind)).plugin::<Sparks>(config).unwrap();
        app.start().map(|run| run.simulation.world().resource::<Population>().live())
    };
    assert_eq!(start("spark").unwrap(), 0);
    let error = start("cell").err().unwrap().to_string();
    assert!(
        error.starts_with("blocks[0].entities: found 0, must be at least 1: the rows of 'cell' are fixed"),
        "{error}"
    );
}

#[test]
fn a_second_kinds_group_is_as_its_config_has_it() {
    let groups = |groups: &str| CONFIG.replace("\"struck\"", &format!("\"groups\": {groups}, \"struck\""));
    let config = groups(r#"{"ash": {"entities": 12, "canal": 9, "entities_per_block": 8}}"#);
    let run = TestApp::default().plugin::<Sparks>(&config).unwrap().start().unwrap();
    let population = run.simulation.world().resource::<Population>();
    let ash = population.group(population.group_named("ash").unwrap());
    assert_eq!(
        (live(population, "ash"), ash.settings().channel, ash.settings().entities_per_block),
        (12, ChannelId(9), 8)
    );
    for (text, wanted) in [
        (r#"{"ash": {"entities": -1}}"#, "config.json: groups.ash.entities: found -1"),
        (
            r#"{"ash": {"entitys": 1}}"#,
            "config.json: groups.ash.entitys: unknown key 'entitys': did you mean 'entities'?",
        ),
        (r#"{"ash": 5}"#, "config.json: groups.ash: found 5"),
        ("[]", "config.json: groups: found []"),
    ] {
        let error = TestApp::default().plugin::<Sparks>(&groups(text)).err().unwrap().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let start = |groups_of: &str| {
        let app = TestApp::default().plugin::<Sparks>(&groups(groups_of)).unwrap();
        app.start().err().unwrap().to_string()
    };
    for (of, what) in [
        ("smoke", "a kind that the plugin does not register"),
        ("cell", "a kind that the plugin does not register"),
        ("spark", "the plugin's first kind, whose group the config's own `entities` make"),
    ] {
        let error = start(&format!(r#"{{"{of}": {{"entities": 1}}}}"#));
        let wanted = format!("config.json: groups.{of}: found {what}, must be one of: ash");
        assert!(error.contains(&wanted), "{error}");
    }
    let error = start(r#"{"ash": {"entities": 5, "entities_per_block": 4000, "max_size_mb": 0.001}}"#);
    assert!(error.contains("config.json: groups.ash.entities_per_block: found 4000 rows"), "{error}");
    for (key, at) in [
        ("\"struck\"", "repair"),
        ("\"groups\": {\"ash\": {\"repair\": {\"fitness_min\": 2}}}, \"struck\"", "groups.ash.repair"),
    ] {
        let config = CONFIG.replace("\"struck\"", key);
        let config = if at == "repair" {
            config.replace("\"struck\"", "\"repair\": {\"fitness_min\": 2}, \"struck\"")
        } else {
            config
        };
        let error = TestApp::default().plugin::<Sparks>(&config).unwrap().start().err().unwrap().to_string();
        assert!(
            error.contains(&format!("config.json: {at}.fitness_min: found 2, must be within 0..=1")),
            "{error}"
        );
    }
}

#[test]
fn a_section_of_a_plugins_own_is_read_for_each_group_and_checked() {
    let scenario = |section: &str| {
        let text = format!(
            r#"{{"name": "t", "store": "memory", "threads": 1, "blocks": [
                {{"id": "sparks", "kind": "spark", "entities": 10, {section}}},
                {{"id": "ash", "kind": "ash", "entities": 0}}]}}"#
        );
        load("t.json", &text, &|_| None).unwrap().scenario
    };
    let start = |section: &str| {
        let config = r#"{"name": "sparks", "lives": 1}"#;
        TestApp::default().scenario(scenario(section)).plugin::<Sparks>(config).unwrap().start()
    };
    for (section, left) in [(r#""burning": {"more": 2}"#, 10), (r#""load": 1"#, 0)] {
        let mut run = start(section).unwrap();
        run.tick(3).unwrap();
        assert_eq!(live(run.simulation.world().resource(), "sparks"), left, "{section}");
    }
    for (section, wanted) in [
        (r#""burning": {"more": 101}"#, "t.json: blocks[0].burning.more: found 101, must be within 0..=100"),
        (
            r#""burning": {"more": "a lot"}"#,
            "t.json: blocks[0].burning.more: found \"a lot\", must be a whole number",
        ),
        (
            r#""burning": {"mor": 1}"#,
            "t.json: blocks[0].burning.mor: unknown key 'mor': did you mean 'more'?",
        ),
        (r#""burning": [1]"#, "t.json: blocks[0].burning: found a list, must be an object"),
        (r#""burnin": {}"#, "t.json: blocks[0].burnin: unknown key 'burnin': did you mean 'burning'?"),
    ] {
        let error = start(section).err().unwrap().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn a_run_under_test_is_killed_and_goes_on_with_what_came_from_outside() {
    let app = || TestApp::default().plugin::<Sparks>(CONFIG).unwrap();
    let mut whole = app().start().unwrap();
    whole.tick(40).unwrap();
    let mut run = app().start().unwrap();
    run.tick(11).unwrap();
    run.snapshot().unwrap();
    run.tick(6).unwrap();
    let mut run = app().restore(run.kill()).unwrap();
    assert_eq!(run.simulation.tick(), 11);
    run.tick(29).unwrap();
    assert_eq!(run.digest(), whole.digest());
    // Without a snapshot it begins again.
    let mut run = app().start().unwrap();
    run.tick(5).unwrap();
    let mut run = app().restore(run.kill()).unwrap();
    run.tick(40).unwrap();
    assert_eq!(run.digest(), whole.digest());
}

#[test]
fn what_a_killed_run_says_again_has_the_ids_it_had() {
    let alerts = r#"[{"name": "any", "signal": "fitness", "enter": 2, "leave": 3}]"#;
    let text = format!(
        r#"{{"name": "t", "store": "memory", "threads": 1, "publish_interval": 1, "alerts": {alerts},
            "blocks": [{{"id": "a", "entities": 2500}}]}}"#
    );
    let app = || TestApp::default().scenario(load("t.json", &text, &|_| None).unwrap().scenario);
    let mut run = app().start().unwrap();
    run.tick(4).unwrap();
    run.snapshot().unwrap();
    run.tick(3).unwrap();
    let mut run = app().restore(run.kill()).unwrap();
    run.tick(5).unwrap();
    let ids = run.bus.ids("bloque_data_stream");
    assert_eq!(ids.iter().map(|id| id.tick).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 8]);
    assert_eq!(ids[4..7], ids[7..10], "once more, by the same ids");
    let frames = run.bus.published("bloque_data_stream");
    assert_eq!(frames[4..7], frames[7..10]);
    let first = run.bus.ids("alertas");
    assert_eq!((first.len(), first[0].tick, first[0].sequence), (3, 0, 1), "after the tick's frame");
}
