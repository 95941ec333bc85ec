//! Blocks beside raw `Vec`s: scans, windows, sums, and the births, deaths and moves of rows.

use std::hint::black_box;
use std::sync::Mutex;

use corec::prelude::*;
use corec_core::block::GroupId;
use corec_core::maths::ordered_sum;
use corec_core::rng::philox;
use corec_run::settings::Threads;
use criterion::{BatchSize, Criterion, Throughput};

use crate::{MILLION, memcpy, simulation};

/// Bytes of a row: StableId, Health, Particle.
const ROW: usize = 24;

/// A place and a speed, and the speed's decay.
#[derive(Component, Pod, Zeroable, Clone, Copy, Default)]
#[repr(C)]
struct Particle([f32; 3]);

fn move_kernel(particles: &mut [Particle]) {
    for Particle(p) in particles {
        p[0] += p[1];
        p[1] *= p[2];
    }
}

fn fixed() -> Kind<((), Particle)> {
    Kind::new("particle").with::<Particle>()
}

/// A run with `entities` particles in blocks of `per_block`, on one thread.
fn particles(kind: Kind<((), Particle)>, entities: u64, per_block: u32, load: f32) -> Simulation {
    let group = BlockGroup {
        id: "p".into(),
        kind: "particle".into(),
        entities,
        entities_per_block: per_block,
        load,
        ..Default::default()
    };
    let scenario = Scenario { blocks: vec![group], threads: Threads::Count(1), ..Default::default() };
    let kind = Mutex::new(Some(kind));
    simulation(scenario, move |app: &mut App| {
        if let Some(kind) = kind.lock().expect("built once").take() {
            app.add_kind(kind);
        }
    })
}

/// Runs one system over and over, without what a schedule adds, on what `make` makes. Checks that it changes the rows, or that
/// it does not.
fn bench_system<M>(
    group: &mut criterion::BenchmarkGroup<criterion::measurement::WallTime>,
    id: impl Into<String>,
    make: impl Fn() -> Simulation,
    system: impl IntoSystem<(), (), M>,
    writes: bool,
) {
    let mut system = IntoSystem::into_system(system);
    let mut made = None;
    group.bench_function(id.into(), |b| {
        let (simulation, _) = made.get_or_insert_with(|| {
            let mut simulation = make();
            let before = simulation.digest().value;
            let world = simulation.world_mut();
            system.initialize(world);
            world.query::<&mut Particle>().iter_mut(world).for_each(|mut p| p.0 = [1.0, 1.0, 0.999]);
            let start = simulation.digest().value;
            assert_ne!(before, start);
            (simulation, start)
        });
        b.iter(|| {
            system.run_without_applying_deferred((), simulation.world_mut()).expect("it has its parameters")
        });
    });
    if let Some((simulation, start)) = made {
        assert_eq!(simulation.digest().value != start, writes, "the digest tells what was written");
    }
}

fn raw_particles() -> Vec<Particle> {
    vec![Particle([1.0, 1.0, 0.999]); MILLION as usize]
}

pub fn scan(c: &mut Criterion) {
    let mut group = c.benchmark_group("blocks/scan/entities=1000000");
    group.throughput(Throughput::Elements(MILLION));
    let mut made = None;
    group.bench_function("vec", |b| {
        let raw = made.get_or_insert_with(raw_particles);
        b.iter(|| move_kernel(black_box(raw)));
    });
    let make = || particles(fixed(), MILLION, 1000, 1.0);
    let system = |blocks: Blocks<&mut Particle>| blocks.for_each(move_kernel);
    bench_system(&mut group, "blocks", make, system, true);
    memcpy(&mut group, size_of::<Particle>() * MILLION as usize, 1);
    group.finish();
}

/// The rows that are due at load 0.5, beside the same rows of a `Vec`.
pub fn due(c: &mut Criterion) {
    let mut group = c.benchmark_group("blocks/due/entities=1000000/load=0.5");
    group.throughput(Throughput::Elements(MILLION / 2));
    let mut made = None;
    group.bench_function("vec", |b| {
        let raw = made.get_or_insert_with(raw_particles);
        b.iter(|| black_box(&mut *raw).chunks_mut(1000).for_each(|block| move_kernel(&mut block[..500])));
    });
    let make = || particles(fixed(), MILLION, 1000, 0.5);
    let system = |blocks: Blocks<&mut Particle>| blocks.due().for_each(move_kernel);
    bench_system(&mut group, "blocks", make, system, true);
    group.finish();
}

/// A sum in sixteen lanes for each block, folded in block order; beside it `iter().sum()`, whose order is one chain.
pub fn ordered_mean(c: &mut Criterion) {
    let mut group = c.benchmark_group("blocks/ordered-mean/entities=1000000");
    group.throughput(Throughput::Elements(MILLION));
    let raw = vec![1.0f32; MILLION as usize];
    group.bench_function("vec/iter-sum", |b| b.iter(|| black_box(&raw).iter().sum::<f32>()));
    group.bench_function("vec/ordered-sum", |b| b.iter(|| ordered_sum(black_box(&raw))));
    let make = || particles(fixed(), MILLION, 1000, 1.0);
    let system = |blocks: Blocks<&Health>| {
        let sum = blocks.reduce(0u64, |_, h| h.iter().filter(|h| h.is_active()).count() as u64, |a, b| a + b);
        assert_eq!(black_box(sum), MILLION);
    };
    bench_system(&mut group, "blocks/reduce-active", make, system, false);
    group.finish();
}

