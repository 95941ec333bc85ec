//! Harm: what is done to whole blocks, and a ledger of what the run says of it.

use std::collections::BTreeSet;

use corec::prelude::*;
use corec::testing::{TestApp, TestRun};
use corec_core::block::Population;
use corec_core::config::{BlockGroup, Scenario, Threads};
use corec_core::repairs::{RepairRecord, Repairs};
use corec_core::rng::{Draws, below, unit};
use serde_json::{Value, json};

/// Ticks that a block is harmed, and ticks within which it is to be told of.
const HARMED: u64 = 20;
const SOON: u64 = 10;
/// Blocks of a run.
const BLOCKS: u32 = 100;

/// What is done to a block.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Harm {
    /// Three of ten entities fail at once.
    Dead,
    /// Values stay as they are.
    Stuck,
    /// Values are pushed down by a hundredth a tick.
    Drift,
    /// Values are pushed by up to 0.3 to either side.
    Noise,
}

const HARMS: [Harm; 4] = [Harm::Dead, Harm::Stuck, Harm::Drift, Harm::Noise];

/// Harm that is done to a block from a tick on, to those of its entities that no repair has touched since.
struct Event {
    harm: Harm,
    block: u32,
    start: u64,
    values: Vec<f32>,
    mended: BTreeSet<u64>,
}

impl Event {
    fn is_on(&self, tick: u64) -> bool {
        (self.start..self.start + HARMED).contains(&tick)
    }
}

#[derive(Resource)]
struct Events(Vec<Event>, Draws);

/// `count` events of all sorts, on different blocks, once the run has settled.
fn events(seed: u64, ticks: u64, count: u32) -> Events {
    let draws = Draws::new(seed, "harm");
    let event = |at: u32| {
        let [a, b, ..] = draws.words(at.into(), 0, 0);
        let block = at * (BLOCKS / count) + below(a, BLOCKS / count);
        let start = 80 + u64::from(below(b, (ticks - 110) as u32));
        let harm = HARMS[at as usize % HARMS.len()];
        Event { harm, block, start, values: Vec::new(), mended: BTreeSet::new() }
    };
    Events((0..count).map(event).collect(), draws)
}

/// The repairs of the last tick: the run's own are gone once they are published.
#[derive(Resource, Default)]
pub struct SeenRepairs(pub Vec<RepairRecord>);

/// Keeps them for a look after the tick.
pub fn see_repairs(app: &mut App) {
    let see = |repairs: Res<Repairs>, mut seen: ResMut<SeenRepairs>| seen.0.clone_from(&repairs.0);
    app.init_resource::<SeenRepairs>().add_systems(Update, see.in_set(Phase::Repair));
}

fn harm(
    blocks: Blocks<(&StableId, &mut Signal, &mut Health)>,
    mut events: ResMut<Events>,
    repairs: Res<SeenRepairs>,
    tick: Res<Tick>,
) {
    let Events(events, draws) = &mut *events;
    for record in &repairs.0 {
        let of = events.iter_mut().filter(|event| event.block == record.block && event.start < tick.0);
        of.for_each(|event| event.mended.extend(record.entities.iter().map(|entity| entity.entity)));
    }
    blocks.for_each_block(|view, (ids, signals, healths)| {
        let on = events.iter_mut().find(|event| event.block == view.id().0 && event.is_on(tick.0));
        let Some(event) = on else { return };
        let begins = tick.0 == event.start;
        if begins {
            event.values = signals.iter().map(|signal| signal.value).collect();
        }
        for row in (0..ids.len()).filter(|row| healths[*row].is_active()).collect::<Vec<_>>() {
            if event.mended.contains(&ids[row].0) {
                continue;
            }
            let (value, drawn) = (&mut signals[row].value, unit(draws.words(ids[row].0, tick.0, 1)[0]));
            match event.harm {
                Harm::Dead if begins && drawn < 0.3 => {
                    *value = 0.0;
                    healths[row] = Health { state: Health::INACTIVE, failures: healths[row].failures + 1 };
                }
                Harm::Dead => {}
                Harm::Stuck => *value = event.values[row],
                Harm::Drift => *value = (*value - 0.01).max(0.0),
                Harm::Noise => *value = (*value + 0.3 * (2.0 * drawn - 1.0)).clamp(0.0, 1.0),
            }
        }
    });
}

/// A scenario of groups (id, entities, load) that is audited every other tick.
pub fn scenario(seed: u64, groups: &[(&str, u64, f32)]) -> Scenario {
    let group = |(id, entities, load): &(&str, u64, f32)| BlockGroup {
        id: (*id).into(),
        entities: *entities,
        load: *load,
        ..Default::default()
    };
    let blocks = groups.iter().map(group).collect();
    let mut scenario =
        Scenario { seed, blocks, threads: Threads::Count(2), store: "memory".into(), ..Default::default() };
    scenario.sections.insert("audit_interval".into(), json!(2));
    scenario
}

/// Puts a section into every group.
pub fn with_section(mut scenario: Scenario, name: &str, value: &Value) -> Scenario {
    scenario.blocks.iter_mut().for_each(|group| _ = group.sections.insert(name.into(), value.clone()));
    scenario
}

/// What a run said of what was done to it.
#[derive(Default, Debug)]
pub struct Ledger {
    /// Events, and those of which an alert told soon.
    pub events: usize,
    pub told: usize,
    /// Alerts, and those about a block that was harmed then.
    pub alerts: usize,
    pub right: usize,
    /// The others, and the events that nothing told of.
    pub wrong: Vec<String>,
}

impl Ledger {
    /// Runs a hundred blocks of which some are harmed, and notes what becomes of it.
    pub fn note(&mut self, seed: u64, ticks: u64, count: u32, groups: &[(&str, u64, f32)]) {
        let app = TestApp::default().scenario(scenario(seed, groups)).with(move |app| {
            see_repairs(app);
            app.insert_resource(events(seed, ticks, count)).add_systems(Update, harm.in_set(Phase::Process));
        });
        let mut run = app.start().unwrap();
        run.tick(ticks).unwrap();
        let population = run.simulation.world().resource::<Population>();
        let events = &run.simulation.world().resource::<Events>().0;
        let name = |event: &Event| population.block_name(BlockId(event.block));
        let raised = raised(&run);
        for (tick, alert, subject) in &raised {
            let of = events.iter().find(|event| name(event) == *subject);
            let is_right = of.is_some_and(|of| (of.start..=of.start + HARMED + SOON).contains(tick));
            self.right += usize::from(is_right);
            if !is_right {
                let of = of.map(|event| (event.harm, event.start));
                self.wrong.push(format!("seed {seed}: {alert} of {subject} in tick {tick}, {of:?}"));
            }
        }
        for event in events {
            let is_soon = |tick: &u64| (event.start..=event.start + SOON).contains(tick);
            let is_told = raised.iter().any(|(tick, _, of)| *of == name(event) && is_soon(tick));
            self.told += usize::from(is_told);
            if !is_told {
                self.wrong.push(format!("seed {seed}: untold {:?} of {}", event.harm, name(event)));
            }
        }
        (self.events, self.alerts) = (self.events + events.len(), self.alerts + raised.len());
    }
}

/// Alerts that were raised: tick, name, subject.
pub fn raised(run: &TestRun) -> Vec<(u64, String, String)> {
    let alerts = run.alerts().into_iter().filter(|alert| alert.state.as_str() == "raised");
    alerts.map(|alert| (alert.tick, alert.name, alert.subject)).collect()
}
