//! The isolation forest: scikit-learn's scores from scikit-learn's trees, the same bits everywhere, and what must hold for any table.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use corec_core::width::Simd;
use corec_dynamics::forest::{
    Contamination, ForestError, IsolationForest, MaxFeatures, MaxSamples, Node, Rows, Settings, average_path,
    round_down,
};
use proptest::prelude::*;
use serde_json::Value;

/// Numbers that are the same on every machine.
fn table(rows: usize, columns: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut unit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 16_777_216.0
    };
    (0..rows * columns).map(|_| unit() + unit() + unit() - 1.5).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn node(value: &Value) -> Node {
    match numbers(value)[..] {
        [rows] => Node::Leaf { rows: rows as u32 },
        [feature, threshold] => Node::Split { feature: feature as u32, threshold: round_down(threshold) },
        _ => panic!("{value} is no node"),
    }
}

struct Golden {
    document: Value,
    forest: IsolationForest,
    rows: Vec<f32>,
}

fn golden(name: &str) -> Golden {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/forest");
    let document: Value = serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap();
    let trees = document["trees"].as_array().unwrap().iter();
    let trees = trees.map(|tree| tree.as_array().unwrap().iter().map(node).collect()).collect();
    let number = |key: &str| document[key].as_f64().unwrap();
    let (columns, samples) = (number("columns") as usize, number("samples") as u32);
    let forest = IsolationForest::from_trees(columns, samples, number("offset"), trees).unwrap();
    let rows =
        document["rows"].as_array().unwrap().iter().flat_map(numbers).map(|value| value as f32).collect();
    Golden { document, forest, rows }
}

const GOLDEN: [&str; 5] =
    ["two-columns.json", "bootstrap.json", "deep.json", "few-rows.json", "one-row.json"];

#[test]
fn scikit_learns_trees_give_scikit_learns_scores() {
    for name in GOLDEN {
        let Golden { document, forest, rows } = golden(name);
        let rows = Rows::new(&rows, forest.columns()).unwrap();
        let pairs = [
            (forest.score_samples(rows).unwrap(), "score_samples"),
            (forest.decision_function(rows).unwrap(), "decision_function"),
        ];
        for (ours, key) in pairs {
            let theirs = numbers(&document[key]);
            assert_eq!(ours.len(), theirs.len());
            for (row, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                assert!(
                    (ours - theirs).abs() < 1e-14,
                    "{name}: row {row}: {key} is {ours}, must be {theirs}"
                );
            }
        }
        let outliers: Vec<bool> = serde_json::from_value(document["is_outlier"].clone()).unwrap();
        assert_eq!(forest.predict(rows).unwrap(), outliers, "{name}");
    }
}

#[test]
fn every_width_and_number_of_threads_gives_the_same_bits() {
    for (columns, samples) in
        [(1, 256), (2, 256), (3, 20), (9, 256), (16, 3000), (17, 256), (33, 256), (70, 1)]
    {
        let values = table(3000, columns);
        let rows = Rows::new(&values, columns).unwrap();
        let settings = Settings {
            n_estimators: 20,
            max_samples: MaxSamples::Count(samples),
            max_features: MaxFeatures::Share(0.8),
            contamination: Contamination::Share(0.1),
            seed: 5,
            ..Settings::default()
        };
        let grown = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let forest = IsolationForest::fit(&settings, rows).unwrap();
                let bits = |simd| {
                    let mut scores = vec![0.0; rows.len()];
                    forest.score_into(simd, rows, &mut scores).unwrap();
                    scores.into_iter().map(f64::to_bits).collect::<Vec<_>>()
                };
                let all: Vec<_> = Simd::available().map(bits).collect();
                assert!(all.iter().all(|bits| *bits == all[0]), "{columns} columns: a width has other bits");
                (forest.trees().to_vec(), forest.offset().to_bits(), all[0].clone())
            })
        };
        let one = grown(1);
        assert!(
            [2, 8].into_iter().all(|threads| grown(threads) == one),
            "{columns} columns: threads reach the bits"
        );
    }
}

/// The score that the definition gives: trees walked node by node.
fn defined(forest: &IsolationForest, row: &[f32]) -> f64 {
    let path = |tree: &Vec<Node>| {
        let (mut at, mut depth) = (0, 0);
        loop {
            match tree[at] {
                Node::Leaf { rows } => return f64::from(depth) + average_path(rows),
                Node::Split { feature, threshold } if row[feature as usize] <= threshold => at += 1,
                Node::Split { .. } => {
                    // Over the first subtree.
                    let mut open = 1;
                    at += 1;
                    while open > 0 {
                        open += if matches!(tree[at], Node::Split { .. }) { 1 } else { -1 };
                        at += 1;
                    }
                }
            }
            depth += 1;
        }
    };
    let mean = forest.trees().iter().map(path).sum::<f64>() / forest.trees().len() as f64;
    let normal = average_path(forest.samples());
    -libm::exp2(if normal > 0.0 { -mean / normal } else { -1.0 })
}

