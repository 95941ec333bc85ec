//! The analyzer's README promised the forecast's figures, and its commands with the shipped folder ran the twins, or saw a row
//! in ten. What it says is run here as it stands: the commands, and with the development data the figures too.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::skip::shared_data;
use support::{number, refused};

const README: &str = include_str!("../plugins/analyzer/README.md");

/// The commands of the section on `forecast`.
fn commands() -> &'static str {
    let (_, section) = README.split_once("\n## forecast\n").expect("the README has the section");
    let (_, block) = section.split_once("\n```sh\n").expect("the section has commands");
    block.split_once("\n```").expect("the block has an end").0
}

/// The tables that the commands replay, in their order.
fn tables() -> Vec<&'static str> {
    let mut words = commands().split_whitespace();
    let mut tables = Vec::new();
    while words.any(|word| word == "--input") {
        tables.push(words.next().expect("a table follows"));
    }
    tables
}

/// Copies every config.json under `plugins`, as they are shipped, and nothing else.
fn ship_configs(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("models") {
            ship_configs(&path, &to.join(path.file_name().unwrap()));
        } else if path.ends_with("config.json") {
            fs::create_dir_all(to).unwrap();
            fs::copy(&path, to.join("config.json")).unwrap();
        }
    }
}

/// Runs commands as a user would, with the shipped folder of plugins and the tables in the working folder.
fn shell(folder: &Path, commands: &str) -> String {
    ship_configs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins"), &folder.join("plugins"));
    let program = Path::new(env!("CARGO_BIN_EXE_corec")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell.args(["-ec", commands]).current_dir(folder).env("PATH", path).env_remove("RUST_LOG");
    let output = shell.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{commands}\n{out}{err}");
    out.into_owned()
}

fn summary_of(folder: &Path, run: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join("runs").join(run).join("summary.json")).unwrap()).unwrap()
}

/// Two beats and their sum, which loses its rhythm in three labelled spans and keeps its range.
fn table(file: &Path, rows: u32, is_test: bool) -> PathBuf {
    let mut text = String::from(if is_test { "a,b,c,label\n" } else { "a,b,c\n" });
    for row in 0..rows {
        let (a, b) = (f64::from(row % 20) / 20.0, f64::from(row % 33) / 33.0);
        let is_anomaly =
            is_test && [1500, 2000, 2600].iter().any(|start| (*start..start + 40).contains(&row));
        let sum = if is_anomaly { 2.0 * f64::from(row * 7919 % 101) / 101.0 } else { a + b };
        write!(text, "{a},{b},{sum}").unwrap();
        text.push_str(match (is_test, is_anomaly) {
            (false, _) => "\n",
            (true, false) => ",0\n",
            (true, true) => ",1\n",
        });
    }
    fs::write(file, text).unwrap();
    file.into()
}

/// A line of the summary's text: what stands behind `name`.
fn line<'a>(summary: &'a str, name: &str) -> &'a str {
    let mut lines = summary.lines().filter_map(|line| line.strip_prefix(name));
    lines.next().unwrap_or_else(|| panic!("no line '{name}' in {summary}")).trim()
}

#[test]
fn the_readmes_commands_forecast_with_the_shipped_folder() {
    let folder = tempfile::tempdir().unwrap();
    let tables = tables();
    assert_eq!(tables.len(), 2, "a training pass, then a test pass: {tables:?}");
    for name in &tables {
        table(&folder.path().join(name), 3000, name.contains("_test"));
    }
    let out = shell(folder.path(), commands());
    assert_eq!(line(&out, "detector"), "analyzer (forecast)", "{out}");
    let models = folder.path().join("plugins/analyzer/forecast/analyzer/models/forecast.safetensors");
    assert!(models.is_file(), "the training pass leaves its nets to the test pass");
    let summaries = ["0001", "0002"].map(|run| summary_of(folder.path(), run));
    for summary in &summaries {
        assert_eq!(summary["detector"], "analyzer (forecast)");
        let metrics = summary["out"].as_str().unwrap();
        let db = rusqlite::Connection::open(folder.path().join(metrics).join("store.db")).unwrap();
        let sql = "SELECT count(*) FROM metrics WHERE name = 'analyzer.row_residual'";
        let rows: u32 = db.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 3000, "a net sees every row");
    }
    // Four rows in a hundred are anomalies: what a guess would have.
    assert!(number(&summaries[1], "pr_auc") > 0.2, "{}", summaries[1]["pr_auc"]);
    // Once more gives the same: nothing of the first time is left over.
    shell(folder.path(), commands());
    let again = summary_of(folder.path(), "0004");
    assert_eq!((&again["pr_auc"], &again["roc_auc"]), (&summaries[1]["pr_auc"], &summaries[1]["roc_auc"]));
}

