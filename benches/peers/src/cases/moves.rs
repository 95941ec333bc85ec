//! A row of 24 bytes moves: to another archetype and back in the peers, to another block and back in CoreC.

use std::rc::Rc;

use bevy_app::App;
use corec_core::block::{Block, BlockId, GroupId};
use corec_core::column::StableId;
use corec_core::kind::{AddKind, Kind};
use corec_core::rows::Rows;
use flecs_ecs::prelude::*;

use super::{Extra, Population, Position, group, nanoseconds_each, row, simulation};
use crate::rounds::{Case, Contestant, Sample, Target};

/// Which tenth of the entities moves, and in which order.
#[derive(Clone, Copy, PartialEq)]
pub enum Order {
    Rows,
    Random,
}

pub fn moves(entities: usize, order: Order) -> Case {
    let mut chosen: Vec<usize> = (0..entities).step_by(10).collect();
    if order == Order::Random {
        // Fisher-Yates on a linear congruential generator (Knuth's MMIX): the same order for all.
        let mut state = 1u64;
        for last in (1..chosen.len()).rev() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            chosen.swap(last, (state >> 33) as usize % (last + 1));
        }
    }
    let chosen: Rc<[usize]> = chosen.into();
    let (title, how, targets) = match order {
        Order::Rows => ("Move rows, in their order", "in the order of their rows", true),
        Order::Random => ("Move rows, in random order", "in one random order", false),
    };
    let target = Target { contestant: "CoreC", best_of: vec![], at_most: 130.0 };
    Case {
        title: title.into(),
        about: format!(
            "Every tenth entity moves there and then back, {how}. In the peers a component of 4 bytes is added and \
             removed, which takes the row to another archetype; CoreC moves it to another block."
        ),
        unit: "ns per move",
        contestants: vec![
            hecs(entities, chosen.clone()),
            bevy(entities, chosen.clone()),
            flecs(entities, chosen.clone()),
            corec(entities, chosen),
        ],
        targets: if targets { vec![target] } else { vec![] },
    }
}

fn sample(moves: usize, times: [f64; 2], checks: [u64; 2]) -> Sample {
    Sample {
        value: (times[0] + times[1]) / (2 * moves) as f64,
        check: checks[0].wrapping_mul(31) ^ checks[1],
    }
}

fn hecs(n: usize, chosen: Rc<[usize]>) -> Contestant {
    let mut world = hecs::World::new();
    let all: Vec<hecs::Entity> = world.spawn_batch((0..n).map(row)).collect();
    let chosen: Vec<hecs::Entity> = chosen.iter().map(|&i| all[i]).collect();
    Contestant::new("hecs", "`insert_one`, `remove_one`", move || {
        let there = nanoseconds_each(1, || {
            chosen.iter().for_each(|&e| world.insert_one(e, Extra(0.0)).expect("it lives"));
        });
        let moved = world.query_mut::<&Extra>().into_iter().count() as u64;
        let back = nanoseconds_each(1, || {
            chosen.iter().for_each(|&e| _ = world.remove_one::<Extra>(e).expect("it was added"));
        });
        sample(chosen.len(), [there, back], [moved, world.checksum()])
    })
}

fn bevy(n: usize, chosen: Rc<[usize]>) -> Contestant {
    let mut world = bevy_ecs::world::World::new();
    let all: Vec<bevy_ecs::entity::Entity> = world.spawn_batch((0..n).map(row)).collect();
    let chosen: Vec<bevy_ecs::entity::Entity> = chosen.iter().map(|&i| all[i]).collect();
    Contestant::new("bevy_ecs", "`entity_mut(e).insert(..)`, `.remove()`", move || {
        let there = nanoseconds_each(1, || {
            chosen.iter().for_each(|&e| _ = world.entity_mut(e).insert(Extra(0.0)));
        });
        let moved = world.query::<&Extra>().iter(&world).count() as u64;
        let back = nanoseconds_each(1, || {
            chosen.iter().for_each(|&e| _ = world.entity_mut(e).remove::<Extra>());
        });
        sample(chosen.len(), [there, back], [moved, world.checksum()])
    })
}

fn flecs(n: usize, chosen: Rc<[usize]>) -> Contestant {
    let world = World::new();
    let (positions, velocities): (Vec<Position>, Vec<super::Velocity>) = (0..n).map(row).unzip();
    let all = world.entity_bulk(n as u32).set(&positions).set(&velocities).build();
    let chosen: Vec<Entity> = chosen.iter().map(|&i| all[i]).collect();
    let mut world = world;
    Contestant::new("flecs_ecs", "`set(..)`, `remove(..)`", move || {
        let there = nanoseconds_each(1, || {
            chosen.iter().for_each(|&e| _ = world.entity_from_id(e).set(Extra(0.0)));
        });
        let moved = world.new_query::<&Extra>().count() as u64;
        let back = nanoseconds_each(1, || {
            chosen.iter().for_each(|&e| _ = world.entity_from_id(e).remove(Extra::id()));
        });
        sample(chosen.len(), [there, back], [moved, world.checksum()])
    })
}

fn corec(n: usize, chosen: Rc<[usize]>) -> Contestant {
    let mut app = App::new();
    app.add_kind(Kind::new("row").with::<Position>().recycled());
    let mut simulation = simulation(app, vec![group("home", n), group("away", 1)], 1);
    let mut rows = Rows::new(simulation.world_mut());
    for i in 0..n {
        let mut home = rows.get(StableId(i as u64)).expect("it was populated");
        home.set(row(i).0).expect("the kind has positions");
    }
    // Rows of the other group come and go, and leave blocks with room.
    rows.free(StableId(n as u64)).expect("it was populated");
    let room: Vec<StableId> =
        chosen.iter().map(|_| rows.spawn(GroupId(1)).expect("blocks are added").id()).collect();
    let away: Vec<BlockId> = room.iter().map(|&id| rows.get(id).expect("it was spawned").block()).collect();
    room.into_iter().for_each(|id| rows.free(id).expect("it was spawned"));
    let chosen: Vec<StableId> = chosen.iter().map(|&i| StableId(i as u64)).collect();
    let home: Vec<BlockId> = chosen.iter().map(|&id| rows.get(id).expect("it lives").block()).collect();
    drop(rows);
    Contestant::new("CoreC", "`Rows::move_to` a block by stable id", move || {
        let mut rows = Rows::new(simulation.world_mut());
        let there = move_all(&mut rows, &chosen, &away);
        let is_away = |block: &&Block| block.group() == GroupId(1);
        let moved = rows.population().blocks().filter(is_away).map(|block| u64::from(block.live())).sum();
        let back = move_all(&mut rows, &chosen, &home);
        drop(rows);
        sample(chosen.len(), [there, back], [moved, simulation.checksum()])
    })
}

fn move_all(rows: &mut Rows, chosen: &[StableId], blocks: &[BlockId]) -> f64 {
    nanoseconds_each(1, || {
        let moves = chosen.iter().zip(blocks);
        moves.for_each(|(&id, &block)| rows.move_to(id, block).expect("there is room"));
    })
}
