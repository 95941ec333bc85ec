//! The audit finds what was done to blocks, and leaves the others alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use bevy_app::Update;
use bevy_ecs::prelude::*;
use corec_core::block::{BlockId, Population};
use corec_core::blocks::Blocks;
use corec_core::column::{Health, Signal, StableId};
use corec_core::config::{BlockGroup, Scenario, Threads};
use corec_core::phase::Phase;
use corec_core::repairs::Repairs;
use corec_core::rng::{Draws, below, unit};
use corec_core::units::Tick;
use corec_run::testing::TestApp;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Harm {
    Dead,
    Stuck,
    Drift,
    Noise,
}

const HARMS: [Harm; 4] = [Harm::Dead, Harm::Stuck, Harm::Drift, Harm::Noise];

/// A disturbance of a block, of the entities that no repair has touched since.
struct Event {
    harm: Harm,
    block: u32,
    start: u64,
    end: u64,
    values: Vec<f32>,
    mended: BTreeSet<u64>,
}

#[derive(Resource)]
struct Events(Vec<Event>, Draws);

fn events(seed: u64, blocks: u32, ticks: u64, count: u64) -> Events {
    let draws = Draws::new(seed, "harm");
    let mut events: Vec<Event> = Vec::new();
    for at in 0..count {
        let [a, b, ..] = draws.words(at, 0, 0);
        let block = (at as u32 * (blocks / count as u32) + below(a, blocks / count as u32)) % blocks;
        let start = 80 + u64::from(below(b, (ticks - 110) as u32));
        let (values, mended) = (Vec::new(), BTreeSet::new());
        events.push(Event { harm: HARMS[at as usize % 4], block, start, end: start + 20, values, mended });
    }
    Events(events, draws)
}

fn harm(
    blocks: Blocks<(&StableId, &mut Signal, &mut Health)>,
    mut events: ResMut<Events>,
    repairs: Res<Repairs>,
    tick: Res<Tick>,
) {
    let now = tick.0;
    let Events(events, draws) = &mut *events;
    for record in &repairs.0 {
        for event in events.iter_mut().filter(|event| event.block == record.block && event.start < now) {
            event.mended.extend(record.entities.iter().map(|entity| entity.entity));
        }
    }
    if !events.iter().any(|event| (event.start..event.end).contains(&now)) {
        return;
    }
    blocks.for_each_block(|view, (ids, signals, healths)| {
        for event in events
            .iter_mut()
            .filter(|event| event.block == view.id().0 && (event.start..event.end).contains(&now))
        {
            if now == event.start {
                event.values = signals.iter().map(|signal| signal.value).collect();
            }
            for row in 0..ids.len() {
                if event.mended.contains(&ids[row].0) || !healths[row].is_active() {
                    continue;
                }
                let words = draws.words(ids[row].0, now, 1);
                let value = &mut signals[row].value;
                match event.harm {
                    Harm::Dead if now == event.start && unit(words[0]) < 0.3 => {
                        *value = 0.0;
                        healths[row] = Health { state: 0, failures: healths[row].failures + 1 };
                    }
                    Harm::Dead => {}
                    Harm::Stuck => *value = event.values[row],
                    Harm::Drift => *value = (*value - 0.01).max(0.0),
                    Harm::Noise => *value = (*value + 0.3 * (2.0 * unit(words[0]) - 1.0)).clamp(0.0, 1.0),
                }
            }
        }
    });
}

fn par(n: &str, d: f64) -> f64 {
    std::env::var(n).ok().and_then(|v| v.parse().ok()).unwrap_or(d)
}

fn scenario(seed: u64, groups: &[(&str, u64, f32)]) -> Scenario {
    let blocks = groups.iter().map(|(id, entities, load)| {
        let mut group =
            BlockGroup { id: (*id).into(), entities: *entities, load: *load, ..BlockGroup::default() };
        if par("NOREPAIR", 0.0) > 0.0 {
            group.sections.insert("repair".into(), serde_json::json!(false));
        }
        group
    });
    let mut scenario = Scenario {
        seed,
        threads: Threads::Count(2),
        store: "memory".into(),
        blocks: blocks.collect(),
        ..Scenario::default()
    };
    scenario.sections.insert("audit_interval".into(), serde_json::json!(2));
    scenario
}

#[test]
fn explore() {
    let (seeds, load, ticks) =
        (par("SEEDS", 5.0) as u64, par("LOAD", 0.5) as f32, par("TICKS", 400.0) as u64);
    let count = par("EVENTS", 12.0) as u64;
    let (mut hits, mut all, mut good, mut alerts_all) = ([0; 4], [0; 4], 0, 0);
    for seed in 1..=seeds {
        let groups: &[(&str, u64, f32)] = if par("MIXED", 0.0) > 0.0 {
            &[("swarm", 80_000, 0.5), ("one", 1000, 0.5), ("two", 2000, 1.0), ("ten", 17_000, load)]
        } else {
            &[("swarm", 100_000, load)]
        };
        let app = TestApp::default().scenario(scenario(seed, groups)).with(move |app| {
            app.insert_resource(events(seed, 100, ticks, count.max(1)));
            if count > 0 {
                app.add_systems(Update, harm.in_set(Phase::Process));
            }
        });
        let mut run = app.start().unwrap();
        run.tick(ticks).unwrap();
        let raised: Vec<_> = run.alerts().into_iter().filter(|a| a.state.as_str() == "raised").collect();
        let whys = std::env::var("WHY").is_ok();
        let name = |block| run.simulation.world().resource::<Population>().block_name(BlockId(block));
        let events = run.simulation.world().resource::<Events>();
        for alert in &raised {
            let of = events.0.iter().find(|e| {
                count > 0 && name(e.block) == alert.subject && (e.start..=e.end + 10).contains(&alert.tick)
            });
            alerts_all += 1;
            good += usize::from(of.is_some());
            if of.is_none() || whys {
                let near =
                    events.0.iter().find(|e| name(e.block) == alert.subject).map(|e| (e.harm, e.start));
                println!(
                    "seed {seed} tick {} {} {} {:.2} {} -- {of:?} {near:?}",
                    alert.tick,
                    alert.name,
                    alert.subject,
                    alert.value,
                    alert.why,
                    of = of.map(|o| o.harm)
                );
            }
        }
        for event in &events.0 {
            let kind = HARMS.iter().position(|h| *h == event.harm).unwrap();
            all[kind] += 1;
            let hit = raised.iter().any(|a| {
                a.subject == name(event.block) && (event.start..=event.start + 10).contains(&a.tick)
            });
            hits[kind] += usize::from(hit);
            if !hit && count > 0 {
                println!("seed {seed} missed {:?} {} {}", event.harm, name(event.block), event.start);
            }
        }
    }
    println!("recall {HARMS:?} {hits:?} of {all:?}; precision {good} of {alerts_all}");
}
