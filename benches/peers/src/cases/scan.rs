//! Scans: a step over every entity, of two components and of five.

use bevy_app::{App, Update};
use bevy_ecs::schedule::IntoScheduleConfigs;
use bevy_ecs::system::RunSystemOnce;
use bytemuck::{Pod, Zeroable};
use corec_core::blocks::Blocks;
use corec_core::column::StableId;
use corec_core::kind::{AddKind, Kind};
use corec_core::phase::Phase;
use corec_core::simulation::Simulation;
use flecs_ecs::prelude::QueryAPI;
use rayon::prelude::*;

use super::{
    Population, Position, STEP, Velocity, checksum, group, nanoseconds_each, row, simulation, spawn,
    two_threads,
};
use crate::rounds::{Case, Contestant, Sample, Target};

/// Passes a sample: waking a thread of a pool, and what its core has yet to fetch, are then less than 1 %.
const PASSES: usize = 40;

macro_rules! five {
    ($($name:ident)+) => {
        $(
            #[derive(bevy_ecs::component::Component, flecs_ecs::macros::Component)]
            #[derive(Pod, Zeroable, Clone, Copy, Default)]
            #[repr(transparent)]
            struct $name(f32);
        )+
    };
}
five!(A B C D E);
type Five = (A, B, C, D, E);
type FiveMut<'a> = (&'a mut A, &'a mut B, &'a mut C, &'a mut D, &'a mut E);

#[inline(always)]
fn advance(position: &mut Position, velocity: &Velocity) {
    for k in 0..3 {
        position.0[k] += velocity.0[k] * STEP;
    }
}

fn advance_all(positions: &mut [Position], velocities: &[Velocity]) {
    positions.iter_mut().zip(velocities).for_each(|(position, velocity)| advance(position, velocity));
}

#[inline(always)]
fn mix((a, b, c, d, e): FiveMut) {
    a.0 += b.0 * STEP;
    b.0 = b.0 * 0.99 + c.0 * 0.01;
    c.0 += d.0 - e.0;
    d.0 *= 0.999;
    e.0 = a.0 * 0.5 + e.0 * 0.5;
}

fn mix_all(a: &mut [A], b: &mut [B], c: &mut [C], d: &mut [D], e: &mut [E]) {
    let rows = a.iter_mut().zip(b).zip(c).zip(d).zip(e);
    rows.for_each(|((((a, b), c), d), e)| mix((a, b, c, d, e)));
}

fn five_row(i: usize) -> Five {
    let x = i as f32;
    (A(x), B(1.0), C(x * 0.25), D(0.5), E(2.0))
}

/// The first column depends on all others after a few passes.
fn five_checksum<'a>(first: impl IntoIterator<Item = &'a A>) -> u64 {
    first.into_iter().map(|a| u64::from(a.0.to_bits())).fold(0, u64::wrapping_add)
}

/// A sample: a fresh population, a pass that does not count, then `PASSES` that do.
///
/// Fresh, because the place of its pages in memory and caches makes one population up to 15 % slower than its twin:
/// that belongs in the spread, not in the comparison.
fn scan<S>(
    n: usize,
    name: &'static str,
    runs: &'static str,
    build: impl Fn() -> S + 'static,
    passes: impl Fn(&mut S, usize) + 'static,
    check: impl Fn(&mut S) -> u64 + 'static,
) -> Contestant {
    Contestant::new(name, runs, move || {
        let mut state = build();
        passes(&mut state, 1);
        let value = nanoseconds_each(n * PASSES, || passes(&mut state, PASSES));
        Sample { value, check: check(&mut state) }
    })
}

fn times(passes: usize, mut pass: impl FnMut()) {
    (0..passes).for_each(|_| pass());
}

/// CoreC beside the best of `peers`, which run on one thread.
fn targets(peers: Vec<&'static str>) -> Vec<Target> {
    vec![
        // 5 %: two identical contestants differ by as much here.
        Target { contestant: "CoreC", best_of: peers.clone(), at_most: 1.05 },
        Target { contestant: "CoreC, 2 threads", best_of: peers, at_most: 0.6 },
        // The control: what a second thread gives at all, which is nothing while others use the cores.
        Target { contestant: "CoreC, 2 threads", best_of: vec!["Vec, 2 threads"], at_most: 1.1 },
    ]
}

