//! Philox in strips, at every width of the machine.

use std::hint::black_box;

use corec_core::rng::{Draws, STRIP};
use corec_core::width::{Kernel, Simd, Width};
use criterion::{BenchmarkId, Criterion, Throughput};

use crate::{MILLION, memcpy};

struct Strips<'a> {
    draws: Draws,
    ids: &'a [u64],
}

impl Kernel for Strips<'_> {
    type Output = u64;

    #[inline(always)]
    fn run<W: Width>(self, width: W) -> u64 {
        let (mut first, mut second, mut sum) = ([0; STRIP], [0; STRIP], 0u64);
        let draws = self.draws.strips(width, 5, 0);
        for strip in self.ids.as_chunks::<STRIP>().0 {
            draws.words(strip, &mut first, &mut second);
            black_box(&second);
            sum = sum.wrapping_add(first[7].into());
        }
        sum
    }
}

pub fn philox(c: &mut Criterion) {
    let draws = Draws::new(42, "bench");
    let mut group = c.benchmark_group("rng/philox/draws=1000000");
    group.throughput(Throughput::Elements(MILLION));
    let mut made = None;
    let make = || {
        let ids: Vec<u64> = (0..MILLION).collect();
        let expected = Simd::Portable.run(Strips { draws, ids: &ids });
        (ids, expected)
    };
    for simd in Simd::available() {
        group.bench_function(BenchmarkId::from_parameter(simd), |b| {
            let (ids, expected) = made.get_or_insert_with(make);
            b.iter(|| assert_eq!(simd.run(Strips { draws, ids: black_box(ids) }), *expected));
        });
    }
    memcpy(&mut group, 8 * MILLION as usize, 1);
    group.finish();
}
