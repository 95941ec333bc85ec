//! The mode forecast finds anomalies in tables, learns from a training table, and gives the same bits again.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../tests/support/skip.rs"]
mod skip;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use analyzer::Analyzer;
use corec::prelude::*;
use corec_core::config::{Threads, load_plugin};
use corec_run::plugins::PluginSet;
use corec_run::scenarios::find;
use corec_run::{RunPlan, Stop, Summary, run};
use skip::shared_data;

/// Replays a table with the plugin, whose files are in `folder`; none: without it.
fn replay(table: &Path, folder: Option<&Path>, threads: u32) -> Summary {
    let mut scenario = find("telemetry", &|_| None).unwrap().scenario;
    (scenario.store, scenario.threads) = ("memory".into(), Threads::Count(threads));
    let mut plugins = PluginSet::default();
    if let Some(folder) = folder {
        let mut config =
            load_plugin("config.json", r#"{"name": "analyzer", "mode": "forecast"}"#, &|_| None).unwrap();
        config.folder = Some(folder.into());
        plugins = plugins.with::<Analyzer>(config).unwrap();
    }
    let app = plugins.app(&mut scenario);
    #[expect(clippy::disallowed_methods, reason = "a run wants to know when it began")]
    let mut plan = RunPlan::new(scenario, Instant::now());
    let out = tempfile::tempdir().unwrap();
    (plan.input, plan.out) = (Some(table.into()), Some(out.path().join("run")));
    plan.options.digest_interval = Some(0);
    let summary = run(app, plan, &Stop::default(), &mut |_| {}).unwrap();
    assert_eq!(summary.error, None);
    summary
}

/// PR-AUC on `test` after a pass over `train`.
fn trained(train: &Path, test: &Path) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    replay(train, Some(folder.path()), 2);
    assert!(folder.path().join("models/forecast.safetensors").is_file());
    replay(test, Some(folder.path()), 2).pr_auc.unwrap()
}

/// Four columns: two beats, one of their sum, one of noise. In three spans the sum loses its rhythm and keeps its range.
fn table(file: &Path, rows: u32, seed: u64, is_test: bool) -> PathBuf {
    let draws = Draws::new(seed, "table");
    let noise = |row: u32, n: u16| f64::from(rng::unit(draws.words(row.into(), 0, n)[0]));
    let mut text = String::from("a,b,c,d");
    text.push_str(if is_test { ",label\n" } else { "\n" });
    for row in 0..rows {
        let (a, b) = (f64::from(row % 20) / 20.0, f64::from(row % 33) / 33.0);
        let is_anomaly =
            is_test && [1500, 2300, 3100].iter().any(|start| (*start..*start + 40).contains(&row));
        let sum = if is_anomaly { 2.0 * noise(row, 1) } else { a + b };
        write!(text, "{a},{b},{},{}", sum + 0.01 * noise(row, 2), noise(row, 3)).unwrap();
        _ = if is_test { writeln!(text, ",{}", u8::from(is_anomaly)) } else { writeln!(text) };
    }
    fs::write(file, text).unwrap();
    file.to_path_buf()
}

#[test]
fn a_column_that_loses_its_rhythm_is_found_though_its_range_is_as_ever() {
    let folder = tempfile::tempdir().unwrap();
    let train = table(&folder.path().join("train.csv"), 4000, 1, false);
    let test = table(&folder.path().join("test.csv"), 4000, 2, true);
    let (ours, twins) = (trained(&train, &test), replay(&test, None, 2).pr_auc.unwrap());
    // Three rows in a hundred are anomalies: what a guess would have.
    assert!(ours > 5.0 * 0.03 && ours > 3.0 * twins, "PR-AUC {ours:.3}, of the twins' z-scores {twins:.3}");
}

#[test]
fn the_same_bits_at_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let test = table(&folder.path().join("test.csv"), 2000, 3, true);
    let digests = [1, 2, 8].map(|threads| {
        let files = tempfile::tempdir().unwrap();
        replay(&test, Some(files.path()), threads).state_digest.unwrap()
    });
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

/// scikit-learn 1.9.1, IsolationForest(n_estimators=100, max_samples=256): fitted on train, mean PR-AUC of ten seeds on test.
const FOREST: [(&str, f64); 3] = [("machine-1-2", 0.2482), ("machine-2-1", 0.1476), ("machine-3-4", 0.1197)];
/// The same, the mean over the twelve channels of NASA SMAP.
const FOREST_SMAP: f64 = 0.133;

#[test]
fn it_has_more_pr_auc_than_an_isolation_forest_on_real_machines() {
    for (machine, forest) in FOREST {
        let file = |part: &str| shared_data(&format!("smd/{machine}_{part}.csv.gz"));
        let (Some(train), Some(test)) = (file("train"), file("test")) else { continue };
        let ours = trained(&train, &test);
        assert!(ours > forest, "{machine}: PR-AUC {ours:.3}, the forest {forest:.3}");
    }
}

#[test]
fn it_has_more_pr_auc_than_an_isolation_forest_on_real_channels() {
    let Some(smap) = shared_data("smap") else { return };
    let mut tables: Vec<PathBuf> = fs::read_dir(smap).unwrap().map(|entry| entry.unwrap().path()).collect();
    tables.sort();
    let is_test = |path: &&PathBuf| path.to_string_lossy().ends_with("_test.csv.gz");
    let areas: Vec<f64> = tables
        .iter()
        .filter(is_test)
        .map(|test| trained(Path::new(&test.to_string_lossy().replace("_test.", "_train.")), test))
        .collect();
    let mean = areas.iter().sum::<f64>() / areas.len() as f64;
    assert!(areas.len() == 12 && mean > FOREST_SMAP, "mean PR-AUC {mean:.3} of {}: {areas:?}", areas.len());
}