/// Position += velocity * step.
pub fn two(n: usize) -> Case {
    let columns = move || -> (Vec<Position>, Vec<Velocity>) { (0..n).map(row).unzip() };
    let pool = two_threads();
    let bevy = move || {
        let mut world = spawn::bevy_batch(n);
        let query = world.query::<(&mut Position, &Velocity)>();
        (world, query)
    };
    let flecs = move || {
        let world = spawn::flecs_bulk(n);
        let query = world.new_query::<(&mut Position, &Velocity)>();
        (query, world)
    };
    let corec = |name, threads| {
        let runs = "`Blocks::par_for_each`, a whole tick of `Simulation`";
        let run = |s: &mut Simulation, passes| s.run(passes as u64).expect("nothing fails");
        scan(n, name, runs, move || corec_two(n, threads), run, Population::checksum)
    };
    let contestants = vec![
        scan(
            n,
            "Vec",
            "two `Vec`s",
            columns,
            |s, k| times(k, || advance_all(&mut s.0, &s.1)),
            |s| checksum(&s.0),
        ),
        scan(
            n,
            "Vec, 2 threads",
            "two `Vec`s, rayon over 1000 rows",
            columns,
            move |s, k| {
                let pass = || {
                    let chunks = s.0.par_chunks_mut(1000).zip(s.1.par_chunks(1000));
                    chunks.for_each(|(positions, velocities)| advance_all(positions, velocities));
                };
                pool.install(|| times(k, pass));
            },
            |s| checksum(&s.0),
        ),
        scan(
            n,
            "hecs",
            "`query_mut`",
            move || spawn::hecs_batch(n),
            |s, k| {
                times(k, || {
                    s.query_mut::<(&mut Position, &Velocity)>().into_iter().for_each(|(p, v)| advance(p, v))
                });
            },
            Population::checksum,
        ),
        scan(
            n,
            "bevy_ecs",
            "`iter_mut().for_each`",
            bevy,
            |(w, q), k| times(k, || q.iter_mut(w).for_each(|(mut p, v)| advance(&mut p, v))),
            |s| s.0.checksum(),
        ),
        scan(
            n,
            "bevy_ecs, contiguous",
            "`contiguous_iter_mut`, change detection bypassed",
            bevy,
            |(w, q), k| {
                times(k, || {
                    let tables = q.contiguous_iter_mut(w).expect("components are in tables");
                    tables.for_each(|(mut p, v)| advance_all(p.bypass_change_detection(), v));
                });
            },
            |s| s.0.checksum(),
        ),
        scan(
            n,
            "bevy_ecs, 2 threads",
            "`par_iter_mut`",
            bevy,
            |(w, q), k| times(k, || q.par_iter_mut(w).for_each(|(mut p, v)| advance(&mut p, v))),
            |s| s.0.checksum(),
        ),
        scan(
            n,
            "flecs_ecs",
            "`Query::each`",
            flecs,
            |(q, _), k| times(k, || q.each(|(p, v)| advance(p, v))),
            |s| s.1.checksum(),
        ),
        corec("CoreC", 1),
        corec("CoreC, 2 threads", 2),
    ];
    let peers = vec!["hecs", "bevy_ecs", "bevy_ecs, contiguous", "flecs_ecs"];
    Case {
        title: "Position += velocity * step".into(),
        about: "24 bytes an entity: three floats each. One thread where no other number is said.".into(),
        unit: "ns per entity",
        contestants,
        targets: targets(peers),
    }
}

fn corec_two(n: usize, threads: u32) -> Simulation {
    let mut app = App::new();
    app.add_kind(Kind::new("row").with::<Position>().with::<Velocity>());
    let step = |blocks: Blocks<(&mut Position, &Velocity)>| {
        blocks.par_for_each(|(positions, velocities)| advance_all(positions, velocities));
    };
    app.add_systems(Update, step.in_set(Phase::Process));
    let mut simulation = simulation(app, vec![group("rows", n)], threads);
    let world = simulation.world_mut();
    world.query::<(&StableId, &mut Position, &mut Velocity)>().iter_mut(world).for_each(
        |(id, mut p, mut v)| {
            (*p, *v) = row(id.0 as usize);
        },
    );
    simulation
}

