//! Follow: every twin follows its column, keeps its own recent normal, and scores what it sees.
//!
//! A twin's normal is an exponentially weighted mean and variance over its window: with the weight
//! `a = max(1 / n, 2 / (window + 1))` for its `n`-th value, `mean += a * d`, `variance = (1 - a) * (variance + a * d^2)`
//! where `d = value - mean` (West 1979, "Updating mean and variance estimates"). Its score is
//! `|d| / max(deviation, floor * range of the column so far)`, taken before the value is learned and at most
//! `score_max`; 0 during `warmup`. A gap changes nothing.
//! A column's score is the highest of its twins'; a row's is the mean of its min(3, n) highest columns.

use std::path::{Path, PathBuf};

use bevy_ecs::prelude::*;
use bytemuck::{Pod, Zeroable};
use corec_core::alert::Alerts;
use corec_core::blocks::Blocks;
use corec_core::column::{Signal, StableId};
use corec_core::config::{AlertSignal, Telemetry};
use corec_core::journal::{Input, Journal};
use corec_core::simulation::{Ending, RunScenario};
use corec_core::stats::Totals;
use corec_core::units::Tick;
use libm::pow;

use super::detection::{Detector, Detectors, Windows};
use super::table::{TableError, TableReader, TableReport};

/// Columns whose mean is a row's score.
const HIGHEST: usize = 3;

/// What a twin knows of its column.
#[derive(Component, Pod, Zeroable, Clone, Copy, Default, PartialEq, Debug)]
#[repr(C)]
pub struct Twin {
    /// The running mean.
    pub mean: f64,
    /// The running variance.
    pub variance: f64,
    /// The lowest value so far.
    pub lowest: f64,
    /// The highest value so far.
    pub highest: f64,
    /// Values seen.
    pub seen: u64,
    /// The last value, as far as an `f32` tells it.
    pub value: f32,
    /// The last score.
    pub score: f32,
    /// The column it follows.
    pub column: u32,
    /// Rows it averages over.
    pub window: f32,
}

/// The table that a run replays, and what was found in it.
#[derive(Resource)]
pub struct TableInput {
    /// The table; none while rows come from a journal only.
    table: Option<TableReader>,
    /// The names of its measured columns.
    columns: Vec<String>,
    /// Where the sequence of the last row that the journal has on disk is written.
    pub ack: Option<PathBuf>,
    /// Kills the process in this tick, once its row is in the journal and before it is applied.
    pub kill_in: Option<u64>,
    /// The sequence of the last row taken, and rows left out because they had been taken before.
    last_sequence: u64,
    repeated: u64,
    /// A row of a pipe that was read before its tick.
    pending: Option<u64>,
    /// Spans of time that hold anomalies.
    pub windows: Option<Windows>,
    /// The row of this tick; NaN for a gap.
    pub values: Vec<f64>,
    /// Whether the row of this tick is an anomaly, where that is known.
    pub label: Option<bool>,
    /// The score of each column.
    pub column_scores: Vec<f32>,
    /// The score of the row.
    pub row_score: f32,
    /// The score that a plugin gives the row of this tick, in place of the twins'.
    pub(crate) given_score: Option<(Detector, f32)>,
    /// Whose scores the rows had.
    pub detectors: Detectors,
    /// (score, is an anomaly) of every labelled row so far.
    pub scored: Vec<(f32, bool)>,
}

impl TableInput {
    /// The input of a run, before its first row.
    pub fn new(table: TableReader, windows: Option<Windows>) -> Self {
        let columns = (0..table.width()).map(|at| table.column(at).to_string()).collect();
        Self { table: Some(table), windows, ..Self::recorded(columns) }
    }

    /// The input of a run whose rows are all in its journal.
    pub fn recorded(columns: Vec<String>) -> Self {
        let n = columns.len();
        Self {
            table: None,
            columns,
            ack: None,
            kill_in: None,
            last_sequence: 0,
            repeated: 0,
            pending: None,
            windows: None,
            values: vec![f64::NAN; n],
            label: None,
            column_scores: vec![0.0; n],
            row_score: 0.0,
            given_score: None,
            detectors: Detectors::default(),
            scored: Vec::new(),
        }
    }
}

