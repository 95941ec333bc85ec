//! `corec forest`: which rows of a table stand apart.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use corec_run::forest::{
    Contamination, Fitting, MaxFeatures, MaxSamples, Scoring, Settings, Table, fit, score,
};
use corec_run::{RunError, Stop};

use super::progress::Bar;

/// Find the rows of a table that stand apart, by an isolation forest
///
/// `fit` grows a forest on a table and saves it; `score` gives each row of a table, the same or another, an anomaly score: towards 1 if it
/// stands apart, about 0.5 or below if it does not. Settings and results are those of scikit-learn's IsolationForest, but for its random
/// numbers; its score_samples is the opposite of the score here. The same seed gives the same forest at any number of threads.
#[derive(Args)]
pub struct ForestArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Fit(FitArgs),
    Score(ScoreArgs),
}

#[derive(Args)]
struct TableArgs {
    /// The table: CSV with a header, plain or gzipped; its columns of numbers count, but not `label`, `sequence` and times
    #[arg(value_name = "FILE", value_parser = super::path())]
    table: PathBuf,

    /// Leave out rows with a gap (empty, NaN, null); the first ends the command otherwise
    #[arg(long)]
    skip_gaps: bool,

    /// Threads; as many as the process may use if not given. Results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024), allow_negative_numbers = true)]
    threads: Option<u32>,

    /// Print what was done as one JSON object
    #[arg(long)]
    json: bool,

    /// No progress and no summary
    #[arg(long, short)]
    quiet: bool,
}

/// Grow a forest on a table, and save it
///
/// Rows should be of ordinary times mostly: what is rare in them stands apart. A column `label` is not looked at.
///
/// Exit status: 0 saved, 1 a row with a gap or a broken table, 2 bad usage, 129, 130 or 143 interrupted.
#[derive(Args)]
#[command(after_help = "Examples:
  corec forest fit machine.csv.gz --out machine.forest
  corec forest fit t.csv --out t.forest --contamination 0.01 --seed 7
  corec forest fit t.csv --out t.forest --trees 300 --samples 0.1 --features 4 --bootstrap --skip-gaps --json")]
struct FitArgs {
    #[command(flatten)]
    table: TableArgs,

    /// The forest's file; one that is there is replaced
    #[arg(long, value_name = "FOREST", value_parser = super::path())]
    out: PathBuf,

    /// Trees, 1 to 10000
    #[arg(long, value_name = "N", default_value_t = 100, allow_negative_numbers = true)]
    trees: u32,

    /// Rows for each tree: a whole number, a share as 0.5, or `auto`: 256, or all if there are fewer
    #[arg(long, value_name = "N", default_value = "auto", value_parser = samples, allow_negative_numbers = true)]
    samples: MaxSamples,

    /// Columns for each tree: a whole number, or a share as 0.5
    #[arg(long, value_name = "N", default_value = "1.0", value_parser = features, allow_negative_numbers = true)]
    features: MaxFeatures,

    /// Share of these rows that are outliers, above 0 to 0.5; `auto`: those with a score above 0.5
    #[arg(long, value_name = "X", default_value = "auto", value_parser = contamination, allow_negative_numbers = true)]
    contamination: Contamination,

    /// Draw a tree's rows with replacement
    #[arg(long)]
    bootstrap: bool,

    /// Seed of every random draw
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,
}

/// Score the rows of a table by a forest
///
/// Says how many rows are outliers, and which stand apart most, by their lines in the table; with a column `label` of 0 and 1, how well the
/// scores tell them apart (ROC-AUC, PR-AUC). The table must have the columns that the forest was grown on, in any order.
///
/// Exit status: 0 scored, 1 a row with a gap or a broken table, 2 bad usage or no forest, 129, 130 or 143 interrupted.
#[derive(Args)]
#[command(after_help = "Examples:
  corec forest score today.csv --forest machine.forest
  corec forest score today.csv --forest machine.forest --out scores.csv --skip-gaps
  corec forest score labelled.csv.gz --forest t.forest --json | jq .pr_auc")]
