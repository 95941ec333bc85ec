//! The engine's benches, one target: `cargo bench --bench corec -- FILTER`. How to read them: `benches/README.md`.
//!
//! Beside each stands what it is compared to in the same run (a raw `Vec`, memcpy of the same bytes): on a shared machine
//! only the ratio means anything. Each checks that what it ran did its work; those that run a simulation check its digest.
//! What a bench works on is made when it is first measured, and not for one that the filter leaves out.

mod blocks;
#[cfg(feature = "redis")]
mod bus;
mod digest;
mod executor;
mod forest;
#[cfg(feature = "http")]
mod live;
#[cfg(not(feature = "http"))]
mod live {
    pub fn live(_: &mut criterion::Criterion) {}
}
mod plugins;
mod reshape;
mod rng;
mod snapshot;
mod store;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod support;
mod tick;

use std::hint::black_box;
use std::time::Duration;

use corec::prelude::*;
use corec_core::team::{Team, for_each};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};

const MILLION: u64 = 1_000_000;

/// Bytes of a default row: StableId, Health, Signal, Trait.
const ROW: usize = 24;

fn simulation(scenario: Scenario, plugin: impl Plugin) -> Simulation {
    let mut app = App::new();
    app.add_plugins((CorecPlugin, plugin));
    Simulation::new(app, scenario).expect("a scenario of the benches' own")
}

fn team(threads: usize) -> Team {
    Team::new(threads).expect("threads")
}

/// Copies `bytes` bytes on `threads` threads: the least that work over so many bytes can take.
fn memcpy(group: &mut BenchmarkGroup<WallTime>, bytes: usize, threads: usize) {
    let mut made = None;
    let part = bytes / threads;
    group.bench_function(format!("memcpy/threads={threads}"), |b| {
        let (from, to) = made.get_or_insert_with(|| (vec![1u8; bytes], vec![0u8; bytes]));
        team(threads).enter(|| {
            b.iter(|| {
                let parts = to.chunks_mut(part).zip(from.chunks(part));
                for_each(parts, |(to, from)| black_box(to).copy_from_slice(black_box(from)));
            });
        });
    });
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
    targets =
        executor::tiny, executor::heavy, executor::conditions, executor::commands,
        plugins::hundred,
        blocks::scan, blocks::due, blocks::ordered_mean, blocks::sizes, blocks::spawn, blocks::free, blocks::moves,
        rng::philox, digest::digest, snapshot::snapshot, store::write,
        forest::score, forest::fit, forest::entities, reshape::blocks, live::live,
        tick::ecosystem, tick::sizes, tick::full_rows, tick::telemetry
);
#[cfg(feature = "postgres")]
criterion_group!(
    name = servers;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(10));
    targets = store::copy::copy
);
#[cfg(feature = "redis")]
criterion_group!(
    name = streams;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(10));
    targets = bus::out, bus::read
);
#[cfg(all(feature = "postgres", feature = "redis"))]
criterion_main!(corec, servers, streams);
#[cfg(not(all(feature = "postgres", feature = "redis")))]
criterion_main!(corec);