/// The same rows in blocks of another size: what a block costs.
pub fn sizes(c: &mut Criterion) {
    let mut group = c.benchmark_group("blocks/sizes/entities=1000000");
    group.throughput(Throughput::Elements(MILLION));
    for per_block in [100, 500, 1000, 2000, 4096] {
        let make = || particles(fixed(), MILLION, per_block, 1.0);
        let system = |blocks: Blocks<&mut Particle>| blocks.for_each(move_kernel);
        bench_system(&mut group, format!("per-block={per_block}"), make, system, true);
    }
    group.finish();
}

/// A whole population, and one entity at a time; beside them a `Vec` of the same rows.
pub fn spawn(c: &mut Criterion) {
    let mut group = c.benchmark_group("blocks/spawn/row=24");
    group.throughput(Throughput::Elements(MILLION)).sample_size(10);
    group.bench_function("vec/entities=1000000", |b| {
        b.iter_with_large_drop(|| (0..MILLION).map(|id| [id, 1, 0]).collect::<Vec<[u64; 3]>>());
    });
    group.bench_function("population/entities=1000000", |b| {
        b.iter_with_large_drop(|| particles(fixed(), MILLION, 1000, 1.0));
    });
    group.throughput(Throughput::Elements(100_000));
    group.bench_function("one-by-one/entities=100000", |b| {
        let setup = || particles(fixed().recycled(), 1, 1000, 1.0);
        b.iter_batched(
            setup,
            |mut simulation| {
                let mut rows = Rows::new(simulation.world_mut());
                (0..100_000).for_each(|_| _ = rows.spawn(GroupId(0)).expect("there is room"));
                assert_eq!(rows.population().live(), 100_001);
                drop(rows);
                simulation
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Deaths in random order.
pub fn free(c: &mut Criterion) {
    const DEATHS: u64 = 100_000;
    let mut group = c.benchmark_group("blocks/free/entities=1000000/row=24");
    group.throughput(Throughput::Elements(DEATHS)).sample_size(10);
    group.bench_function("random", |b| {
        let setup = || particles(fixed().recycled(), MILLION, 1000, 1.0);
        b.iter_batched(
            setup,
            |mut simulation| {
                let mut rows = Rows::new(simulation.world_mut());
                // 999,983 is prime: the multiples of 7919 visit ids in no order, each once.
                for i in 0..DEATHS {
                    rows.free(StableId(i * 7919 % 999_983)).expect("each dies once");
                }
                assert_eq!(rows.population().live(), MILLION - DEATHS);
                drop(rows);
                simulation
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Moves to other blocks, all 98 % full: every hundredth entity in order, as a loop over entities would move them, or
/// at random, where every row and every entry of the directory is a cache miss. Beside them copies of rows to random places.
pub fn moves(c: &mut Criterion) {
    const MOVES: u64 = 10_000;
    let mut group = c.benchmark_group("blocks/move/entities=980000/row=24");
    group.throughput(Throughput::Elements(MOVES));
    let make = || {
        let mut simulation = particles(fixed().recycled(), MILLION, 1000, 1.0);
        let mut rows = Rows::new(simulation.world_mut());
        (0..MILLION).step_by(50).for_each(|id| rows.free(StableId(id)).expect("it lives"));
        drop(rows);
        simulation
    };
    let mut made: Option<Simulation> = None;
    // Every hundredth entity to the next block, so that every block gives ten and takes ten.
    let movers: Vec<StableId> = (1..MILLION).step_by(100).map(StableId).collect();
    assert_eq!(movers.len() as u64, MOVES);
    let mut at = 0;
    group.bench_function("in-order", |b| {
        let mut rows = Rows::new(made.get_or_insert_with(make).world_mut());
        b.iter(|| {
            at += 1;
            for id in &movers {
                let to = BlockId(((id.0 / 1000 + at) % 1000) as u32);
                rows.move_to(*id, to).expect("there is room");
            }
        });
    });
    let (mut draw, mut moved) = (0u32, 0u64);
    group.bench_function("random", |b| {
        let mut rows = Rows::new(made.get_or_insert_with(make).world_mut());
        b.iter(|| {
            for _ in 0..MOVES {
                draw += 1;
                let [id, block, ..] = philox([draw, 0, 0, 0], [7, 7]);
                // One of 49 in every 50 lives.
                let id = 1 + rng::below(id, MILLION as u32 - 1);
                let id = StableId(u64::from(id + u32::from(id.is_multiple_of(50))));
                // A full block refuses.
                moved += u64::from(rows.move_to(id, BlockId(rng::below(block, 1000))).is_ok());
            }
        });
    });
    if let Some(simulation) = &made {
        let live = simulation.world().resource::<Population>().live();
        assert_eq!(live, MILLION / 50 * 49, "no row is lost");
    }
    assert!(moved * 20 >= u64::from(draw) * 19, "{moved} of {draw} found room");
    let (row, mut made) = ([1u8; ROW], None);
    group.bench_function("memcpy", |b| {
        let table = made.get_or_insert_with(|| vec![0u8; ROW * MILLION as usize]);
        b.iter(|| {
            for _ in 0..MOVES {
                draw += 1;
                let at = rng::below(philox([draw, 0, 0, 0], [7, 7])[0], MILLION as u32) as usize * ROW;
                table[at..at + ROW].copy_from_slice(black_box(&row));
            }
        });
    });
    group.finish();
}
