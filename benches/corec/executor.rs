//! What the executor costs, and what it is for. bevy_ecs' own multi-threaded one is in `benches/peers`.

use std::hint::black_box;

use corec::prelude::*;
use corec_core::executor::{self, Reports};
use criterion::Criterion;

use crate::{MILLION, team, time};

#[derive(Component)]
struct Plain([f32; 4]);

/// Resources of one system each; `N` tells them apart.
#[derive(Resource, Default)]
struct Counter<const N: usize>(u64);

/// How fifty systems are put together.
#[derive(Clone, Copy, PartialEq)]
enum Fifty {
    NoConflict,
    AllConflict,
    Conditions,
    Commands,
}

/// Adds a system that counts, on a resource of its own or on the one that all share.
fn add<const N: usize>(world: &mut World, schedule: &mut Schedule, fifty: Fifty) {
    world.init_resource::<Counter<N>>();
    let own = |mut own: ResMut<Counter<N>>| own.0 += 1;
    match fifty {
        Fifty::NoConflict => schedule.add_systems(own),
        Fifty::AllConflict => schedule.add_systems(|mut shared: ResMut<Counter<0>>| shared.0 += 1),
        Fifty::Conditions => {
            schedule.add_systems(own.run_if(|own: Res<Counter<N>>| own.0.is_multiple_of(2)).run_if(|| true))
        }
        Fifty::Commands => schedule.add_systems(|mut commands: Commands| {
            commands.queue(|world: &mut World| world.resource_mut::<Counter<N>>().0 += 1);
        }),
    };
}

macro_rules! fifty {
    ($world:expr, $schedule:expr, $fifty:expr; $($n:literal)+) => { $(add::<$n>($world, $schedule, $fifty);)+ };
}

/// Fifty systems on our executor, timing included, beside bevy_ecs' single-threaded one, which orders but never overlaps.
fn fifty(c: &mut Criterion, name: &str, fifty: Fifty) {
    let mut group = c.benchmark_group(format!("executor/{name}"));
    for ours in ["threads=1", "threads=2", ""] {
        let threads = if ours == "threads=2" { 2 } else { 1 };
        let team = team(threads);
        let make = || {
            let (mut world, mut schedule) = (World::new(), Schedule::default());
            fifty!(&mut world, &mut schedule, fifty;
                0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24
                25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49);
            if !ours.is_empty() {
                executor::install(&mut schedule, &Reports::default());
            }
            (world, schedule)
        };
        let (mut made, mut runs) = (None, 0);
        group.bench_function(if ours.is_empty() { "bevy-single-threaded" } else { ours }, |b| {
            let (world, schedule) = made.get_or_insert_with(make);
            // On the team, as a run is.
            b.iter_custom(|times| {
                runs += times;
                team.enter(|| time(|| (0..times).for_each(|_| schedule.run(world))))
            });
        });
        let Some((world, _)) = made else { continue };
        let expected = match fifty {
            Fifty::NoConflict | Fifty::Commands => runs,
            Fifty::AllConflict => 50 * runs,
            Fifty::Conditions => runs.min(1),
        };
        assert_eq!(world.resource::<Counter<0>>().0, expected, "every system ran as often as it should");
    }
    group.finish();
}

#[expect(clippy::disallowed_methods, reason = "a bench of the clock itself")]
pub fn tiny(c: &mut Criterion) {
    // What timing costs: a reading a system.
    c.bench_function("executor/clock-reading", |b| b.iter(std::time::Instant::now));
    fifty(c, "tiny/systems=50/no-conflict", Fifty::NoConflict);
    fifty(c, "tiny/systems=50/all-conflict", Fifty::AllConflict);
}

/// Two run conditions on each system, the first of which says no after the first run.
pub fn conditions(c: &mut Criterion) {
    fifty(c, "conditions/systems=50", Fifty::Conditions);
}

/// A deferred command of each system, applied at the end of the schedule.
pub fn commands(c: &mut Criterion) {
    fifty(c, "commands/systems=50", Fifty::Commands);
}

/// Eight systems, each over a million plain entities.
pub fn heavy(c: &mut Criterion) {
    let mut group = c.benchmark_group("executor/heavy/systems=8/entities=1000000");
    group.sample_size(20);
    for threads in [1, 2] {
        let team = team(threads);
        let make = || {
            let (mut world, mut schedule) = (World::new(), Schedule::default());
            world.spawn_batch((0..MILLION).map(|_| Plain([1.0, 0.5, 2.0, 0.25])));
            for _ in 0..8 {
                schedule.add_systems(|plain: Query<&Plain>| {
                    black_box(plain.iter().map(|p| p.0[0] * p.0[1]).sum::<f32>());
                });
            }
            executor::install(&mut schedule, &Reports::default());
            (world, schedule)
        };
        let mut made = None;
        group.bench_function(format!("threads={threads}"), |b| {
            let (world, schedule) = made.get_or_insert_with(make);
            b.iter_custom(|times| team.enter(|| time(|| (0..times).for_each(|_| schedule.run(world)))));
        });
    }
    group.finish();
}
