//! The engine's benches, one target: `cargo bench --bench corec -- FILTER`.
//!
//! Beside each stands what it is compared to in the same run (a raw `Vec`, memcpy of the same bytes): on a shared machine
//! only the ratio means anything. Each checks that what it ran did its work; the ticks check the digest.

use std::hint::black_box;
use std::time::Duration;

use corec::prelude::*;
use corec_core::executor::Reports;
use corec_core::rng::{STRIP, philox};
use corec_core::width::{Kernel, Simd, Width};
use corec_systems::scenarios;
use corec_systems::settings::Threads;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const MILLION: u64 = 1_000_000;

/// A value and what it does: 16 bytes, the row of the block benches.
#[derive(Component, Pod, Zeroable, Clone, Copy, Default)]
#[repr(C)]
struct Particle([f32; 4]);

fn move_kernel(particles: &mut [Particle]) {
    for Particle(p) in particles {
        p[0] += p[1];
        p[2] += p[3];
    }
}

fn simulation(scenario: Scenario, plugin: impl Plugin) -> Simulation {
    let mut app = App::new();
    app.add_plugins((CorecPlugin, plugin));
    Simulation::new(app, scenario).expect("a scenario of the benches' own")
}

fn particles(kind: Kind<((), Particle)>, entities: u64, system: fn(Blocks<&mut Particle>)) -> Simulation {
    let group = BlockGroup { id: "p".into(), kind: "particle".into(), entities, ..Default::default() };
    let scenario = Scenario { blocks: vec![group], threads: Threads::Count(1), ..Default::default() };
    let kind = std::sync::Mutex::new(Some(kind));
    simulation(scenario, move |app: &mut App| {
        if let Some(kind) = kind.lock().expect("built once").take() {
            app.add_kind(kind);
        }
        app.add_systems(Update, system.in_set(Phase::Process));
    })
}

#[derive(Component)]
struct Plain([f32; 4]);

/// Resources of one system each; `N` tells them apart.
#[derive(Resource, Default)]
struct Counter<const N: usize>(u64);

/// Adds a system that counts, on a resource of its own or on the one that all share.
fn tiny<const N: usize>(world: &mut World, schedule: &mut Schedule, conflicts: bool) {
    world.init_resource::<Counter<N>>();
    if conflicts {
        schedule.add_systems(|mut shared: ResMut<Counter<0>>| shared.0 += 1);
    } else {
        schedule.add_systems(|mut own: ResMut<Counter<N>>| own.0 += 1);
    }
}

macro_rules! fifty {
    ($world:expr, $schedule:expr, $conflicts:expr; $($n:literal)+) => { $(tiny::<$n>($world, $schedule, $conflicts);)+ };
}

/// Fifty tiny systems: what the executor costs beside bevy_ecs' own, single-threaded one, which orders but never overlaps.
fn executor_tiny(c: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
    for conflicts in [false, true] {
        let name = if conflicts { "all-conflict" } else { "no-conflict" };
        let mut group = c.benchmark_group(format!("executor/tiny/systems=50/{name}"));
        for ours in [true, false] {
            let (mut world, mut schedule) = (World::new(), Schedule::default());
            fifty!(&mut world, &mut schedule, conflicts;
                0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24
                25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49);
            if ours {
                corec_core::executor::install(&mut schedule, &Reports::default());
            }
            let mut runs = 0;
            group.bench_function(if ours { "rayon/threads=2" } else { "bevy-single-threaded" }, |b| {
                // Inside the pool, as a run is: from outside every join would wake a thread.
                b.iter_custom(|times| {
                    runs += times;
                    pool.install(|| time(|| (0..times).for_each(|_| schedule.run(&mut world))))
                });
            });
            let each = if conflicts { 50 * runs } else { runs };
            assert_eq!(world.resource::<Counter<0>>().0, each, "every system ran in every run");
        }
        group.finish();
    }
}

