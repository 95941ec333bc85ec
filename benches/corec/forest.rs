//! The isolation forest: growing it, scoring a million rows at both widths, ranking a thousand blocks.

use corec::forest::{IsolationForest, Rows, Settings};
use corec_core::rng::{Draws, unit};
use corec_core::width::Simd;
use criterion::{Criterion, Throughput};

use crate::{MILLION, memcpy, team};

const THREADS: [usize; 2] = [1, 2];

fn table(rows: u64, columns: usize) -> Vec<f32> {
    let draws = Draws::new(42, "bench");
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| unit(draws.words(row, column as u64, 0)[0])))
        .collect()
}

fn forest(values: &[f32], columns: usize) -> IsolationForest {
    let rows = Rows::new(values, columns).expect("numbers of the bench's own");
    IsolationForest::fit(&Settings::default(), rows).expect("the default settings fit any rows")
}

/// Checks and scores rows; every width must come to the same bits.
pub fn score(c: &mut Criterion) {
    for (rows, columns) in [(MILLION, 2), (MILLION, 10), (1000, 6)] {
        let mut group = c.benchmark_group(format!("forest/score/rows={rows}/columns={columns}"));
        group.throughput(Throughput::Elements(rows)).sample_size(10);
        let mut made = None;
        for threads in THREADS {
            for simd in Simd::available().filter(|simd| [Simd::Portable, Simd::Avx2].contains(simd)) {
                group.bench_function(format!("{simd}/threads={threads}"), |b| {
                    let (values, forest, expected) = made.get_or_insert_with(|| {
                        let values = table(rows, columns);
                        let forest = forest(&values, columns);
                        let rows = Rows::new(&values, columns).expect("numbers of the bench's own");
                        let expected = forest.score_samples(rows).expect("rows of its own width");
                        (values, forest, expected)
                    });
                    let mut scores = vec![0.0; expected.len()];
                    team(threads).enter(|| {
                        b.iter(|| {
                            let rows = Rows::new(values, columns).expect("numbers of the bench's own");
                            forest.score_into(simd, rows, &mut scores).expect("rows of its own width");
                        });
                    });
                    assert!(scores == *expected, "{simd} has other bits");
                });
            }
        }
        memcpy(&mut group, 4 * columns * rows as usize, 1);
        group.finish();
    }
}

/// Grows a hundred trees on a million rows.
pub fn fit(c: &mut Criterion) {
    for columns in [2, 10] {
        let mut group = c.benchmark_group(format!("forest/fit/rows={MILLION}/columns={columns}"));
        let mut made = None;
        for threads in THREADS {
            group.bench_function(format!("threads={threads}"), |b| {
                let values = made.get_or_insert_with(|| table(MILLION, columns));
                let rows = Rows::new(values, columns).expect("numbers of the bench's own");
                team(threads).enter(|| {
                    let grow =
                        || IsolationForest::fit(&Settings::default(), rows).expect("the default settings");
                    let trees = grow().trees().to_vec();
                    b.iter(|| assert_eq!(grow().trees().len(), trees.len()));
                });
            });
        }
        group.finish();
    }
}