/// Five components of one float.
pub fn five(n: usize) -> Case {
    let columns = move || {
        let mut columns = (vec![], vec![], vec![], vec![], vec![]);
        columns.extend((0..n).map(five_row));
        columns
    };
    let bevy = move || {
        let mut world = bevy_ecs::world::World::new();
        world.spawn_batch((0..n).map(five_row)).for_each(drop);
        let query = world.query::<FiveMut<'static>>();
        (world, query)
    };
    let bevy_check = |s: &mut (bevy_ecs::world::World, _)| {
        let mut query = s.0.query::<&A>();
        five_checksum(query.iter(&s.0))
    };
    let pool = two_threads();
    let hecs = move || {
        let mut world = hecs::World::new();
        world.spawn_batch((0..n).map(five_row)).for_each(drop);
        world
    };
    let hecs_check = |s: &mut hecs::World| five_checksum(s.query_mut::<&A>());
    let flecs = move || {
        let world = flecs_ecs::core::World::new();
        let (a, b, c, d, e) = columns();
        world.entity_bulk(n as u32).set(&a).set(&b).set(&c).set(&d).set(&e).build();
        let query = world.new_query::<FiveMut<'static>>();
        (query, world)
    };
    let corec = |name, threads| {
        let runs = "`Blocks::par_for_each`, a whole tick of `Simulation`";
        let run = |s: &mut Simulation, passes| s.run(passes as u64).expect("nothing fails");
        scan(
            n,
            name,
            runs,
            move || corec_five(n, threads),
            run,
            |s| {
                let sum = |blocks: Blocks<&A>| blocks.reduce(0, |_, a| five_checksum(a), u64::wrapping_add);
                s.world_mut().run_system_once(sum).expect("every Simulation has blocks")
            },
        )
    };
    let flecs_check = |s: &mut (flecs_ecs::core::Query<FiveMut<'static>>, flecs_ecs::core::World)| {
        let mut sum = 0u64;
        s.1.new_query::<&A>().each(|a| sum = sum.wrapping_add(five_checksum([a])));
        sum
    };
    let contestants = vec![
        scan(
            n,
            "Vec",
            "five `Vec`s",
            columns,
            |s, k| times(k, || mix_all(&mut s.0, &mut s.1, &mut s.2, &mut s.3, &mut s.4)),
            |s| five_checksum(&s.0),
        ),
        scan(
            n,
            "Vec, 2 threads",
            "five `Vec`s, rayon over 1000 rows",
            columns,
            move |(a, b, c, d, e), k| {
                let pass = || {
                    let b = b.par_chunks_mut(1000).zip(c.par_chunks_mut(1000));
                    let d = d.par_chunks_mut(1000).zip(e.par_chunks_mut(1000));
                    let chunks = a.par_chunks_mut(1000).zip(b).zip(d);
                    chunks.for_each(|((a, (b, c)), (d, e))| mix_all(a, b, c, d, e));
                };
                pool.install(|| times(k, pass));
            },
            |s| five_checksum(&s.0),
        ),
        scan(
            n,
            "hecs",
            "`query_mut`",
            hecs,
            |s, k| times(k, || s.query_mut::<FiveMut>().into_iter().for_each(mix)),
            hecs_check,
        ),
        scan(
            n,
            "bevy_ecs",
            "`iter_mut().for_each`",
            bevy,
            |(w, q), k| {
                times(k, || {
                    q.iter_mut(w).for_each(|(mut a, mut b, mut c, mut d, mut e)| {
                        mix((&mut a, &mut b, &mut c, &mut d, &mut e));
                    });
                });
            },
            bevy_check,
        ),
        scan(
            n,
            "bevy_ecs, contiguous",
            "`contiguous_iter_mut`, change detection bypassed",
            bevy,
            |(w, q), k| {
                times(k, || {
                    let tables = q.contiguous_iter_mut(w).expect("components are in tables");
                    tables.for_each(|(mut a, mut b, mut c, mut d, mut e)| {
                        mix_all(
                            a.bypass_change_detection(),
                            b.bypass_change_detection(),
                            c.bypass_change_detection(),
                            d.bypass_change_detection(),
                            e.bypass_change_detection(),
                        );
                    });
                });
            },
            bevy_check,
        ),
        scan(n, "flecs_ecs", "`Query::each`", flecs, |(q, _), k| times(k, || q.each(mix)), flecs_check),
        corec("CoreC", 1),
        corec("CoreC, 2 threads", 2),
    ];
    let peers = vec!["hecs", "bevy_ecs", "bevy_ecs, contiguous", "flecs_ecs"];
    Case {
        title: "Five components".into(),
        about: "Five components of one float, all read and written by the same five lines.".into(),
        unit: "ns per entity",
        contestants,
        targets: targets(peers),
    }
}

fn corec_five(n: usize, threads: u32) -> Simulation {
    let mut app = App::new();
    app.add_kind(Kind::new("row").with::<A>().with::<B>().with::<C>().with::<D>().with::<E>());
    let step =
        |blocks: Blocks<FiveMut<'static>>| blocks.par_for_each(|(a, b, c, d, e)| mix_all(a, b, c, d, e));
    app.add_systems(Update, step.in_set(Phase::Process));
    let mut simulation = simulation(app, vec![group("rows", n)], threads);
    let world = simulation.world_mut();
    world.query::<(&StableId, FiveMut<'static>)>().iter_mut(world).for_each(|(id, row)| {
        let (mut a, mut b, mut c, mut d, mut e) = row;
        (*a, *b, *c, *d, *e) = five_row(id.0 as usize);
    });
    simulation
}
