//! Row: the line of a table that a tick is about, as plugins see it, and the score that one of them may give it.
//!
//! Whoever feeds the run fills it in Ingest; its scores are those of the tick before until Measure has new ones.

use bevy_ecs::resource::Resource;

/// The table's row of this tick. Not there in a run without a table.
#[derive(Resource, Clone, Debug, Default)]
pub struct TableRow {
    columns: Vec<String>,
    /// By column; NaN for a gap.
    pub values: Vec<f64>,
    /// Whether the row is an anomaly, where that is known.
    pub label: Option<bool>,
    /// The score of each column; NaN for a gap.
    pub column_scores: Vec<f32>,
    /// The score of the row.
    pub score: f32,
    /// What a plugin has scored it in this tick: see [`Outbox::score_row`](crate::outbox::Outbox::score_row).
    pub given: Option<GivenScore>,
}

/// A score that a plugin gives a row, in place of the twins' or the forest's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GivenScore {
    /// The plugin.
    pub plugin: &'static str,
    /// By which of its methods.
    pub method: &'static str,
    /// The score, a finite number.
    pub score: f32,
}

impl TableRow {
    /// A row of gaps, of a table with these measured columns.
    pub fn new(columns: Vec<String>) -> Self {
        let n = columns.len();
        Self { columns, values: vec![f64::NAN; n], column_scores: vec![0.0; n], ..Self::default() }
    }

    /// The names of the measured columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }
}
