//! Parity: a forest that was fitted here finds as much as scikit-learn's, over seeds.
//!
//! |mean - scikit-learn's| <= max(0.01, 3 sqrt((sd^2 + its sd^2) / seeds)), and sd <= 2 its sd
//! (of four digits, so that at least 0.001 is allowed): neither worse nor, where scikit-learn is
//! below chance, better, which would be another algorithm. scikit-learn 1.9.1, 100 trees of 256 rows.

use std::path::Path;

use corec::forest::{IsolationForest, Rows, Settings};
use corec_telemetry::detection::auc;
use corec_telemetry::table::TableReader;

use super::support::skip::shared_data;

/// Mean and deviation over seeds.
type Spread = (f64, f64);

/// Seeds of each table: all that scikit-learn's figures have with `COREC_FOREST_SEEDS=all`.
fn seeds(all: u64) -> u64 {
    let is_all = std::env::var_os("COREC_FOREST_SEEDS").is_some_and(|value| value == "all");
    if is_all { all } else { 5 }
}

/// Values and labels of a table.
struct Labelled {
    values: Vec<f32>,
    columns: usize,
    labels: Vec<bool>,
}

fn spread(values: &[f64]) -> Spread {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (mean, (squares / (values.len() - 1) as f64).sqrt())
}

/// Both areas, fitted on one table and scored on another.
fn areas(fit: &Labelled, score: &Labelled, seeds: u64) -> [Spread; 2] {
    let rows = Rows::new(&score.values, score.columns).unwrap();
    let of = |seed| {
        let settings = Settings { seed, ..Settings::default() };
        let forest = IsolationForest::fit(&settings, Rows::new(&fit.values, fit.columns).unwrap()).unwrap();
        let scores = forest.score_samples(rows).unwrap();
        let mut scored: Vec<(f32, bool)> =
            scores.iter().zip(&score.labels).map(|(score, label)| (-score as f32, *label)).collect();
        auc(&mut scored).unwrap()
    };
    let (rocs, prs): (Vec<f64>, Vec<f64>) = (0..seeds).map(of).unzip();
    [spread(&rocs), spread(&prs)]
}

/// What of it is not as scikit-learn has it. All of it is printed, for `--nocapture`.
#[expect(clippy::print_stdout, reason = "the table of a test that passes, for who asks")]
fn differs(name: &str, seeds: u64, ours: [Spread; 2], theirs: [Spread; 2]) -> Vec<String> {
    let mut found = Vec::new();
    for ((area, (mean, sd)), (their_mean, their_sd)) in ["ROC", "PR"].into_iter().zip(ours).zip(theirs) {
        let allowed = (3.0 * ((sd * sd + their_sd * their_sd) / seeds as f64).sqrt()).max(0.01);
        println!("{name}: {area} {mean:.4} sd {sd:.4}, scikit-learn {their_mean:.4} sd {their_sd:.4}");
        if (mean - their_mean).abs() > allowed || sd > 2.0 * their_sd.max(5e-4) {
            found.push(format!(
                "{name}: {area} {mean:.4} sd {sd:.4}, must be {their_mean:.4} sd {their_sd:.4} within {allowed:.4}"
            ));
        }
    }
    found
}

fn read(path: &Path) -> Labelled {
    let mut table = TableReader::open(path).unwrap();
    let columns = table.width();
    let (mut row, mut values, mut labels) = (vec![0.0; columns], Vec::new(), Vec::new());
    while let Some(meta) = table.next_row(&mut row).unwrap() {
        values.extend(row.iter().map(|value| *value as f32));
        labels.push(meta.label.unwrap_or(false));
    }
    Labelled { values, columns, labels }
}

