//! The isolation forest: growing it, scoring a million rows at both widths, ranking a thousand blocks, and a million entities one by one.

use corec::forest::{IsolationForest, Rows, Settings};
use corec_core::column::{Health, Signal, Trait};
use corec_core::rng::{Draws, unit};
use corec_core::width::Simd;
use corec_dynamics::audit::{ENTITY_FEATURES, rank_entities};
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

/// Grows a hundred trees on a million rows, and on as many as the audit has.
pub fn fit(c: &mut Criterion) {
    for (rows, columns) in [(MILLION, 2), (MILLION, 10), (256, 6)] {
        let mut group = c.benchmark_group(format!("forest/fit/rows={rows}/columns={columns}"));
        let mut made = None;
        for threads in THREADS {
            group.bench_function(format!("threads={threads}"), |b| {
                let values = made.get_or_insert_with(|| table(rows, columns));
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

/// Ranks a million entities: their rows, a forest on them, and a score for each.
pub fn entities(c: &mut Criterion) {
    let mut group = c.benchmark_group(format!("forest/entities/rows={MILLION}"));
    group.throughput(Throughput::Elements(MILLION)).sample_size(10);
    let mut made = None;
    for threads in THREADS {
        group.bench_function(format!("threads={threads}"), |b| {
            let (signals, traits, healths) = made.get_or_insert_with(|| {
                let rows = table(MILLION, 3);
                let signals: Vec<Signal> = rows.chunks(3).map(|row| Signal { value: row[0] }).collect();
                let traits: Vec<Trait> =
                    rows.chunks(3).map(|row| Trait { gain: 0.05 + 0.2 * row[1], target: row[2] }).collect();
                (signals, traits, vec![Health::FRESH; MILLION as usize])
            });
            team(threads).enter(|| {
                let expected =
                    rank_entities(signals, traits, healths, 7).expect("numbers of the bench's own");
                b.iter(|| {
                    let scores =
                        rank_entities(signals, traits, healths, 7).expect("numbers of the bench's own");
                    assert!(scores == expected, "the same bits");
                });
            });
        });
    }
    memcpy(&mut group, 4 * ENTITY_FEATURES * MILLION as usize, 1);
    group.finish();
}
