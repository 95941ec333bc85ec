//! A 2-10-1 network scores a million rows on two threads: our kernel, candle in shards, and memcpy of the inputs.
//!
//! `RAYON_NUM_THREADS=1 CANDLE_NUM_THREADS=1 cargo bench --bench analyzer`: without them candle counts cores at every
//! matmul. The pool in here has two threads all the same.

use std::hint::black_box;

use analyzer::kernel::{score, score_signal};
use analyzer::network::{Network, Shape};
use analyzer::reference::{Reference, SHARD_ROWS_MAX, Training, train};
use corec::prelude::Signal;
use corec::prelude::rng::{Draws, unit};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rayon::prelude::*;

const ROWS: usize = 1_000_000;
const THREADS: usize = 2;

/// Rows of one task, about those of a block.
const BLOCK: usize = 8_192;

fn score_a_million(criterion: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS).build().expect("a pool");
    let network = Network::init(Shape::default(), &Draws::new(42, "analyzer.weights"));
    let (values, fitness) = rows(ROWS);
    let signals: Vec<Signal> = values.iter().map(|&value| Signal { value }).collect();
    let reference = Reference::new(&network).expect("tensors of its weights");
    let mut out = vec![0.0; ROWS];

    let by_columns = |out: &mut [f32]| {
        let inputs = values.par_chunks(BLOCK).zip(fitness.par_chunks(BLOCK));
        inputs.zip(out.par_chunks_mut(BLOCK)).for_each(|((v, f), out)| score(&network, &[v, f], out));
    };
    let by_signals = |out: &mut [f32]| {
        let blocks = signals.par_chunks(BLOCK).zip(out.par_chunks_mut(BLOCK));
        blocks.for_each(|(signals, out)| score_signal(&network, signals, 0.5, out));
    };
    let by_candle = |out: &mut [f32]| {
        let inputs = values.par_chunks(SHARD_ROWS_MAX).zip(fitness.par_chunks(SHARD_ROWS_MAX));
        inputs.zip(out.par_chunks_mut(SHARD_ROWS_MAX)).for_each(|((v, f), out)| {
            reference.score(&[v, f], out).expect("columns of its shape");
        });
    };

    let mut group = criterion.benchmark_group("analyzer");
    group.throughput(Throughput::Elements(ROWS as u64));
    let size = format!("rows={ROWS}/threads={THREADS}");

    pool.install(|| by_columns(&mut out));
    let ours = out.clone();
    pool.install(|| by_candle(&mut out));
    let furthest = ours.iter().zip(&out).fold(0f32, |max, (a, b)| max.max((a - b).abs()));
    assert!(furthest <= 2e-6, "kernel and candle are {furthest:e} apart");

    pool.install(|| by_columns(&mut out));
    assert!(out == ours, "other scores the second time");

    group.bench_function(format!("score_two_columns/{size}"), |b| {
        pool.install(|| b.iter(|| by_columns(black_box(&mut out))));
    });
    group.bench_function(format!("score_signals_and_one_fitness/{size}"), |b| {
        pool.install(|| b.iter(|| by_signals(black_box(&mut out))));
    });
    group.bench_function(format!("candle_in_shards_of_{SHARD_ROWS_MAX}/{size}"), |b| {
        pool.install(|| b.iter(|| by_candle(black_box(&mut out))));
    });

    let from = vec![1u8; 2 * ROWS * size_of::<f32>()];
    let mut to = vec![0u8; from.len()];
    group.bench_function(format!("memcpy_of_the_two_columns/bytes={}/threads={THREADS}", from.len()), |b| {
        let part = from.len() / THREADS;
        pool.install(|| {
            b.iter(|| {
                from.par_chunks(part).zip(to.par_chunks_mut(part)).for_each(|(from, to)| {
                    black_box(to).copy_from_slice(black_box(from));
                });
            });
        });
    });
    group.finish();
}

fn train_ten_thousand(criterion: &mut Criterion) {
    let (values, fitness) = rows(10_000);
    let targets: Vec<f32> = values.iter().zip(&fitness).map(|(v, f)| f32::from(u8::from(v > f))).collect();
    let start = Network::init(Shape::default(), &Draws::new(42, "analyzer.weights"));
    let training = Training { epochs: 10, ..Training::default() };
    let mut group = criterion.benchmark_group("analyzer");
    group.throughput(Throughput::Elements(10 * 10_000)).sample_size(20);
    group.bench_function("train/rows=10000/epochs=10", |b| {
        b.iter(|| {
            let mut network = start.clone();
            train(&mut network, &[&values, &fitness], &targets, training).expect("rows of its shape")
        });
    });
    group.finish();
}

/// Columns of values and fitnesses within 0..1.
fn rows(rows: usize) -> (Vec<f32>, Vec<f32>) {
    let draws = Draws::new(7, "bench.rows");
    (0..rows as u64)
        .map(|id| {
            let [value, fitness, ..] = draws.words(id, 0, 0);
            (unit(value), unit(fitness))
        })
        .unzip()
}

criterion_group!(benches, score_a_million, train_ten_thousand);
criterion_main!(benches);