/// Ingest: takes the tick's row, from the journal as long as that has rows. Ends the run after the last one.
pub fn take_row(
    input: Option<ResMut<TableInput>>,
    tick: Res<Tick>,
    mut journal: ResMut<Journal>,
    mut ending: ResMut<Ending>,
) {
    let Some(mut input) = input else { return };
    let input = &mut *input;
    if let Some(row) = journal.replay(tick.0, |input| matches!(input, Input::Row { .. })) {
        return input.replay(row, &mut ending);
    }
    if journal.is_replaying() {
        ending.is_finished = true;
        return;
    }
    match input.read() {
        Ok(Some((sequence, is_last))) => {
            ending.is_finished |= is_last;
            let (values, label) = (input.values.clone(), input.label);
            journal.record(tick.0, Input::Row { sequence, values, label, is_last });
            if let Some(ack) = &input.ack {
                journal.commit();
                // A row that is not on disk must be sent again.
                let safe = journal.failure().is_none();
                if safe && let Err(error) = acknowledge(ack, sequence) {
                    ending.fail(format!("--ack: {}: {error}", ack.display()));
                }
            }
            if input.kill_in == Some(tick.0) {
                _ = signal_hook::low_level::raise(signal_hook::consts::SIGKILL);
            }
        }
        Ok(None) => ending.is_finished = true,
        Err(error) => ending.fail(error),
    }
}

impl TableInput {
    /// The names of the measured columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// What the table has turned out to hold; none where rows come from a journal only.
    pub fn report(&self) -> Option<TableReport> {
        self.table.as_ref().map(TableReader::report)
    }

    fn replay(&mut self, row: Input, ending: &mut Ending) {
        let Input::Row { sequence, values, label, is_last } = row else { return };
        self.last_sequence = sequence;
        if values.len() != self.values.len() {
            let (found, expected) = (values.len(), self.values.len());
            return ending.fail(format!(
                "journal: found a row of {found} values, must be {expected} as the table has"
            ));
        }
        (self.values, self.label) = (values, label);
        ending.is_finished |= is_last;
    }

    /// Goes on after row `sequence`, which was taken before.
    pub fn go_on_after(&mut self, sequence: u64) {
        self.last_sequence = sequence;
    }

    /// Whether rows are numbered by a column `sequence`.
    pub fn has_sequence(&self) -> bool {
        self.table.as_ref().is_some_and(TableReader::has_sequence)
    }

    /// Rows left out because they had been taken before.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Waits for the next row of a pipe; says whether there is one before the pipe is closed or `is_stopped`. A file's rows are there.
    ///
    /// # Errors
    /// See [`TableError`].
    pub fn wait(&mut self, is_stopped: &dyn Fn() -> bool) -> Result<bool, TableError> {
        while self.pending.is_none() && self.table.as_ref().is_some_and(TableReader::is_live) {
            let Some(table) = &mut self.table else { break };
            if !table.wait(is_stopped)? {
                return Ok(false);
            }
            self.pending = self.read_row()?;
        }
        Ok(true)
    }

    /// The next row that was not taken before: its number, and whether it is known to be the last. None at the end.
    fn read(&mut self) -> Result<Option<(u64, bool)>, TableError> {
        loop {
            let row = match self.pending.take() {
                Some(row) => Some(row),
                None if self.table.as_mut().map_or(Ok(false), TableReader::has_next)? => self.read_row()?,
                None => return Ok(None),
            };
            let Some(sequence) = row else { continue };
            let is_last = match &mut self.table {
                Some(table) if !table.is_live() => !table.has_next()?,
                _ => false,
            };
            return Ok(Some((sequence, is_last)));
        }
    }

