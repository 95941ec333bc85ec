//! Whole ticks of every built-in scenario.

use std::fmt::Write;
use std::time::Duration;

use corec::prelude::*;
use corec_run::scenarios;
use corec_run::settings::Threads;
use corec_telemetry::feed::Feed;
use corec_telemetry::table::TableReader;
use criterion::{BatchSize, Criterion, Throughput};

use crate::{MILLION, ROW, memcpy, simulation, time};

/// A built-in scenario with other numbers.
pub fn scenario(name: &str, entities: u64, load: f32, threads: u32) -> Simulation {
    let mut scenario = scenarios::find(name, &|_| None).expect("it is built in").scenario;
    scenarios::scale(&mut scenario, entities).expect("it has entities");
    scenario.threads = Threads::Count(threads);
    scenario.blocks.iter_mut().for_each(|group| group.load = load);
    simulation(scenario, |_: &mut App| {})
}

/// The default tick, all due, beside memcpy of its own hot columns and of the 40 bytes that a packed row of it had.
pub fn ecosystem(c: &mut Criterion) {
    let mut group = c.benchmark_group("tick/ecosystem/entities=1000000/load=1");
    group.throughput(Throughput::Elements(MILLION)).sample_size(20).measurement_time(Duration::from_secs(5));
    let mut digests = Vec::new();
    for threads in [1, 2] {
        let mut made = None;
        group.bench_function(format!("threads={threads}"), |b| {
            let simulation = made.get_or_insert_with(|| {
                let mut simulation = scenario("ecosystem", MILLION, 1.0, threads);
                simulation.run(10).expect("it runs");
                digests.push(simulation.digest().value);
                simulation
            });
            b.iter_custom(|ticks| time(|| simulation.run(ticks).expect("it runs")));
        });
    }
    assert!(
        digests.windows(2).all(|pair| pair[0] == pair[1]),
        "one digest at both thread counts: {digests:?}"
    );
    for threads in [1, 2] {
        memcpy(&mut group, ROW * MILLION as usize, threads);
    }
    group.finish();
    let mut group = c.benchmark_group("tick/ecosystem/row=40");
    group.sample_size(20);
    memcpy(&mut group, 40 * MILLION as usize, 1);
    group.finish();
}

fn sized(c: &mut Criterion, name: &str, entities: &[u64], loads: &[f32]) {
    let mut group = c.benchmark_group(format!("tick/{name}/threads=2"));
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for &entities in entities {
        for &load in loads {
            let make = || {
                let digests = [1, 2].map(|threads| {
                    let mut simulation = scenario(name, entities, load, threads);
                    simulation.run(3).expect("it runs");
                    (simulation.digest().value, simulation)
                });
                assert_eq!(digests[0].0, digests[1].0, "one digest at both thread counts");
                let [_, (_, simulation)] = digests;
                simulation
            };
            let mut made = None;
            group.throughput(Throughput::Elements((entities as f64 * f64::from(load)) as u64));
            group.bench_function(format!("entities={entities}/load={load}"), |b| {
                let simulation = made.get_or_insert_with(make);
                b.iter_custom(|ticks| time(|| simulation.run(ticks).expect("it runs")));
            });
        }
    }
    group.finish();
}

/// The default tick at other sizes and loads. Throughput counts the due entities.
pub fn sizes(c: &mut Criterion) {
    sized(c, "ecosystem", &[MILLION / 10, MILLION, 10 * MILLION], &[0.1, 0.5, 1.0]);
}

/// Rows of one kilobyte, all of them used.
pub fn full_rows(c: &mut Criterion) {
    sized(c, "full-rows", &[MILLION / 10, MILLION], &[0.1, 0.5, 1.0]);
}

/// A table of 38 columns and 2000 rows, replayed from its file: three twins a column, a tick a row.
pub fn telemetry(c: &mut Criterion) {
    const ROWS: u64 = 2000;
    const COLUMNS: u64 = 38;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("table.csv");
    let mut text = (0..COLUMNS).fold(String::new(), |text, i| text + &format!("c{i},")) + "label\n";
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            write!(text, "{},", (row * 37 + column * 11) % 101).expect("text grows");
        }
        text += "0\n";
    }
    std::fs::write(&file, text).expect("it writes");
    let setup = || {
        let mut scenario = scenarios::find("telemetry", &|_| None).expect("it is built in").scenario;
        scenario.threads = Threads::Count(1);
        let table = TableReader::open(&file).expect("a table");
        scenario.blocks[0].entities = 3 * COLUMNS;
        let input = std::sync::Mutex::new(Some(Feed::new(table, None)));
        simulation(scenario, move |app: &mut App| {
            if let Some(input) = input.lock().expect("built once").take() {
                corec_telemetry::insert(app.world_mut(), input);
            }
        })
    };
    let mut group = c.benchmark_group("tick/telemetry/columns=38/rows=2000");
    group.throughput(Throughput::Elements(ROWS * COLUMNS)).sample_size(10);
    let mut digest = None;
    group.bench_function("replay", |b| {
        b.iter_batched(
            setup,
            |mut simulation| {
                simulation.run(ROWS + 1).expect("it runs");
                let value = simulation.digest().value;
                assert_eq!(*digest.get_or_insert(value), value, "one digest of one table");
                simulation
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}
