//! Instructions of the kernels a row, counted by callgrind: a regression that no noise hides.
//! `cargo bench --features gungraun --bench counts` (needs valgrind, and `cargo install gungraun-runner --version 0.20.0`).
//!
//! Each has a limit, a tenth above what was counted when it was set; above it the bench fails. A change that is worth
//! its instructions raises the limit in the same commit.

#![allow(missing_docs, reason = "the macros make items that none could document")]

use std::hint::black_box;

use corec::prelude::*;
use corec_core::maths::ordered_sum;
use corec_core::width::Simd;
use corec_dynamics::measure::{Sums, sum_kernel};
use corec_dynamics::process::{Chance, Force, ProcessKernel};
use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};

const ROWS: usize = 6400;

/// At most so many instructions a row, in hundredths.
fn limit(hundredths: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, hundredths * ROWS as u64 / 100)]);
    LibraryBenchmarkConfig::default().tool(callgrind).clone()
}

struct Columns {
    ids: Vec<StableId>,
    traits: Vec<Trait>,
    signals: Vec<Signal>,
    healths: Vec<Health>,
}

fn columns() -> Columns {
    let unit = |i: usize| (i % 100) as f32 / 100.0;
    Columns {
        ids: (0..ROWS as u64).map(StableId).collect(),
        traits: (0..ROWS).map(|i| Trait { gain: 0.05, target: unit(i) }).collect(),
        signals: (0..ROWS).map(|i| Signal { value: unit(i * 7) }).collect(),
        healths: vec![Health::FRESH; ROWS],
    }
}

fn process_at(simd: Simd, mut c: Columns) -> Columns {
    let force = Force { mean: 0.5, coupling: 0.05, noise: 0.02, fault: Chance::new(0.001) };
    let draws = Draws::new(42, "process");
    let faults = simd.run(ProcessKernel {
        force,
        draws: &draws,
        tick: 3,
        ids: &c.ids,
        traits: &c.traits,
        signals: &mut c.signals,
        healths: &mut c.healths,
    });
    // Philox is a function: the same four fail at every width.
    assert_eq!(black_box(faults), FAULTS);
    c
}

#[library_benchmark(config = limit(PROCESS_SSE2))]
#[bench::rows(columns())]
fn process_sse2(c: Columns) -> Columns {
    process_at(Simd::Sse2, c)
}

#[library_benchmark(config = limit(PROCESS_AVX2))]
#[bench::rows(columns())]
fn process_avx2(c: Columns) -> Columns {
    process_at(Simd::Avx2, c)
}

#[library_benchmark(config = limit(MEASURE))]
#[bench::rows(columns())]
fn measure(c: Columns) -> (Sums, Columns) {
    (sum_kernel(black_box(&c.signals), black_box(&c.healths)), c)
}

#[library_benchmark(config = limit(SUM))]
#[bench::rows(vec![0.5; ROWS])]
fn sum(values: Vec<f32>) -> (f64, Vec<f32>) {
    (ordered_sum(black_box(&values)), values)
}

const FAULTS: u32 = 4;
const PROCESS_SSE2: u64 = 7726;
const PROCESS_AVX2: u64 = 3127;
const MEASURE: u64 = 774;
const SUM: u64 = 63;

library_benchmark_group!(name = kernels, benchmarks = [process_sse2, process_avx2, measure, sum]);
main!(library_benchmark_groups = kernels);
