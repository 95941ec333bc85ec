//! Score: the rows of a table, by a forest from a file.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use corec_core::stop::Stop;
use corec_core::units::grouped;
use corec_dynamics::forest::{IsolationForest, Rows};
use corec_telemetry::detection::auc;
use corec_telemetry::table::RowMeta;
use serde::Serialize;

use super::rows::Table;
use super::{pool, refusal};
use crate::clock::{now, per_second};
use crate::error::RunError;

/// Rows that are read, scored and written at once.
const PART: usize = 1 << 16;
/// Rows that are named for standing apart most.
const HIGHEST: usize = 5;

/// What is scored, and by what.
#[derive(Clone, Debug)]
pub struct Scoring {
    /// The table.
    pub table: Table,
    /// The forest's file.
    pub forest: PathBuf,
    /// Where a row's score goes, a line each: CSV.
    pub out: Option<PathBuf>,
    /// Threads; as many as the process may use if not given. Scores do not depend on it.
    pub threads: Option<u32>,
}

/// A row that stands apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct High {
    /// Its line in the table.
    pub line: u64,
    /// The cell of the time column.
    pub timestamp: Option<String>,
    /// Its anomaly score.
    pub score: f64,
}

/// What the scores came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ScoreReport {
    /// Rows scored.
    pub rows: u64,
    /// Rows with a gap, which were left out.
    pub skipped: u64,
    /// Rows with a score above the threshold.
    pub outliers: u64,
    /// The anomaly score above which a row is an outlier.
    pub threshold: f64,
    /// Area under the ROC curve; null without labels of both kinds.
    pub roc_auc: Option<f64>,
    /// Area under the precision-recall curve, likewise.
    pub pr_auc: Option<f64>,
    /// The rows that stand apart most, the first most of all.
    pub highest: Vec<High>,
    /// The file of scores.
    pub out: Option<PathBuf>,
    /// How long it took.
    pub seconds: f64,
    /// Rows in a second.
    pub rows_per_second: f64,
}

/// Scores a table. `tell` hears of rows scored and seconds.
///
/// # Errors
/// A table, forest or place that won't do; columns that differ; a row with a gap; a signal.
pub fn score(what: &Scoring, stop: &Stop, tell: &mut dyn FnMut(u64, f64)) -> Result<ScoreReport, RunError> {
    let started = now();
    let forest = IsolationForest::load(&what.forest).map_err(refusal)?;
    let mut rows = what.table.open(stop)?;
    if !forest.names().is_empty() {
        rows.arrange(forest.names(), &what.forest)?;
    }
    let mut out = what.out.as_deref().map(ScoresFile::create).transpose()?;
    let mut found = Found { offset: forest.offset(), ..Found::default() };
    let (mut values, mut metas) = (Vec::new(), Vec::with_capacity(PART));
    let pool = pool(what.threads)?;
    loop {
        values.clear();
        metas.clear();
        while metas.len() < PART
            && let Some(meta) = rows.next(&mut values)?
        {
            metas.push(meta);
        }
        if metas.is_empty() {
            break;
        }
        let part = Rows::new(&values, values.len() / metas.len()).map_err(refusal)?;
        let scores = pool.install(|| forest.score_samples(part)).map_err(refusal)?;
        for (meta, score) in metas.iter().zip(scores) {
            let is_outlier = found.take(meta, score);
            if let Some(out) = &mut out {
                out.line(meta, -score, is_outlier)?;
            }
        }
        tell(found.report.rows, started.elapsed().as_secs_f64());
    }
    out.map_or(Ok(()), ScoresFile::finish)?;
    let (areas, seconds) = (auc(&mut found.labelled), started.elapsed().as_secs_f64());
    Ok(ScoreReport {
        skipped: rows.skipped,
        threshold: -forest.offset(),
        roc_auc: areas.map(|areas| areas.0),
        pr_auc: areas.map(|areas| areas.1),
        out: what.out.clone(),
        seconds,
        rows_per_second: per_second(found.report.rows, seconds),
        ..found.report
    })
}

/// What the rows so far came to.
#[derive(Default)]
struct Found {
    offset: f64,
    report: ScoreReport,
    labelled: Vec<(f32, bool)>,
}

impl Found {
    /// Takes a row's score, and says whether it is an outlier.
    fn take(&mut self, meta: &RowMeta, score: f64) -> bool {
        let is_outlier = score < self.offset;
        self.report.rows += 1;
        self.report.outliers += u64::from(is_outlier);
        self.labelled.extend(meta.label.map(|label| (-score as f32, label)));
        let highest = &mut self.report.highest;
        let at = highest.partition_point(|high| high.score >= -score);
        if at < HIGHEST {
            let timestamp = meta.timestamp.clone();
            highest.insert(at, High { line: meta.line, timestamp, score: -score });
            highest.truncate(HIGHEST);
        }
        is_outlier
    }
}

/// A file of scores, which has its name once it is whole.
struct ScoresFile {
    path: PathBuf,
    part: PathBuf,
    file: BufWriter<File>,
    is_begun: bool,
}

impl ScoresFile {
    fn create(path: &Path) -> Result<Self, RunError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let part = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
        let file = File::create(&part).map_err(|e| RunError::Usage(format!("{}: {e}", path.display())))?;
        Ok(Self { path: path.into(), part, file: BufWriter::new(file), is_begun: false })
    }

    fn failed(&self) -> impl Fn(std::io::Error) -> RunError + use<> {
        let path = self.path.clone();
        move |e| RunError::Failed(format!("{}: {e}", path.display()))
    }

    fn line(&mut self, meta: &RowMeta, score: f64, is_outlier: bool) -> Result<(), RunError> {
        let (failed, file) = (self.failed(), &mut self.file);
        if !self.is_begun {
            let label = if meta.label.is_some() { ",label" } else { "" };
            writeln!(file, "line,score,outlier{label}").map_err(&failed)?;
            self.is_begun = true;
        }
        // The fewest digits that are read as the same number.
        write!(file, "{},{score},{}", meta.line, u8::from(is_outlier)).map_err(&failed)?;
        match meta.label {
            Some(label) => writeln!(file, ",{}", u8::from(label)),
            None => writeln!(file),
        }
        .map_err(failed)
    }

    fn finish(mut self) -> Result<(), RunError> {
        let failed = self.failed();
        self.file.flush().and_then(|()| fs::rename(&self.part, &self.path)).map_err(failed)
    }
}

impl Drop for ScoresFile {
    fn drop(&mut self) {
        // There only if something went wrong before it was whole.
        _ = fs::remove_file(&self.part);
    }
}

impl fmt::Display for ScoreReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, threshold, .. } = self;
        write!(f, "{} rows scored in {seconds:.2} s", grouped(self.rows))?;
        if self.skipped > 0 {
            write!(f, ", {} with a gap left out", grouped(self.skipped))?;
        }
        writeln!(f, "; {} outliers, with a score above {threshold:.4}", grouped(self.outliers))?;
        if let (Some(roc), Some(pr)) = (self.roc_auc, self.pr_auc) {
            writeln!(f, "by the labels: ROC-AUC {roc:.4}, PR-AUC {pr:.4}")?;
        }
        for High { line, timestamp, score } in &self.highest {
            let time = timestamp.as_deref().map(|time| format!(" ({time})")).unwrap_or_default();
            writeln!(f, "score {score:.4}  line {line}{time}")?;
        }
        match &self.out {
            Some(out) => writeln!(f, "scores: {}", out.display()),
            None => Ok(()),
        }
    }
}