    /// Reads a row. Gives its number, counted from 1 or from its column `sequence`; none if it was taken before.
    fn read_row(&mut self) -> Result<Option<u64>, TableError> {
        let Some(table) = &mut self.table else { return Ok(None) };
        let Some(meta) = table.next_row(&mut self.values)? else { return Ok(None) };
        let sequence = meta.sequence.unwrap_or_else(|| table.rows());
        if sequence <= self.last_sequence {
            self.repeated += 1;
            return Ok(None);
        }
        self.last_sequence = sequence;
        let in_window = |w: &Windows| meta.timestamp.as_deref().map(|at| w.contains(at));
        self.label = self.windows.as_ref().and_then(in_window).or(meta.label);
        Ok(Some(sequence))
    }
}

/// Tells whoever feeds the pipe that it need not send rows up to `sequence` again.
fn acknowledge(file: &Path, sequence: u64) -> std::io::Result<()> {
    let temporary = file.with_extension("tmp");
    std::fs::write(&temporary, format!("{sequence}\n"))?;
    std::fs::rename(temporary, file)
}

/// Gives every twin its column and window. The twins of a column follow each other.
pub fn assign(
    input: Option<Res<TableInput>>,
    scenario: Res<RunScenario>,
    blocks: Blocks<(&StableId, &mut Twin)>,
) {
    let (Some(input), Some(settings)) = (input, scenario.0.telemetry) else { return };
    let columns = input.values.len() as u32;
    let mut first = None;
    blocks.for_each_block(|view, (ids, twins)| {
        let replicas = view.group.settings().replicas;
        // Ids of a group are consecutive; a second group starts at column 0 again.
        if first.is_none_or(|(group, _)| group != view.group_id()) {
            first = Some((view.group_id(), ids[0].0));
        }
        let first_id = first.map_or(0, |(_, id)| id);
        for (id, twin) in ids.iter().zip(twins) {
            let at = (id.0 - first_id) as u32;
            twin.column = (at / replicas).min(columns - 1);
            twin.window = window(&settings, at % replicas, replicas);
        }
    });
}

/// The window of replica `k` of `n`: spread evenly over a logarithmic scale; a single one takes the middle.
pub fn window(settings: &Telemetry, k: u32, n: u32) -> f32 {
    let at = if n > 1 { f64::from(k) / f64::from(n - 1) } else { 0.5 };
    (settings.window_min * pow(settings.window_max / settings.window_min, at)) as f32
}

/// Process: lets every twin follow its column. Its value is how normal it finds it: 1 at its mean, 0.5 at a score of 3.
pub fn follow(
    input: Option<Res<TableInput>>,
    scenario: Res<RunScenario>,
    blocks: Blocks<(&mut Twin, &mut Signal)>,
    mut totals: ResMut<Totals>,
) {
    let (Some(input), Some(settings)) = (input, scenario.0.telemetry) else { return };
    let mut updates = vec![0u64; blocks.population().block_count()];
    blocks.par_fold_blocks(&mut updates, |updates, _, (twins, signals)| {
        *updates += twins.len() as u64;
        follow_kernel(&settings, &input.values, twins, signals);
    });
    totals.entity_updates += updates.iter().sum::<u64>();
}

fn follow_kernel(settings: &Telemetry, values: &[f64], twins: &mut [Twin], signals: &mut [Signal]) {
    for (twin, signal) in twins.iter_mut().zip(signals) {
        let value = values[twin.column as usize];
        if !value.is_nan() {
            learn(settings, twin, value);
            signal.value = 1.0 / (1.0 + twin.score / 3.0);
        }
    }
}

/// Shows a twin the next value of its column.
pub fn learn(settings: &Telemetry, twin: &mut Twin, value: f64) {
    if twin.seen == 0 {
        (twin.mean, twin.lowest, twin.highest) = (value, value, value);
    }
    let distance = value - twin.mean;
    let floor = settings.deviation_floor * (twin.highest - twin.lowest);
    let deviation = twin.variance.sqrt().max(floor);
    twin.score = if twin.seen < u64::from(settings.warmup) || distance == 0.0 {
        0.0
    } else {
        // A column that has never moved and now does is as far from normal as can be told.
        (distance.abs() / deviation).min(settings.score_max) as f32
    };
    twin.seen += 1;
    let weight = (1.0 / twin.seen as f64).max(2.0 / (f64::from(twin.window) + 1.0));
    twin.mean += weight * distance;
    twin.variance = (1.0 - weight) * (twin.variance + weight * distance * distance);
    twin.lowest = twin.lowest.min(value);
    twin.highest = twin.highest.max(value);
    twin.value = value as f32;
}

