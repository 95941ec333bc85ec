//! What is the engine's own can't be written by a plugin: the tick was, and ids were, and the run went on with them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use corec::prelude::*;
use corec_core::config::{BlockGroup, Scenario};
use corec_core::simulation::Simulation;

fn refusal(mut app: App) -> Option<String> {
    app.add_plugins(CorecPlugin);
    let cells = BlockGroup { id: "cells".into(), entities: 100, ..Default::default() };
    let scenario = Scenario { blocks: vec![cells], ..Default::default() };
    let mut simulation = match Simulation::new(app, scenario) {
        Ok(simulation) => simulation,
        Err(refused) => return Some(refused.to_string()),
    };
    simulation.run(3).err().map(|e| e.to_string())
}

#[test]
fn a_system_that_would_write_the_tick_keeps_the_run_from_starting() {
    let mut app = App::new();
    app.add_systems(Update, (|mut tick: ResMut<Tick>| tick.0 += 1).in_set(Phase::Process));
    let refused = refusal(app).unwrap();
    assert!(refused.contains("found ResMut<Tick>, must be Res<Tick>"), "{refused}");
    let mut app = App::new();
    app.add_systems(Update, |tick: Res<Tick>, mut all: Query<EntityMut, Without<StableId>>| {
        assert!(all.iter_mut().count() > 0 || tick.0 > 0);
    });
    let refused = refusal(app);
    assert!(refused.as_ref().is_none_or(|refused| !refused.contains("ResMut<Tick>")), "{refused:?}");
}

#[test]
fn an_id_that_is_written_over_ends_the_run() {
    let mut app = App::new();
    app.add_systems(Update, |mut commands: Commands, rows: Query<Entity, With<StableId>>| {
        commands.entity(rows.iter().next().unwrap()).insert(StableId(7));
    });
    let refused = refusal(app).unwrap();
    assert!(refused.contains("a StableId was added by hand"), "{refused}");
}

#[test]
fn a_command_that_fails_half_way_ends_the_run() {
    let mut app = App::new();
    app.add_systems(Update, |tick: Res<Tick>, mut commands: Commands| {
        if tick.0 == 1 {
            commands.queue(|world: &mut World| {
                Rows::new(world).get(StableId(0)).unwrap().set(Signal { value: 0.0 }).unwrap();
                panic!("half way");
            });
        }
    });
    let failed = refusal(app).unwrap();
    assert!(failed.contains("while its commands were applied: half way"), "{failed}");
}