/// Eight systems, each over a million plain entities: what the executor is for.
fn executor_heavy(c: &mut Criterion) {
    let mut group = c.benchmark_group("executor/heavy/systems=8/entities=1000000");
    group.sample_size(20);
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let (mut world, mut schedule) = (World::new(), Schedule::default());
        world.spawn_batch((0..MILLION).map(|_| Plain([1.0, 0.5, 2.0, 0.25])));
        for _ in 0..8 {
            schedule.add_systems(|plain: Query<&Plain>| {
                black_box(plain.iter().map(|p| p.0[0] * p.0[1]).sum::<f32>());
            });
        }
        corec_core::executor::install(&mut schedule, &Reports::default());
        group.bench_function(format!("rayon/threads={threads}"), |b| {
            b.iter_custom(|times| {
                pool.install(|| time(|| (0..times).for_each(|_| schedule.run(&mut world))))
            });
        });
    }
    group.finish();
}

fn blocks_scan(c: &mut Criterion) {
    let mut group = c.benchmark_group("blocks/scan/entities=1000000");
    group.throughput(Throughput::Elements(MILLION));
    let mut raw = vec![Particle([1.0, 0.5, 2.0, 0.25]); MILLION as usize];
    group.bench_function("vec", |b| b.iter(|| move_kernel(black_box(&mut raw))));
    let mut world = {
        let kind = Kind::new("particle").with::<Particle>();
        particles(kind, MILLION, |_: Blocks<&mut Particle>| {})
    };
    let mut scan = IntoSystem::into_system(|blocks: Blocks<&mut Particle>| blocks.for_each(move_kernel));
    scan.initialize(world.world_mut());
    group.bench_function("blocks", |b| {
        b.iter(|| scan.run_without_applying_deferred((), world.world_mut()).expect("it has its parameters"));
    });
    let (from, mut to) = (vec![1u8; 16 * MILLION as usize], vec![0u8; 16 * MILLION as usize]);
    group.bench_function("memcpy", |b| b.iter(|| black_box(&mut to).copy_from_slice(black_box(&from))));
    group.finish();
}

fn blocks_move(c: &mut Criterion) {
    const MOVES: u64 = 10_000;
    let mut group = c.benchmark_group("blocks/move/entities=1000000/row=24");
    group.throughput(Throughput::Elements(MOVES));
    let kind = Kind::new("particle").with::<Particle>().recycled();
    let mut simulation = particles(kind, MILLION - 20_000, |_: Blocks<&mut Particle>| {});
    let blocks = simulation.world().resource::<Population>().block_count() as u32;
    let mut draw = 0;
    group.bench_function("random", |b| {
        let mut rows = Rows::new(simulation.world_mut());
        b.iter(|| {
            for _ in 0..MOVES {
                draw += 1;
                let [id, block, ..] = philox([draw as u32, 0, 0, 0], [7, 7]);
                let id = StableId(u64::from(rng::below(id, (MILLION - 20_000) as u32)));
                // A full block refuses; that is part of the work.
                _ = black_box(rows.move_to(id, BlockId(rng::below(block, blocks))));
            }
        });
        assert_eq!(rows.population().live(), MILLION - 20_000, "no row is lost");
    });
    let row = [1u8; 28];
    let mut table = vec![0u8; 28 * MILLION as usize];
    group.bench_function("memcpy", |b| {
        b.iter(|| {
            for _ in 0..MOVES {
                draw += 1;
                let at = rng::below(philox([draw as u32, 0, 0, 0], [7, 7])[0], MILLION as u32) as usize * 28;
                table[at..at + 28].copy_from_slice(black_box(&row));
            }
        });
    });
    group.finish();
}

struct Strips<'a> {
    draws: Draws,
    ids: &'a [u64],
}