struct ScoreArgs {
    #[command(flatten)]
    table: TableArgs,

    /// The forest, as `corec forest fit` saved it
    #[arg(long, value_name = "FOREST", value_parser = super::path())]
    forest: PathBuf,

    /// A file for all scores, a line a row: line,score,outlier and label if there is one
    #[arg(long, value_name = "SCORES.csv", value_parser = super::path())]
    out: Option<PathBuf>,
}

/// Does it, and gives the exit status.
///
/// # Errors
/// What kept it from ending well.
pub fn main(args: ForestArgs, stop: &Stop) -> Result<ExitCode, RunError> {
    match args.command {
        Command::Fit(args) => {
            let settings = Settings {
                n_estimators: args.trees,
                max_samples: args.samples,
                max_features: args.features,
                contamination: args.contamination,
                bootstrap: args.bootstrap,
                seed: args.seed,
            };
            let work = |table, threads, tell: &mut dyn FnMut(u64, f64)| {
                fit(&Fitting { table, out: args.out, settings, threads }, stop, tell)
            };
            args.table.run("rows read", work, serde_json::to_string)
        }
        Command::Score(args) => {
            let work = |table, threads, tell: &mut dyn FnMut(u64, f64)| {
                score(&Scoring { table, forest: args.forest, out: args.out, threads }, stop, tell)
            };
            args.table.run("rows", work, serde_json::to_string)
        }
    }
}

impl TableArgs {
    /// Does `work` with the table, tells how far it is, and says what came of it.
    fn run<R: ToString>(
        &self,
        unit: &'static str,
        work: impl FnOnce(Table, Option<u32>, &mut dyn FnMut(u64, f64)) -> Result<R, RunError>,
        json: impl FnOnce(&R) -> serde_json::Result<String>,
    ) -> Result<ExitCode, RunError> {
        let mut bar = Bar::new(unit, self.quiet || self.json);
        let table = Table { path: self.table.clone(), skip_gaps: self.skip_gaps };
        let report = work(table, self.threads, &mut |rows, seconds| {
            bar.tell(rows, None, seconds, || format!("{:.0} rows/s", rows as f64 / seconds.max(1e-9)));
        });
        bar.finish();
        let report = report?;
        Ok(if self.json {
            let json = json(&report).expect("a report is text and numbers");
            super::print(&format!("{json}\n"))
        } else if self.quiet {
            ExitCode::SUCCESS
        } else {
            super::print(&report.to_string())
        })
    }
}

/// A whole number is a count, any other a share, as scikit-learn tells an int from a float.
enum Part {
    Count(u32),
    Share(f64),
}

fn part(text: &str, also: &str) -> Result<Part, String> {
    let number = text.parse().map(Part::Count).or_else(|_| text.parse().map(Part::Share));
    number.map_err(|_| format!("found '{text}', must be a whole number, a share as 0.5{also}"))
}

fn samples(text: &str) -> Result<MaxSamples, String> {
    if text == "auto" {
        return Ok(MaxSamples::Auto);
    }
    Ok(match part(text, " or auto")? {
        Part::Count(count) => MaxSamples::Count(count),
        Part::Share(share) => MaxSamples::Share(share),
    })
}

fn features(text: &str) -> Result<MaxFeatures, String> {
    Ok(match part(text, "")? {
        Part::Count(count) => MaxFeatures::Count(count),
        Part::Share(share) => MaxFeatures::Share(share),
    })
}

fn contamination(text: &str) -> Result<Contamination, String> {
    match text.parse() {
        _ if text == "auto" => Ok(Contamination::Auto),
        Ok(share) => Ok(Contamination::Share(share)),
        Err(_) => Err(format!("found '{text}', must be auto, or a share within 0 and 0.5")),
    }
}