/// Measure: the scores of columns and row, and the alerts about them.
pub fn score(
    input: Option<ResMut<TableInput>>,
    blocks: Blocks<&Twin>,
    mut alerts: ResMut<Alerts>,
    tick: Res<Tick>,
    mut highest: Local<Vec<f32>>,
) {
    let Some(mut input) = input else { return };
    let input = &mut *input;
    for (score, value) in input.column_scores.iter_mut().zip(&input.values) {
        // A gap has no score of its own.
        *score = if value.is_nan() { f32::NAN } else { 0.0 };
    }
    blocks.for_each(|twins| {
        for twin in twins {
            let score = &mut input.column_scores[twin.column as usize];
            if twin.score > *score {
                *score = twin.score;
            }
        }
    });
    highest.clear();
    highest.extend(input.column_scores.iter().filter(|score| !score.is_nan()));
    highest.sort_unstable_by(|a, b| b.total_cmp(a));
    highest.truncate(HIGHEST);
    let of_twins = highest.iter().sum::<f32>() / highest.len().max(1) as f32;
    let (detector, row_score) = input.given_score.take().unwrap_or((Detector::Twins, of_twins));
    input.row_score = row_score;
    input.detectors.count(detector);
    for (at, score) in input.column_scores.iter().enumerate().filter(|(_, score)| !score.is_nan()) {
        let name = || format!("column {}", input.columns[at]);
        alerts.observe(AlertSignal::ColumnScore, at as u32, f64::from(*score), tick.0, name);
    }
    alerts.observe(AlertSignal::RowScore, 0, f64::from(input.row_score), tick.0, || "row".into());
    if let Some(label) = input.label {
        input.scored.push((input.row_score, label));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twin(window: f32) -> Twin {
        Twin { window, ..Twin::default() }
    }

    #[test]
    fn a_twin_learns_the_mean_and_deviation_of_its_column() {
        let settings = Telemetry::default();
        let mut slow = twin(1e6);
        let values: Vec<f64> = (0..1000).map(|i| 5.0 + f64::from(i % 7)).collect();
        values.iter().for_each(|v| learn(&settings, &mut slow, *v));
        let mean = values.iter().sum::<f64>() / 1000.0;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 1000.0;
        assert!((slow.mean - mean).abs() < 1e-9 && (slow.variance - variance).abs() < 1e-9, "{slow:?}");
    }

    #[test]
    fn a_spike_scores_and_a_slow_drift_does_not() {
        let settings = Telemetry::default();
        let mut t = twin(200.0);
        for i in 0..2000 {
            learn(&settings, &mut t, f64::from(i) * 0.001 + f64::from(i % 2));
            assert!(t.score < 2.0, "row {i}: {}", t.score);
        }
        learn(&settings, &mut t, 12.0);
        assert!(t.score > 15.0, "{}", t.score);
    }

    #[test]
    fn a_constant_column_that_moves_scores_the_most() {
        let settings = Telemetry::default();
        let mut t = twin(200.0);
        (0..500).for_each(|_| learn(&settings, &mut t, 3.0));
        assert_eq!(t.score, 0.0);
        learn(&settings, &mut t, 3.1);
        assert_eq!(f64::from(t.score), settings.score_max);
    }

    #[test]
    fn windows_are_spread_on_a_logarithmic_scale() {
        let settings = Telemetry::default();
        let near = |a: f32, b: f32| assert!((a / b - 1.0).abs() < 1e-6, "{a} is not {b}");
        near(window(&settings, 0, 3), 200.0);
        near(window(&settings, 1, 3), 632.455_5);
        near(window(&settings, 2, 3), 2000.0);
        near(window(&settings, 0, 1), 632.455_5);
    }
}
