//! The digest of a million default rows.

use criterion::{Criterion, Throughput};

use crate::{MILLION, ROW, memcpy, tick};

pub fn digest(c: &mut Criterion) {
    let mut group = c.benchmark_group("digest/entities=1000000");
    group.throughput(Throughput::Bytes(ROW as u64 * MILLION)).sample_size(20);
    for threads in [1, 2] {
        let mut made = None;
        group.bench_function(format!("threads={threads}"), |b| {
            let (simulation, first) = made.get_or_insert_with(|| {
                let mut simulation = tick::scenario("ecosystem", MILLION, 1.0, threads);
                simulation.run(1).expect("it runs");
                let first = simulation.digest();
                (simulation, first)
            });
            b.iter(|| assert_eq!(simulation.digest().value, first.value));
        });
        memcpy(&mut group, ROW * MILLION as usize, threads as usize);
    }
    group.finish();
}
