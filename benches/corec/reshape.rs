//! A tick in which a thousand blocks of a thousand entities are reshaped, beside one in which they are not, and memcpy of the rows.

use std::time::Duration;

use corec::prelude::*;
use corec_run::settings::Threads;
use criterion::{Criterion, Throughput};

use crate::{MILLION, ROW, memcpy, simulation, time};

/// What the blocks are like, and so what becomes of them.
struct Case {
    name: &'static str,
    load: f32,
    per_block: u32,
    /// Every second block is given this fitness, the others a high one.
    fitness: f32,
}

const CASES: [Case; 4] = [
    Case { name: "nothing", load: 0.5, per_block: 1000, fitness: 0.9 },
    Case { name: "fuse", load: 0.5, per_block: 1000, fitness: 0.0 },
    Case { name: "split", load: 0.9, per_block: 1000, fitness: 0.9 },
    Case { name: "grow", load: 0.1, per_block: 500, fitness: 0.9 },
];

/// A run of a thousand blocks before its second tick, in which they are reshaped; and how many blocks and entities there will be then.
fn colony(case: &Case, threads: u32) -> (Simulation, (usize, u64)) {
    let blocks = 1000;
    let mut group = BlockGroup {
        id: "colony".into(),
        kind: "colony".into(),
        entities: blocks * u64::from(case.per_block),
        entities_per_block: case.per_block,
        load: case.load,
        ..Default::default()
    };
    group.sections.insert("repair".into(), false.into());
    let mut scenario =
        Scenario { blocks: vec![group], threads: Threads::Count(threads), ..Default::default() };
    scenario.sections.insert("sync_interval".into(), 2.into());
    let mut simulation = simulation(scenario, |_: &mut App| {});
    simulation.run(1).expect("a tick");
    let mut stats = simulation.world_mut().resource_mut::<Stats>();
    for (at, stats) in stats.blocks.iter_mut().enumerate() {
        stats.fitness = if at % 2 == 0 { case.fitness } else { 0.9 };
    }
    let expected = match case.name {
        "fuse" => (500, MILLION / 2),
        "split" => (2000, MILLION),
        "grow" => (1000, MILLION),
        _ => (1000, MILLION),
    };
    (simulation, expected)
}

pub fn blocks(c: &mut Criterion) {
    let mut group = c.benchmark_group("reshape/rows=1000000/blocks=1000");
    group.throughput(Throughput::Elements(MILLION)).sample_size(10);
    for threads in [1, 2] {
        for case in &CASES {
            group.bench_function(format!("{}/threads={threads}", case.name), |b| {
                b.iter_custom(|rounds| {
                    (0..rounds)
                        .map(|_| {
                            let (mut simulation, expected) = colony(case, threads);
                            let took = time(|| simulation.run(1).expect("a tick"));
                            let population = simulation.world().resource::<Population>();
                            assert_eq!((population.blocks().count(), population.live()), expected);
                            took
                        })
                        .sum::<Duration>()
                });
            });
        }
        memcpy(&mut group, ROW * MILLION as usize, threads as usize);
    }
    group.finish();
}
