//! Executors: the same systems on Bevy's two and on CoreC's.

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::{MultiThreadedExecutor, SingleThreadedExecutor};
use corec_core::executor::{self, Reports};
use corec_core::team::Team;

use super::nanoseconds_each;
use crate::rounds::{Case, Contestant, Sample, Target};

/// Runs of a schedule of tiny systems in a sample.
const RUNS: usize = 1000;

#[derive(Resource, Default)]
struct Counter<const N: usize>(u64);

#[derive(Component, Clone, Copy)]
struct Lanes<const N: usize>([f32; 4]);

type Build = fn() -> (World, Schedule);

macro_rules! each {
    ($call:ident $arguments:tt: $($n:literal)+) => { $($call::<$n> $arguments;)+ };
}

/// Fifty systems that add one, each to its own counter or all to the same.
pub fn tiny(conflict: bool) -> Case {
    fn schedule(conflict: bool) -> (World, Schedule) {
        let (mut world, mut schedule) = (World::new(), Schedule::default());
        each!(add(&mut world, &mut schedule, conflict):
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24
            25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49);
        (world, schedule)
    }
    fn add<const N: usize>(world: &mut World, schedule: &mut Schedule, conflict: bool) {
        world.init_resource::<Counter<N>>();
        match conflict {
            false => schedule.add_systems(|mut own: ResMut<Counter<N>>| own.0 += 1),
            true => schedule.add_systems(|mut shared: ResMut<Counter<0>>| shared.0 += 1),
        };
    }
    let (title, build): (_, Build) = match conflict {
        false => ("Fifty tiny systems without conflicts", || schedule(false)),
        true => ("Fifty tiny systems that all conflict", || schedule(true)),
    };
    case(
        title,
        "us per run of the schedule",
        RUNS,
        1e3,
        build,
        |world| world.resource::<Counter<0>>().0,
        0.25,
    )
}

/// Eight systems, each over a component of its own of every entity.
pub fn heavy(entities: usize) -> Case {
    fn add<const N: usize>(schedule: &mut Schedule) {
        schedule.add_systems(|mut query: Query<&mut Lanes<N>>| {
            query.iter_mut().for_each(|mut lanes| {
                lanes.bypass_change_detection().0.iter_mut().for_each(|x| *x = *x * 0.75 + 1.0);
            });
        });
    }
    let build = move || {
        let (mut world, mut schedule) = (World::new(), Schedule::default());
        let row = |i| [i as f32, 1.0, 2.0, 3.0];
        let rows = (0..entities).map(row).map(|r| {
            let first = (Lanes::<0>(r), Lanes::<1>(r), Lanes::<2>(r), Lanes::<3>(r));
            (first, (Lanes::<4>(r), Lanes::<5>(r), Lanes::<6>(r), Lanes::<7>(r)))
        });
        world.spawn_batch(rows).for_each(drop);
        each!(add(&mut schedule): 0 1 2 3 4 5 6 7);
        (world, schedule)
    };
    let check = |world: &mut World| {
        let (mut first, mut last) = (world.query::<&Lanes<0>>(), world.query::<&Lanes<7>>());
        let bits = |lanes: [f32; 4]| lanes.iter().fold(0u64, |sum, x| sum.wrapping_add(x.to_bits().into()));
        let first = first.iter(world).map(|l| bits(l.0)).fold(0, u64::wrapping_add);
        first.wrapping_mul(31) ^ last.iter(world).map(|l| bits(l.0)).fold(0, u64::wrapping_add)
    };
    case("Eight systems over every entity", "ms per run of the schedule", 3, 1e6, build, check, 1.05)
}

fn case(
    title: &str,
    unit: &'static str,
    runs: usize,
    nanoseconds_in_unit: f64,
    build: impl Fn() -> (World, Schedule),
    check: impl Fn(&mut World) -> u64 + Copy + 'static,
    at_most: f64,
) -> Case {
    let contestant = |name, what, install: fn(&mut Schedule), team: Option<Team>| {
        let (mut world, mut schedule) = build();
        install(&mut schedule);
        Contestant::new(name, what, move || {
            let mut all = || (0..runs).for_each(|_| schedule.run(&mut world));
            // On the team, as a tick of CoreC is: elsewhere its executor runs on one thread.
            let mut time = || nanoseconds_each(runs, &mut all) / nanoseconds_in_unit;
            let value = match &team {
                Some(team) => team.enter(time),
                None => time(),
            };
            Sample { value, check: check(&mut world) }
        })
    };
    let multi = |schedule: &mut Schedule| _ = schedule.set_executor(MultiThreadedExecutor::new());
    let single = |schedule: &mut Schedule| _ = schedule.set_executor(SingleThreadedExecutor::new());
    let ours = |schedule: &mut Schedule| executor::install(schedule, &Reports::default());
    let two_members = Team::new(2).expect("two threads start");
    Case {
        title: title.into(),
        about:
            "The same systems in a plain Bevy world; only the executor differs. CoreC's also times systems."
                .into(),
        unit,
        contestants: vec![
            contestant("bevy_ecs, 2 threads", "`MultiThreadedExecutor`", multi, None),
            contestant("bevy_ecs, 1 thread", "`SingleThreadedExecutor`", single, None),
            contestant("CoreC, 2 threads", "`executor::install`, on a team of two", ours, Some(two_members)),
        ],
        targets: vec![Target {
            contestant: "CoreC, 2 threads",
            best_of: vec!["bevy_ecs, 2 threads"],
            at_most,
        }],
    }
}