/// Tables with ties, constant columns and rows that are there twice.
fn any_table() -> impl Strategy<Value = (Vec<f32>, usize)> {
    (1usize..12, 1usize..40).prop_flat_map(|(columns, rows)| {
        let value = prop_oneof![3 => (-3i8..3).prop_map(f32::from), 1 => -1e6f32..1e6];
        (prop::collection::vec(value, columns * rows), Just(columns))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn scores_are_those_of_the_definition_and_within_minus_one_and_zero(
        (values, columns) in any_table(), seed: u64, bootstrap: bool,
    ) {
        let rows = Rows::new(&values, columns).unwrap();
        let settings = Settings { n_estimators: 10, bootstrap, seed, ..Settings::default() };
        let forest = IsolationForest::fit(&settings, rows).unwrap();
        for (score, row) in forest.score_samples(rows).unwrap().iter().zip(values.chunks(columns)) {
            prop_assert!((-1.0..0.0).contains(score), "{}", score);
            prop_assert!((score - defined(&forest, row)).abs() < 1e-12);
        }
    }

    #[test]
    fn a_rows_score_depends_on_no_other_row((values, columns) in any_table(), seed: u64) {
        let rows = Rows::new(&values, columns).unwrap();
        let settings = Settings { n_estimators: 10, seed, ..Settings::default() };
        let forest = IsolationForest::fit(&settings, rows).unwrap();
        let mut scores = forest.score_samples(rows).unwrap();
        let reversed: Vec<f32> = values.chunks(columns).rev().flatten().copied().collect();
        scores.reverse();
        prop_assert_eq!(forest.score_samples(Rows::new(&reversed, columns).unwrap()).unwrap(), scores);
    }
}

#[test]
fn rows_that_are_all_alike_have_one_leaf_a_tree() {
    let values = [1.5f32, -2.0].repeat(300);
    let forest = IsolationForest::fit(&Settings::default(), Rows::new(&values, 2).unwrap()).unwrap();
    assert!(forest.trees().iter().all(|tree| *tree == [Node::Leaf { rows: 256 }]));
    let score = forest.score_samples(Rows::new(&[0.0, 9.0], 2).unwrap()).unwrap()[0];
    assert!((score + 0.5).abs() < 1e-12, "a path is as long as the average of 256 rows: {score}");
}

#[test]
fn a_share_of_outliers_makes_that_share_of_the_rows_outliers() {
    let values = table(2000, 4);
    let rows = Rows::new(&values, 4).unwrap();
    for share in [0.01, 0.1, 0.5] {
        let settings = Settings { contamination: Contamination::Share(share), ..Settings::default() };
        let forest = IsolationForest::fit(&settings, rows).unwrap();
        let outliers = forest.predict(rows).unwrap().iter().filter(|is_outlier| **is_outlier).count();
        assert!(outliers.abs_diff((share * 2000.0) as usize) <= 2, "{share}: {outliers}");
    }
}

#[test]
fn settings_that_are_not_allowed_are_named() {
    let values = table(10, 2);
    let rows = Rows::new(&values, 2).unwrap();
    let told = |settings| IsolationForest::fit(&settings, rows).unwrap_err().to_string();
    let default = Settings::default();
    assert_eq!(
        told(Settings { n_estimators: 0, ..default }),
        "n_estimators: found 0, must be within 1..=10000"
    );
    assert_eq!(
        told(Settings { max_samples: MaxSamples::Share(0.01), ..default }),
        "max_samples: found Share(0.01) of 10 rows, which is none, must be one row at least"
    );
    assert_eq!(
        told(Settings { max_features: MaxFeatures::Count(3), ..default }),
        "max_features: found Count(3), must be within 1..=2, or a share within (0, 1]"
    );
    assert_eq!(
        told(Settings { contamination: Contamination::Share(0.6), ..default }),
        "contamination: found 0.6, must be auto, or within (0, 0.5]"
    );
}

#[test]
fn rows_and_trees_that_are_none_are_named() {
    let wrong = |values: &[f32], columns| Rows::new(values, columns).unwrap_err();
    assert_eq!(
        wrong(&[1.0, 2.0, 3.0, f32::NAN], 2).to_string(),
        "row 1, column 1: found NaN, must be a finite number"
    );
    assert!(matches!(wrong(&[f32::INFINITY], 1), ForestError::Value { row: 0, column: 0, .. }));
    assert!(matches!(wrong(&[1.0; 3], 2), ForestError::Shape { values: 3, columns: 2, .. }));
    assert!(matches!(wrong(&[], 1), ForestError::Shape { .. }));
    let values = table(10, 2);
    let forest = IsolationForest::fit(&Settings::default(), Rows::new(&values, 2).unwrap()).unwrap();
    let error = forest.score_samples(Rows::new(&[1.0; 3], 3).unwrap()).unwrap_err();
    assert_eq!(error, ForestError::Columns { found: 3, expected: 2 });
    let (leaf, split) = (Node::Leaf { rows: 1 }, Node::Split { feature: 0, threshold: 0.5 });
    let bad = |nodes: &[Node]| {
        IsolationForest::from_trees(1, 2, -0.5, vec![nodes.to_vec()]).unwrap_err().to_string()
    };
    assert_eq!(
        bad(&[split, leaf]),
        "tree 0, node 2: found the end, 1 subtrees missing, must be a whole tree in preorder"
    );
    assert_eq!(bad(&[leaf, leaf]), "tree 0, node 1: found 2 nodes, must be a tree, which ends after 1");
    assert_eq!(
        bad(&[split, split, leaf, leaf, leaf]),
        "tree 0, node 1: found a split at depth 1, must be a leaf: the depth is at most 1"
    );
    assert_eq!(
        bad(&[Node::Split { feature: 1, threshold: 0.5 }, leaf, leaf]),
        "tree 0, node 0: found column 1, must be below 1"
    );
}

#[test]
fn a_saved_forest_comes_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("forest");
    for name in GOLDEN {
        let Golden { forest, rows, .. } = golden(name);
        let rows = Rows::new(&rows, forest.columns()).unwrap();
        let names: Vec<String> = (0..forest.columns()).map(|at| format!("columna {at} ñ")).collect();
        let forest = forest.with_names(names).unwrap();
        forest.save(&path).unwrap();
        let again = IsolationForest::load(&path).unwrap();
        assert_eq!(again.trees(), forest.trees());
        assert_eq!((again.names(), again.samples()), (forest.names(), forest.samples()));
        assert_eq!(again.offset().to_bits(), forest.offset().to_bits());
        assert_eq!(again.score_samples(rows).unwrap(), forest.score_samples(rows).unwrap());
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    let missing = IsolationForest::load(&folder.path().join("none")).unwrap_err().to_string();
    assert!(missing.contains("none: No such file"), "{missing}");
}

#[test]
fn a_damaged_file_is_refused_wherever_it_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("forest");
    let values = table(12, 2);
    let settings = Settings { n_estimators: 3, ..Settings::default() };
    let forest = IsolationForest::fit(&settings, Rows::new(&values, 2).unwrap()).unwrap();
    forest.save(&path).unwrap();
    let good = fs::read(&path).unwrap();
    let told = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        IsolationForest::load(&path).expect_err("it is damaged").to_string()
    };
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        told(&bytes);
        told(&good[..at]);
    }
    let shown = path.display();
    let magic = "a file of `corec forest fit`, which begins with CORECFOR";
    assert_eq!(told(b"x0,x1,label\n1,2,0\n"), format!("{shown}: byte 0: found no forest, must be {magic}"));
    let mut bytes = good.clone();
    bytes[60] ^= 1;
    let damage = "found a checksum of other bytes, must be that of the file: it is damaged or cut off";
    assert_eq!(told(&bytes), format!("{shown}: byte {}: {damage}", good.len() - 8));
}

#[test]
fn a_row_that_is_walked_down_has_the_bits_of_the_kernels() {
    for (rows, columns, trees) in [(1, 1, 2), (2, 3, 5), (700, 5, 40), (1024, 38, 100)] {
        let values = table(rows, columns);
        let of = Rows::new(&values, columns).unwrap();
        let settings = Settings { n_estimators: trees, ..Settings::default() };
        let forest = IsolationForest::fit(&settings, of).unwrap();
        let walk = forest.walk();
        for (row, score) in values.chunks(columns).zip(forest.score_samples(of).unwrap()) {
            assert_eq!(walk.score(row).to_bits(), score.to_bits(), "{rows} rows of {columns}");
        }
    }
}
