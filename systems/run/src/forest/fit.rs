//! Fit: a table becomes a forest in a file.

use std::fmt;
use std::path::PathBuf;

use corec_core::stop::Stop;
use corec_core::units::grouped;
use corec_dynamics::forest::{IsolationForest, Rows, Settings};
use serde::Serialize;

use super::rows::Table;
use super::{pool, refusal};
use crate::clock::now;
use crate::error::RunError;

/// Values of a table that are kept at once: 4 GiB of them.
const VALUES_MAX: usize = 1 << 30;

/// Rows between two that somebody is told of.
const TOLD: u64 = 4096;

/// What is fitted, and how.
#[derive(Clone, Debug)]
pub struct Fitting {
    /// The table.
    pub table: Table,
    /// Where the forest goes.
    pub out: PathBuf,
    /// How it is grown.
    pub settings: Settings,
    /// Threads; as many as the process may use if not given. The forest does not depend on it.
    pub threads: Option<u32>,
}

/// What became of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FitReport {
    /// The forest's file.
    pub out: PathBuf,
    /// Rows it was grown on.
    pub rows: u64,
    /// Rows with a gap, which were left out.
    pub skipped: u64,
    /// Columns, in the order of a row's values.
    pub columns: Vec<String>,
    /// Trees.
    pub trees: usize,
    /// Rows that each tree was grown on.
    pub samples: u32,
    /// The score below which a row is an outlier.
    pub offset: f64,
    /// Of the draws.
    pub seed: u64,
    /// How long the trees took.
    pub fit_seconds: f64,
    /// How long all took, reading included.
    pub seconds: f64,
}

/// Grows a forest on a table, and saves it. `tell` hears of rows read and seconds.
///
/// # Errors
/// A table, settings or a place that won't do; a row with a gap; a signal.
pub fn fit(what: &Fitting, stop: &Stop, tell: &mut dyn FnMut(u64, f64)) -> Result<FitReport, RunError> {
    let started = now();
    let mut rows = what.table.open(stop)?;
    let columns = rows.names();
    let (mut values, mut count) = (Vec::new(), 0u64);
    while rows.next(&mut values)?.is_some() {
        count += 1;
        if values.len() > VALUES_MAX {
            let path = what.table.path.display();
            return Err(RunError::Failed(format!(
                "{path}: found over {VALUES_MAX} values, must be fewer: take a part of the rows"
            )));
        }
        if count.is_multiple_of(TOLD) {
            tell(count, started.elapsed().as_secs_f64());
        }
    }
    if count == 0 {
        let (path, skipped) = (what.table.path.display(), rows.skipped);
        return Err(RunError::Failed(format!(
            "{path}: found {skipped} rows with a gap and no other, must be one at least"
        )));
    }
    let fitting = now();
    let grow = || IsolationForest::fit(&what.settings, Rows::new(&values, columns.len())?);
    let forest = pool(what.threads)?.install(grow).map_err(refusal)?;
    let fit_seconds = fitting.elapsed().as_secs_f64();
    let forest = forest.with_names(columns.clone()).map_err(refusal)?;
    forest.save(&what.out).map_err(|e| RunError::Failed(e.to_string()))?;
    Ok(FitReport {
        out: what.out.clone(),
        rows: count,
        skipped: rows.skipped,
        columns,
        trees: forest.trees().len(),
        samples: forest.samples(),
        offset: forest.offset(),
        seed: what.settings.seed,
        fit_seconds,
        seconds: started.elapsed().as_secs_f64(),
    })
}

impl fmt::Display for FitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trees, samples, seconds, .. } = self;
        let columns = self.columns.len();
        write!(
            f,
            "{trees} trees of {samples} rows each, grown on {} rows of {columns} columns",
            grouped(self.rows)
        )?;
        if self.skipped > 0 {
            write!(f, " ({} with a gap left out)", grouped(self.skipped))?;
        }
        writeln!(f, " in {seconds:.2} s: {}", self.out.display())?;
        writeln!(f, "a row is an outlier if its anomaly score is above {:.4}", -self.offset)
    }
}