impl Kernel for Strips<'_> {
    type Output = u64;

    #[inline(always)]
    fn run<W: Width>(self, width: W) -> u64 {
        let (mut first, mut second, mut sum) = ([0; STRIP], [0; STRIP], 0u64);
        let draws = self.draws.strips(width, 5, 0);
        for strip in self.ids.as_chunks::<STRIP>().0 {
            draws.words(strip, &mut first, &mut second);
            black_box(&second);
            sum = sum.wrapping_add(first[7].into());
        }
        sum
    }
}

fn rng_philox(c: &mut Criterion) {
    let ids: Vec<u64> = (0..MILLION).collect();
    let draws = Draws::new(42, "bench");
    let mut group = c.benchmark_group("rng/philox/draws=1000000");
    group.throughput(Throughput::Elements(ids.len() as u64));
    let expected = Simd::Portable.run(Strips { draws, ids: &ids });
    for simd in Simd::available() {
        group.bench_function(BenchmarkId::from_parameter(format!("{simd:?}").to_lowercase()), |b| {
            b.iter(|| assert_eq!(simd.run(Strips { draws, ids: black_box(&ids) }), expected));
        });
    }
    let mut to = vec![0; ids.len()];
    group.bench_function("memcpy", |b| b.iter(|| black_box(&mut to).copy_from_slice(black_box(&ids))));
    group.finish();
}

fn ecosystem(threads: u32) -> Simulation {
    let mut scenario = scenarios::find("ecosystem", &|_| None).expect("it is built in").scenario;
    scenario.threads = Threads::Count(threads);
    scenario.blocks.iter_mut().for_each(|group| group.load = 1.0);
    simulation(scenario, |_: &mut App| {})
}

/// Bytes of a default row: StableId, Health, Signal, Trait.
const ROW: usize = 24;

fn digest(c: &mut Criterion) {
    let mut group = c.benchmark_group("digest/entities=1000000/threads=1");
    group.throughput(Throughput::Bytes(ROW as u64 * MILLION)).sample_size(20);
    let mut simulation = ecosystem(1);
    simulation.run(1).expect("it runs");
    let first = simulation.digest();
    group.bench_function("digest", |b| b.iter(|| assert_eq!(simulation.digest().value, first.value)));
    let (from, mut to) = (vec![1u8; ROW * MILLION as usize], vec![0u8; ROW * MILLION as usize]);
    group.bench_function("memcpy", |b| b.iter(|| black_box(&mut to).copy_from_slice(black_box(&from))));
    group.finish();
}

fn tick(c: &mut Criterion) {
    let mut group = c.benchmark_group("tick/ecosystem/entities=1000000");
    group.throughput(Throughput::Elements(MILLION)).sample_size(20).measurement_time(Duration::from_secs(5));
    let mut digests = Vec::new();
    for threads in [1, 2] {
        let mut simulation = ecosystem(threads);
        simulation.run(10).expect("it runs");
        digests.push(simulation.digest().value);
        group.bench_function(format!("threads={threads}"), |b| {
            b.iter_custom(|ticks| time(|| simulation.run(ticks).expect("it runs")));
        });
    }
    assert_eq!(digests[0], digests[1], "one digest at both thread counts");
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let (from, mut to) = (vec![1u8; ROW * MILLION as usize], vec![0u8; ROW * MILLION as usize]);
        group.bench_function(format!("memcpy/threads={threads}"), |b| {
            pool.install(|| {
                b.iter(|| {
                    let half = to.len() / threads;
                    rayon::scope(|scope| {
                        for (to, from) in to.chunks_mut(half).zip(from.chunks(half)) {
                            scope.spawn(move |_| black_box(to).copy_from_slice(black_box(from)));
                        }
                    });
                });
            });
        });
    }
    group.finish();
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn time(work: impl FnOnce()) -> Duration {
    let start = std::time::Instant::now();
    work();
    start.elapsed()
}

criterion_group!(
    name = corec;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = executor_tiny, executor_heavy, blocks_scan, blocks_move, rng_philox, digest, tick
);
criterion_main!(corec);
