//! Spawning a fresh population: in one batch, and one entity at a time.

use bevy_app::App;
use bevy_ecs::system::RunSystemOnce;
use corec_core::block::GroupId;
use corec_core::blocks::Blocks;
use corec_core::column::StableId;
use corec_core::kind::{AddKind, Kind};
use corec_core::rows::Rows;
use corec_core::simulation::Simulation;
use flecs_ecs::prelude::*;

use super::{Population, Position, Velocity, group, nanoseconds_each, row, simulation};
use crate::rounds::{Case, Contestant, Sample, Target};

pub fn batch(entities: usize) -> Case {
    Case {
        title: "Spawn a population".into(),
        about: "A fresh world each time, every row with values of its own; giving it back is not timed. CoreC's time is \
                that of `Simulation::new` (threads, schedules, blocks, stable ids) and of a pass that fills the rows."
            .into(),
        unit: "ns per entity",
        contestants: vec![
            contestant(entities, "Vec", "`collect` of rows of 24 B", vec),
            contestant(entities, "hecs", "`spawn_batch`", hecs_batch),
            contestant(entities, "bevy_ecs", "`spawn_batch`", bevy_batch),
            contestant(entities, "flecs_ecs", "`entity_bulk` of two `Vec`s", flecs_bulk),
            contestant(entities, "CoreC", "`Simulation::new`, then `Blocks::for_each`", corec),
        ],
        targets: vec![Target { contestant: "CoreC", best_of: vec![], at_most: 100.0 }],
    }
}

pub fn one_by_one(entities: usize) -> Case {
    Case {
        title: "Spawn one entity at a time".into(),
        about: "As before, but each entity by a call of its own; CoreC's kind is a recycled one, whose table grows block by \
                block."
            .into(),
        unit: "ns per entity",
        contestants: vec![
            contestant(entities, "Vec", "`push` to an empty `Vec`", |n| {
                let mut rows = Vec::new();
                (0..n).for_each(|i| rows.push(row(i)));
                rows
            }),
            contestant(entities, "hecs", "`World::spawn`", |n| {
                let mut world = hecs::World::new();
                (0..n).for_each(|i| _ = world.spawn(row(i)));
                world
            }),
            contestant(entities, "bevy_ecs", "`World::spawn`", |n| {
                let mut world = bevy_ecs::world::World::new();
                (0..n).for_each(|i| _ = world.spawn(row(i)));
                world
            }),
            contestant(entities, "flecs_ecs", "`entity().set(..).set(..)`", |n| {
                let world = World::new();
                for (position, velocity) in (0..n).map(row) {
                    world.entity().set(position).set(velocity);
                }
                world
            }),
            contestant(entities, "CoreC", "`Rows::spawn` and `Row::set`", |n| {
                let mut app = App::new();
                app.add_kind(Kind::new("row").with::<Position>().recycled());
                let mut simulation = simulation(app, vec![group("rows", 1)], 1);
                let mut rows = Rows::new(simulation.world_mut());
                rows.get(StableId(0)).and_then(|mut first| first.set(row(0).0).map(drop)).expect("it was populated");
                for i in 1..n {
                    rows.spawn(GroupId(0)).and_then(|mut new| new.set(row(i).0).map(drop)).expect("blocks are added");
                }
                drop(rows);
                simulation
            }),
        ],
        targets: vec![Target { contestant: "CoreC", best_of: vec![], at_most: 100.0 }],
    }
}

fn contestant<P: Population + 'static>(
    n: usize,
    name: &'static str,
    runs: &'static str,
    spawn: fn(usize) -> P,
) -> Contestant {
    Contestant::new(name, runs, move || {
        let mut population = None;
        let value = nanoseconds_each(n, || population = Some(spawn(n)));
        Sample { value, check: population.as_mut().map_or(0, Population::checksum) }
    })
}

pub fn vec(n: usize) -> Vec<(Position, Velocity)> {
    (0..n).map(row).collect()
}

pub fn hecs_batch(n: usize) -> hecs::World {
    let mut world = hecs::World::new();
    world.spawn_batch((0..n).map(row)).for_each(drop);
    world
}

pub fn bevy_batch(n: usize) -> bevy_ecs::world::World {
    let mut world = bevy_ecs::world::World::new();
    world.spawn_batch((0..n).map(row)).for_each(drop);
    world
}

pub fn flecs_bulk(n: usize) -> World {
    let world = World::new();
    let (positions, velocities): (Vec<Position>, Vec<Velocity>) = (0..n).map(row).unzip();
    world.entity_bulk(n as u32).set(&positions).set(&velocities).build();
    world
}

/// CoreC's row of 24 bytes: `StableId`, `Health`, `Position`.
pub fn corec(n: usize) -> Simulation {
    let mut app = App::new();
    app.add_kind(Kind::new("row").with::<Position>());
    let mut simulation = simulation(app, vec![group("rows", n)], 1);
    let fill = |blocks: Blocks<(&StableId, &mut Position)>| {
        blocks.for_each(|(ids, positions)| {
            ids.iter().zip(positions).for_each(|(id, position)| *position = row(id.0 as usize).0);
        });
    };
    simulation.world_mut().run_system_once(fill).expect("every Simulation has blocks");
    simulation
}
