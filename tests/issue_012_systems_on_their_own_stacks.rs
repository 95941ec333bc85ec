//! A thread that waited for its own leaves took up another whole system: a lock held around parallel work hung at three threads, a
//! thread-local borrowed around it stopped a plugin at a random tick, `due()` took another system's interval. Whoever waits in a
//! system takes no other one, however many threads there are and whatever the parallel work is made with.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::sync::Mutex;

use corec::prelude::*;
use corec::testing::TestApp;
use corec_core::config::{BlockGroup, Scenario, Threads};
use corec_core::simulation::Simulation;

const THREADS: [u32; 5] = [1, 2, 3, 8, 16];
const TICKS: u64 = 2_000;

#[derive(Resource, Default)]
struct Shared(Mutex<u64>);

thread_local! {
    static SCRATCH: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

fn work(signal: &[Signal]) -> u64 {
    signal.iter().map(|s| (0..5).fold(s.value, |x, _| x * 1.000_001 + 0.1) as u64).sum()
}

/// Holds a lock around blocks in parallel.
fn locked<const N: u64>(shared: Res<Shared>, blocks: Blocks<&Signal>) {
    let mut held = shared.0.lock().unwrap();
    *held = held.wrapping_add(blocks.reduce(N, |_, s| work(s), u64::wrapping_add));
}

/// Holds a lock around rayon's own.
fn locked_over_rayon<const N: u64>(shared: Res<Shared>) {
    let mut held = shared.0.lock().unwrap();
    let (a, b) = rayon::join(
        || rayon::join(|| (0..N * 100).sum::<u64>(), || (0..N * 50).sum::<u64>()).0,
        || (0..N * 200).sum::<u64>(),
    );
    *held = held.wrapping_add(a ^ b);
}

/// Borrows a thread-local around blocks in parallel, and around rayon's own.
fn borrowed<const N: u64>(blocks: Blocks<&Signal>) {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        scratch.resize(blocks.population().block_count(), 0);
        blocks.par_fold_blocks(scratch, |sum, _, signal| *sum += work(signal) + N);
        let (a, b) = scratch.split_at(scratch.len() / 2);
        let (a, b) = rayon::join(|| a.iter().sum::<u64>(), || b.iter().sum::<u64>());
        assert!(a + b >= N);
    });
}

fn grow(blocks: Blocks<&mut Signal>) {
    blocks.par_for_each(|signal| signal.iter_mut().for_each(|s| s.value = (s.value + 0.3).sqrt()));
}

fn simulation(app: App, threads: u32) -> Simulation {
    let cells = BlockGroup {
        id: "cells".into(),
        entities: 2_000,
        entities_per_block: 50,
        load: 0.5,
        ..Default::default()
    };
    let scenario = Scenario { blocks: vec![cells], threads: Threads::Count(threads), ..Default::default() };
    Simulation::new(app, scenario).unwrap()
}

#[test]
fn locks_and_thread_locals_held_around_parallel_work_are_safe() {
    let mut results = Vec::new();
    for threads in THREADS {
        let mut app = App::new();
        app.add_plugins(CorecPlugin).init_resource::<Shared>().add_systems(
            Update,
            (
                (locked::<1>, locked::<2>, locked::<3>, locked_over_rayon::<1>, locked_over_rayon::<2>),
                (borrowed::<1>, borrowed::<2>, borrowed::<3>, borrowed::<4>),
                grow,
            ),
        );
        let mut simulation = simulation(app, threads);
        simulation.run(TICKS).unwrap();
        assert_eq!(simulation.tick(), TICKS, "{threads} threads");
        let sum = *simulation.world().resource::<Shared>().0.lock().unwrap();
        results.push((simulation.digest().value, sum));
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{results:?}");
}

/// How often each row was due, by plugin.
#[derive(Resource)]
struct Turns<P>(Mutex<Vec<u32>>, std::marker::PhantomData<P>);

impl<P> Default for Turns<P> {
    fn default() -> Self {
        Self(Mutex::default(), std::marker::PhantomData)
    }
}

/// Runs in every tick.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
struct Always {}
corec::plugin!(Always, name = "always");

/// Runs in every fourth tick.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
struct Seldom {}
corec::plugin!(Seldom, name = "seldom");

impl Plugin for Always {
    fn build(&self, app: &mut App) {
        app.init_resource::<Turns<Self>>().add_systems(Update, turns::<Self>.in_set(Phase::Measure));
    }
}

impl Plugin for Seldom {
    fn build(&self, app: &mut App) {
        app.init_resource::<Turns<Self>>().add_systems(Update, turns::<Self>.in_set(Phase::Measure));
    }
}

fn turns<P: Send + Sync + 'static>(turns: Res<Turns<P>>, mut blocks: Blocks<&Signal>) {
    let mut turns = turns.0.lock().unwrap();
    let mut rows = vec![[0u32; 50]; blocks.population().block_count()];
    // Parallel work before `due`: what it waits for must not change whose turn it is.
    blocks.reborrow().par_for_each(|signal| assert_eq!(signal.len(), 50));
    blocks.due().par_fold_blocks(&mut rows, |rows, view, signal| {
        rows[view.first_row as usize..][..signal.len()].iter_mut().for_each(|met| *met += 1);
    });
    turns.resize(rows.len() * 50, 0);
    rows.iter().flatten().zip(turns.iter_mut()).for_each(|(met, turns)| *turns += met);
}

#[test]
fn every_system_has_the_windows_of_its_own_interval() {
    for threads in THREADS {
        let cells = BlockGroup {
            id: "cells".into(),
            entities: 2_000,
            entities_per_block: 50,
            load: 0.5,
            ..Default::default()
        };
        let scenario = Scenario { blocks: vec![cells], store: "memory".into(), ..Default::default() };
        let mut run = TestApp::default()
            .scenario(scenario)
            .threads(threads)
            .plugin::<Always>(r#"{"name": "always"}"#)
            .unwrap()
            .plugin::<Seldom>(r#"{"name": "seldom", "interval": 4}"#)
            .unwrap()
            .start()
            .unwrap();
        run.tick(400).unwrap();
        let met = |turns: &Mutex<Vec<u32>>, wanted| turns.lock().unwrap().iter().all(|met| *met == wanted);
        assert!(met(&run.simulation.world().resource::<Turns<Always>>().0, 200), "{threads} threads");
        assert!(met(&run.simulation.world().resource::<Turns<Seldom>>().0, 50), "{threads} threads");
    }
}