/// ROC-AUC and PR-AUC of scikit-learn, with their deviations: the sets with at least 30 positives.
const TABULAR: [(&str, [Spread; 2]); 14] = [
    ("breastw", [(0.9868, 0.0015), (0.9690, 0.0048)]),
    ("vertebral", [(0.3599, 0.0233), (0.0943, 0.0034)]),
    ("Pima", [(0.6697, 0.0113), (0.4974, 0.0120)]),
    ("Ionosphere", [(0.8481, 0.0053), (0.8017, 0.0065)]),
    ("thyroid", [(0.9786, 0.0035), (0.5383, 0.0866)]),
    ("annthyroid", [(0.8199, 0.0145), (0.3074, 0.0259)]),
    ("satimage-2", [(0.9934, 0.0014), (0.9211, 0.0115)]),
    ("cardio", [(0.9269, 0.0104), (0.5642, 0.0326)]),
    ("mammography", [(0.8611, 0.0099), (0.2147, 0.0383)]),
    ("shuttle", [(0.9969, 0.0008), (0.9760, 0.0057)]),
    ("pendigits", [(0.9465, 0.0160), (0.2674, 0.0541)]),
    ("musk", [(0.9993, 0.0013), (0.9815, 0.0384)]),
    ("satellite", [(0.6980, 0.0156), (0.6608, 0.0214)]),
    ("landsat", [(0.4752, 0.0198), (0.1950, 0.0084)]),
];

/// Fitted on `NAME_train`, scored point by point on `NAME_test`.
const MACHINES: [(&str, [Spread; 2]); 3] = [
    ("machine-1-2", [(0.8770, 0.0055), (0.2482, 0.0159)]),
    ("machine-2-1", [(0.6721, 0.0131), (0.1476, 0.0097)]),
    ("machine-3-4", [(0.7155, 0.0445), (0.1197, 0.0182)]),
];

#[test]
fn tables_have_the_areas_that_scikit_learn_gives_them() {
    let Some(folder) = shared_data("tabular") else { return };
    let mut found = Vec::new();
    for (name, theirs) in TABULAR {
        let table = read(&folder.join(format!("{name}.csv.gz")));
        let seeds = seeds(20);
        found.extend(differs(name, seeds, areas(&table, &table, seeds), theirs));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn machines_have_the_areas_that_scikit_learn_gives_them() {
    let Some(folder) = shared_data("smd") else { return };
    let mut found = Vec::new();
    for (name, theirs) in MACHINES {
        let file = |part| read(&folder.join(format!("{name}_{part}.csv.gz")));
        let seeds = seeds(10);
        found.extend(differs(name, seeds, areas(&file("train"), &file("test"), seeds), theirs));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The table of `scripts/forest-golden.py`: rows around 0 or 3, then `far` rows anywhere within -4..7.
pub fn twin(rows: usize, columns: usize, far: usize) -> (Vec<f32>, Vec<bool>) {
    let mut state = 1u64;
    let mut unit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / 16_777_216.0
    };
    let mut values = Vec::new();
    for row in 0..rows {
        let side = if unit() < 0.5 { 3.0 } else { 0.0 };
        let bell: Vec<f64> = (0..columns).map(|_| unit() + unit() + unit() + unit() - 2.0 + side).collect();
        match row >= rows - far {
            true => values.extend((0..columns).map(|_| (11.0 * unit() - 4.0) as f32)),
            false => values.extend(bell.iter().map(|value| *value as f32)),
        }
    }
    (values, (0..rows).map(|row| row >= rows - far).collect())
}

#[test]
fn synthetic_tables_have_the_areas_that_scikit_learn_gives_them() {
    let twins = [
        ((1500, 2, 60), [(0.9641, 0.0015), (0.8855, 0.0074)]),
        ((2000, 3, 80), [(0.9941, 0.0011), (0.9592, 0.0048)]),
        ((2000, 1, 100), [(0.7930, 0.0052), (0.5393, 0.0025)]),
    ];
    let mut found = Vec::new();
    for ((rows, columns, far), theirs) in twins {
        let (values, labels) = twin(rows, columns, far);
        let table = Labelled { values, columns, labels };
        found.extend(differs(&format!("{rows} x {columns}"), 20, areas(&table, &table, 20), theirs));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
