//! A batch of the default run (1011 block states, as many metrics) into each embedded store, beside the same bytes into a file.

use std::fs::File;
use std::io::Write;

use corec_bridges::store;
use corec_core::store::{Batch, BlockState, Metric, RunRecord};
use criterion::{Criterion, Throughput};

const BLOCKS: u32 = 1011;

fn batch(tick: u64) -> Batch {
    let block = |block: u32| BlockState {
        tick,
        block,
        group: "swarm".into(),
        channel: 1,
        entities: 1000,
        active: 990,
        mean: 0.5,
        deviation: 0.1,
        fitness: 0.5,
        threshold: 0.4,
    };
    let metric = |_| Metric { tick, name: "row_score".into(), value: 0.5 };
    Batch {
        rows: Vec::new(),
        blocks: (0..BLOCKS).map(block).collect(),
        metrics: (0..BLOCKS).map(metric).collect(),
        alerts: Vec::new(),
    }
}

pub fn write(c: &mut Criterion) {
    let mut group = c.benchmark_group("store/write/rows=2022");
    group.throughput(Throughput::Elements(2 * u64::from(BLOCKS))).sample_size(20);
    let folder = tempfile::tempdir().expect("a folder");
    for url in ["memory", "sqlite://bench.db"] {
        let make = || {
            let mut store = store::open(url, folder.path()).expect("a store");
            let run = RunRecord {
                id: None,
                scenario: "bench".into(),
                instance: "bench".into(),
                seed: 1,
                entities: 1,
                settings: "{}".into(),
                continues: false,
                is_old: false,
            };
            store.begin(&run).expect("it begins");
            store
        };
        let (mut made, mut tick) = (None, 0);
        group.bench_function(url.split(':').next().unwrap_or(url), |b| {
            let store = made.get_or_insert_with(make);
            b.iter(|| {
                tick += 1;
                store.write(&batch(tick)).expect("it writes");
            });
        });
        if let Some(mut store) = made {
            store.end(tick).expect("it ends");
        }
    }
    let file = folder.path().join("bench.db");
    if file.exists() {
        let db = rusqlite::Connection::open(file).expect("the store's file");
        let (rows, ticks): (i64, i64) = db
            .query_row("SELECT count(*), max(tick) FROM block_states", [], |r| Ok((r.get(0)?, r.get(1)?)))
            .expect("the store's table");
        assert_eq!(rows, ticks * i64::from(BLOCKS), "every row of every batch is kept");
    }
    let mut made = None;
    let bytes = vec![1u8; BLOCKS as usize * (48 + 24)];
    group.bench_function("file", |b| {
        let file = made.get_or_insert_with(|| File::create(folder.path().join("raw")).expect("a file"));
        b.iter(|| file.write_all(&bytes).and_then(|()| file.sync_data()).expect("it writes"));
    });
    group.finish();
}