#[test]
fn the_folder_of_all_plugins_scores_with_the_twins_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    table(&folder.path().join("t.csv"), 500, true);
    let out = shell(folder.path(), "corec run telemetry --input t.csv --plugins plugins");
    assert_eq!(line(&out, "detector"), "twins", "{out}");
    assert_eq!(summary_of(folder.path(), "0001")["detector"], "twins");
}

/// A config.json of the analyzer in `plugins/`.
fn analyzer(folder: &Path, config: &str) {
    fs::create_dir_all(folder.join("plugins/analyzer")).unwrap();
    fs::write(folder.join("plugins/analyzer/config.json"), config).unwrap();
}

#[test]
fn a_mode_and_an_interval_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let input = table(&folder.path().join("t.csv"), 100, true);
    let run = ["run", "telemetry", "--plugins", "plugins", "--input", input.to_str().unwrap()];
    let forecast =
        |interval: &str| format!(r#"{{"name": "analyzer", "mode": "forecast", "interval": {interval}}}"#);
    analyzer(folder.path(), &forecast("10"));
    refused(
        folder.path(),
        &run,
        "plugins/analyzer/config.json: analyzer: interval: found 10 with mode 'forecast', which learns from every row, must be at \
         most 1 (tick_seconds of scenario 'telemetry') or left out",
    );
    analyzer(folder.path(), r#"{"nombre": "analizador_datos", "mode": "forecast", "intervalo": 1.5}"#);
    refused(folder.path(), &run, "analyzer: interval: found 1.5 with mode 'forecast'");
    // As often as there are rows, or oftener, is every row.
    for interval in ["1", "0.25"] {
        analyzer(folder.path(), &forecast(interval));
        assert_eq!(support::json(folder.path(), &run, 0)["detector"], "analyzer (forecast)", "{interval}");
    }
    let text = support::corec(folder.path(), &["scenarios", "telemetry"]).stdout;
    let mut slow: Value = serde_json::from_slice(&text).unwrap();
    slow["tick_seconds"] = 60.into();
    fs::write(folder.path().join("slow.json"), slow.to_string()).unwrap();
    let run = ["run", "slow.json", "--plugins", "plugins", "--input", input.to_str().unwrap()];
    analyzer(folder.path(), &forecast("60"));
    assert_eq!(support::json(folder.path(), &run, 0)["detector"], "analyzer (forecast)");
    fs::remove_dir_all(folder.path().join("runs")).unwrap();
    analyzer(folder.path(), &forecast("61"));
    refused(
        folder.path(),
        &run,
        "found 61 with mode 'forecast', which learns from every row, must be at most 60",
    );
}

#[test]
fn forecasting_without_a_table_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    analyzer(folder.path(), r#"{"name": "analyzer", "mode": "forecast"}"#);
    refused(
        folder.path(),
        &["run", "ecosystem", "--entities", "1k", "--ticks", "10", "--plugins", "plugins"],
        "plugins/analyzer/config.json: analyzer: mode: found 'forecast' with scenario 'ecosystem', which takes no table, must be \
         'score'",
    );
    // One that is not enabled does nothing, and may be anything.
    analyzer(folder.path(), r#"{"name": "analyzer", "mode": "forecast", "enabled": false}"#);
    support::json(folder.path(), &["run", "--entities", "1k", "--ticks", "10", "--plugins", "plugins"], 0);
}

/// The figures of the README's table: machine, PR-AUC, ROC-AUC.
fn figures() -> Vec<(&'static str, f64, f64)> {
    let rows = README.lines().filter_map(|line| line.strip_prefix("| SMD "));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells[0], cells[1].parse().unwrap(), cells[3].parse().unwrap())
    })
    .collect()
}

#[test]
fn the_readmes_commands_give_its_figures_on_the_development_data() {
    let (folder, figures) = (tempfile::tempdir().unwrap(), figures());
    assert_eq!(figures.len(), 3);
    for (machine, pr, roc) in figures {
        let mut there = true;
        for part in ["train", "test"] {
            let name = format!("{machine}_{part}.csv.gz");
            match shared_data(&format!("smd/{name}")) {
                Some(file) => std::os::unix::fs::symlink(file, folder.path().join(name)).unwrap(),
                None => there = false,
            }
        }
        if !there {
            continue;
        }
        let out = shell(folder.path(), &commands().replace("machine-1-2", machine));
        assert_eq!(line(&out, "detector"), "analyzer (forecast)");
        let detection = line(&out, "detection");
        assert!(
            detection.starts_with(&format!("ROC-AUC {roc:.3}, PR-AUC {pr:.3}, VUS-PR 0.")),
            "{machine}: {detection}"
        );
    }
}
