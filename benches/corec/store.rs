//! A batch of the default run (1011 block states, as many metrics) into each embedded store, beside the same bytes into a file; and a
//! million block states into PostgreSQL, beside psql's binary `\\copy` of the same rows into the same table.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

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
        blocks: (0..BLOCKS).map(block).collect(),
        metrics: (0..BLOCKS).map(metric).collect(),
        ..Batch::default()
    }
}

pub fn write(c: &mut Criterion) {
    let mut group = c.benchmark_group("store/write/rows=2022");
    group.throughput(Throughput::Elements(2 * u64::from(BLOCKS))).sample_size(20);
    let folder = tempfile::tempdir().expect("a folder");
    for url in ["memory", "sqlite://bench.db"] {
        let make = || {
            let mut store = store::open(url, folder.path(), Duration::ZERO).expect("a store");
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

#[cfg(feature = "postgres")]
pub mod copy {
    //! A server of the bench's own. What is measured ends with the commit; the table is emptied in between.

    use std::path::Path;
    use std::process::Command;
    use std::time::Duration;

    use corec_bridges::store::PostgresStore;
    use corec_core::store::{Batch, Store};
    use criterion::{Criterion, Throughput};

    use crate::support::postgres::{Postgres, record, states};
    use crate::{MILLION, time};

    pub fn copy(c: &mut Criterion) {
        if !Postgres::is_here() {
            return;
        }
        let mut group = c.benchmark_group("store/copy/rows=1000000");
        group.throughput(Throughput::Elements(MILLION)).sample_size(10);
        let mut made = None;
        let mut make = || {
            let server = Postgres::start_with(&["max_wal_size=4GB", "shared_buffers=256MB"]);
            let server = server.expect("it is installed");
            let mut store = PostgresStore::open(&server.url(), Duration::from_secs(30)).expect("a store");
            store.begin(&record(1, false)).expect("it begins");
            (server, store)
        };
        let mut tick = 0;
        for rows in [10_000, 100_000] {
            group.bench_function(format!("batches_of={rows}"), |b| {
                let (server, store) = made.get_or_insert_with(&mut make);
                let mut batches: Vec<Batch> = (0..MILLION / rows)
                    .map(|_| Batch { blocks: states(0, rows as u32), ..Batch::default() })
                    .collect();
                b.iter_custom(|times| {
                    let mut sum = Duration::ZERO;
                    for _ in 0..times {
                        empty(server);
                        for batch in &mut batches {
                            tick += 1;
                            batch.blocks.iter_mut().for_each(|state| state.tick = tick);
                        }
                        let before = cpu(server);
                        sum +=
                            time(|| batches.iter().for_each(|batch| store.write(batch).expect("it writes")));
                        tell(&format!("batches of {rows}"), before, cpu(server));
                    }
                    sum
                });
            });
        }
        group.bench_function("psql", |b| {
            let (server, store) = made.get_or_insert_with(&mut make);
            let file = server.folder().join("rows");
            empty(server);
            for _ in 0..10 {
                tick += 1;
                let batch = Batch { blocks: states(tick, 100_000), ..Batch::default() };
                store.write(&batch).expect("it writes");
            }
            psql(server, "TO", &file);
            b.iter_custom(|times| {
                let measure = |_| {
                    empty(server);
                    time(|| psql(server, "FROM", &file))
                };
                (0..times).map(measure).sum()
            });
        });
        group.finish();
    }

    fn psql(server: &Postgres, way: &str, file: &Path) {
        let columns =
            "run, tick, block, block_group, channel, entities, active, mean, deviation, fitness, threshold";
        let copy = format!("\\copy block_states ({columns}) {way} '{}' WITH (FORMAT binary)", file.display());
        // Over TCP, as the store.
        let copied = match way {
            "TO" => {
                let all = format!(
                    "\\copy (SELECT {columns} FROM block_states) TO '{}' WITH (FORMAT binary)",
                    file.display()
                );
                Command::new("psql").args(["-X", "-q", &server.url(), "-c", &all]).status()
            }
            _ => Command::new("psql").args(["-X", "-q", &server.url(), "-c", &copy]).status(),
        };
        assert!(copied.is_ok_and(|status| status.success()), "{copy}");
    }

    /// Every row of the last time was kept, and goes.
    fn empty(server: &Postgres) {
        let rows = server.count("SELECT count(*) FROM block_states");
        assert!(rows == 0 || rows == MILLION as i64, "{rows} rows");
        server.sql("TRUNCATE block_states; CHECKPOINT");
    }

    /// CPU seconds of this process, and of the one that serves it.
    fn cpu(server: &Postgres) -> [f64; 2] {
        let pid = server.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'corec'");
        ["/proc/self/stat".to_string(), format!("/proc/{pid}/stat")].map(|path| {
            let stat = std::fs::read_to_string(path).unwrap_or_default();
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
            // User and system time, in hundredths of a second.
            [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<f64>().ok()).sum::<f64>() / 100.0
        })
    }

    fn tell(what: &str, before: [f64; 2], after: [f64; 2]) {
        let [client, server] = [0, 1].map(|at| after[at] - before[at]);
        eprintln!("{what}: CPU seconds of the store {client:.2}, of the server {server:.2}");
    }
}
