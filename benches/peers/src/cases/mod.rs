//! The cases, and what they share: components, populations, and what a population comes to.

pub mod executors;
pub mod memory;
pub mod moves;
pub mod scan;
pub mod spawn;

use std::time::Instant;

use bevy_app::App;
use bevy_ecs::system::RunSystemOnce;
use bytemuck::{Pod, Zeroable};
use corec_core::blocks::Blocks;
use corec_core::config::{BlockGroup, Scenario, Threads};
use corec_core::simulation::Simulation;

/// Seconds of a step.
pub const STEP: f32 = 1.0 / 64.0;

/// The components are the same types for all contestants.
macro_rules! components {
    ($($(#[doc = $doc:literal])+ $name:ident($values:ty);)+) => {$(
        $(#[doc = $doc])+
        #[derive(bevy_ecs::component::Component, flecs_ecs::macros::Component)]
        #[derive(Pod, Zeroable, Clone, Copy, Default)]
        #[repr(transparent)]
        pub struct $name(pub $values);
    )+};
}
components! {
    /// 12 bytes that every case changes or keeps, and that every check looks at.
    Position([f32; 3]);
    /// 12 bytes more: a row of 24. CoreC's row of 24 has its own 12 bytes, `StableId` and `Health`, instead.
    Velocity([f32; 3]);
    /// What is added and removed.
    Extra(f32);
}

pub fn row(i: usize) -> (Position, Velocity) {
    let x = i as f32;
    (Position([x, x + 0.5, x + 0.25]), Velocity([1.0, -0.5, x * 0.125]))
}

/// What positions come to, in any order of rows.
pub fn checksum<'p>(positions: impl IntoIterator<Item = &'p Position>) -> u64 {
    let bits =
        |p: &Position| p.0.iter().fold(0u64, |sum, x| sum.wrapping_mul(31).wrapping_add(x.to_bits().into()));
    positions.into_iter().map(bits).fold(0, u64::wrapping_add)
}

/// A population of any contestant.
pub trait Population {
    fn checksum(&mut self) -> u64;
}

impl Population for Vec<(Position, Velocity)> {
    fn checksum(&mut self) -> u64 {
        checksum(self.iter().map(|row| &row.0))
    }
}

impl Population for hecs::World {
    fn checksum(&mut self) -> u64 {
        checksum(self.query_mut::<&Position>())
    }
}

impl Population for bevy_ecs::world::World {
    fn checksum(&mut self) -> u64 {
        checksum(self.query::<&Position>().iter(self))
    }
}

impl Population for flecs_ecs::core::World {
    fn checksum(&mut self) -> u64 {
        use flecs_ecs::prelude::*;
        let mut sum = 0u64;
        self.new_query::<&Position>().each(|p| sum = sum.wrapping_add(checksum([p])));
        sum
    }
}

impl Population for Simulation {
    fn checksum(&mut self) -> u64 {
        let sum = |blocks: Blocks<&Position>| blocks.reduce(0, |_, p| checksum(p), u64::wrapping_add);
        self.world_mut().run_system_once(sum).expect("every Simulation has blocks")
    }
}

/// A group of CoreC's entities in blocks of 1000.
pub fn group(id: &str, entities: usize) -> BlockGroup {
    BlockGroup { id: id.into(), kind: "row".into(), entities: entities as u64, ..Default::default() }
}

/// A run of CoreC with these groups; `app` has their kind, called "row".
pub fn simulation(app: App, groups: Vec<BlockGroup>, threads: u32) -> Simulation {
    let scenario = Scenario { blocks: groups, threads: Threads::Count(threads), ..Default::default() };
    Simulation::new(app, scenario).expect("a small scenario of one kind")
}

/// A pool of two threads, as CoreC's own with that many.
pub fn two_threads() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("two threads start")
}

/// Nanoseconds of `work`, shared among `count`.
pub fn nanoseconds_each(count: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64 / count as f64
}
