//! Renewal: a flagged block begins anew, within limits that no auditor can pass.

use std::collections::BTreeMap;

use corec::prelude::*;
use corec::testing::TestApp;
use corec_core::block::Population;
use corec_core::flags::{ALERT, Flags};
use corec_core::repairs::RepairCause;
use serde_json::json;

use crate::harm::{SeenRepairs, scenario, see_repairs, with_section};

/// An auditor that is wrong about every block in every tick.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
struct Alarmist {}
corec::plugin!(Alarmist, name = "alarmist");

impl Plugin for Alarmist {
    fn build(&self, app: &mut App) {
        app.add_systems(Update, flag_all.in_set(Phase::Audit));
    }
}

fn flag_all(population: Res<Population>, mut out: Outbox<Alarmist>) {
    for block in population.blocks() {
        out.flag(block.id(), 1.0, "all is wrong");
    }
}

/// Blocks that were renewed, by tick.
fn renewals(scenario: corec_core::config::Scenario, ticks: u64) -> Vec<(u64, u32)> {
    let app = TestApp::default()
        .scenario(scenario)
        .with(see_repairs)
        .plugin::<Alarmist>(r#"{"name": "alarmist"}"#)
        .unwrap();
    let mut run = app.start().unwrap();
    let mut all = Vec::new();
    for _ in 0..ticks {
        run.tick(1).unwrap();
        let records = &run.world().resource::<SeenRepairs>().0;
        let of_flags = records.iter().filter(|record| record.cause == RepairCause::Flag);
        all.extend(of_flags.map(|record| (record.tick, record.block)));
    }
    all
}

#[test]
fn a_storm_of_false_flags_renews_no_more_than_the_stated_rate() {
    let mut scenario = scenario(3, &[("swarm", 60_000, 0.5)]);
    scenario.sections.insert("audit_interval".into(), json!(0));
    let renewed = renewals(scenario.clone(), 200);
    assert!(!renewed.is_empty());
    for (tick, _) in &renewed {
        let within = renewed.iter().filter(|(at, _)| (*tick..tick + 60).contains(at)).count();
        assert!(within <= 3, "{within} of 60 blocks from tick {tick} on: {renewed:?}");
    }
    let mut last = BTreeMap::new();
    for (tick, block) in &renewed {
        let before = last.insert(*block, *tick);
        assert!(before.is_none_or(|before| before + 60 <= *tick), "block {block} at {before:?} and {tick}");
    }
    assert_eq!(last.len(), renewed.len(), "those that wait come before those that were renewed: {renewed:?}");

    let often = json!({"cooldown": 10, "rate_max": 0.1});
    assert_eq!(renewals(with_section(scenario.clone(), "repair", &often), 30).len(), 3 * 6);
    let one = json!({"rate_max": 0});
    assert_eq!(renewals(with_section(scenario.clone(), "repair", &one), 61).len(), 2, "one block at least");
    for off in [json!({"on_flag": false}), json!(false)] {
        assert_eq!(renewals(with_section(scenario.clone(), "repair", &off), 30), []);
    }
}

#[test]
fn every_entity_of_a_renewed_block_inherits_under_its_own_id() {
    let mut scenario = scenario(3, &[("swarm", 2_000, 0.5)]);
    scenario.sections.insert("audit_interval".into(), json!(0));
    scenario = with_section(scenario, "dynamics", &json!({"fault_rate": 0}));
    let app = TestApp::default()
        .scenario(scenario)
        .with(see_repairs)
        .plugin::<Alarmist>(r#"{"name": "alarmist"}"#)
        .unwrap();
    let mut run = app.start().unwrap();
    // In the first tick one block at least, and the other when the first's cooldown is over: by then values tell who is fit.
    for (ticks, block) in [(1, 0), (60, 1)] {
        run.tick(ticks).unwrap();
        let records = run.world().resource::<SeenRepairs>().0.clone();
        let [record] = &records[..] else { panic!("{} records", records.len()) };
        assert_eq!((record.block, record.cause), (block, RepairCause::Flag));
        let own = 1000 * u64::from(block)..1000 * u64::from(block + 1);
        assert!(record.entities.iter().map(|entity| entity.entity).eq(own.clone()), "all, in row order");
        let is_heir = |parent: Option<u64>| parent.is_some_and(|parent| own.contains(&parent));
        assert!(record.entities.iter().all(|entity| entity.replaced.is_none() && is_heir(entity.parent)));
    }
    let mut query = run.world().query::<(&StableId, &Signal, &Trait)>();
    let world = run.world();
    let begun = query.iter(world).filter(|(id, ..)| id.0 >= 1000);
    let (sum, count) = begun.fold((0.0, 0), |(sum, count), (_, signal, inherited)| {
        assert_eq!(signal.value, inherited.target);
        (sum + inherited.target, count + 1)
    });
    assert!(sum / count as f32 > 0.7, "the fittest of four have a mean of 0.8 where all have 0.5: {sum}");
}

/// From tick 60 on, lets the values of block 3 drift until the block is renewed.
fn drift(blocks: Blocks<&mut Signal>, tick: Res<Tick>, repairs: Res<SeenRepairs>, mut renewed: Local<bool>) {
    *renewed |= repairs.0.iter().any(|r| r.block == 3 && r.cause == RepairCause::Flag);
    blocks.for_each_block(|view, signals| {
        if view.id() == BlockId(3) && tick.0 >= 60 && !*renewed {
            signals.iter_mut().for_each(|signal| signal.value = (signal.value - 0.01).max(0.0));
        }
    });
}

#[test]
fn what_a_renewal_changes_is_not_flagged_again() {
    let app = TestApp::default().scenario(scenario(7, &[("swarm", 30_000, 0.5)])).with(|app| {
        see_repairs(app);
        app.add_systems(Update, drift.in_set(Phase::Process));
    });
    let mut run = app.start().unwrap();
    run.tick(300).unwrap();
    let said: Vec<(String, &str)> = run
        .alerts()
        .iter()
        .filter(|alert| alert.name == ALERT)
        .map(|alert| (alert.subject.clone(), alert.state.as_str()))
        .collect();
    assert_eq!(said, [("swarm/3".into(), "raised"), ("swarm/3".into(), "cleared")]);
    assert!(run.world().resource::<Flags>().is_empty());
}

/// An auditor that flags every block once, and fails in a later tick if it is told to.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
struct Hasty {
    /// The tick in which it panics.
    fails_at: Option<u64>,
}
corec::plugin!(Hasty, name = "hasty");

impl Plugin for Hasty {
    fn build(&self, app: &mut App) {
        app.add_systems(Update, flag_once.in_set(Phase::Audit));
    }
}

fn flag_once(
    settings: Res<Settings<Hasty>>,
    population: Res<Population>,
    tick: Res<Tick>,
    mut out: Outbox<Hasty>,
) {
    assert!(settings.fails_at != Some(tick.0), "as it was told to");
    if tick.0 == 2 {
        population.blocks().for_each(|block| out.flag(block.id(), 1.0, "a first impression"));
    }
}

fn hasty(config: &str) -> corec::testing::TestRun {
    let mut scenario = scenario(3, &[("swarm", 40_000, 0.5)]);
    scenario.sections.insert("audit_interval".into(), json!(0));
    TestApp::default().scenario(scenario).with(see_repairs).plugin::<Hasty>(config).unwrap().start().unwrap()
}

#[test]
fn a_block_is_not_renewed_again_on_an_opinion_that_is_older_than_its_renewal() {
    let mut run = hasty(r#"{"name": "hasty"}"#);
    let mut renewed = BTreeMap::new();
    for _ in 0..3000 {
        run.tick(1).unwrap();
        for record in run.world().resource::<SeenRepairs>().0.iter().filter(|r| r.cause == RepairCause::Flag)
        {
            *renewed.entry(record.block).or_insert(0) += 1;
        }
    }
    assert!(renewed.len() == 40 && renewed.values().all(|times| *times == 1), "{renewed:?}");
    assert_eq!(run.world().resource::<Flags>().iter().count(), 40, "they are its own to lower");
}

#[test]
fn the_flags_of_an_auditor_that_has_failed_are_lowered() {
    let mut run = hasty(r#"{"name": "hasty", "fails_at": 9}"#);
    run.tick(9).unwrap();
    assert_eq!(run.world().resource::<Flags>().iter().count(), 40);
    run.tick(2).unwrap();
    assert!(run.world().resource::<Flags>().is_empty());
    let ends =
        run.alerts().iter().filter(|alert| alert.name == ALERT && alert.state.as_str() == "cleared").count();
    assert_eq!(ends, 40);
}
