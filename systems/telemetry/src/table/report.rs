//! Report: the rows, columns and gaps that a table turned out to hold.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::TableReader;
use crate::live::{LineCounts, Lines};

/// What a table turned out to hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TableReport {
    /// Rows read.
    pub rows: u64,
    /// Entries of a stream that are no row.
    pub refused: u64,
    /// Entries of a stream that were gone before they could be read.
    pub lost: u64,
    /// How often the stream's server was away.
    pub outages: u64,
    /// For how long in all, seconds.
    pub away_seconds: f64,
    /// Why it can't be reached, or read; null while it can.
    pub away: Option<String>,
    /// Measured columns.
    pub columns: Vec<String>,
    /// Columns left out because they do not hold numbers.
    pub left_out: Vec<String>,
    /// Gaps in all.
    pub gaps: u64,
    /// Columns with gaps, and how many.
    pub gaps_by_column: Vec<(String, u64)>,
}

impl TableReader {
    /// What the table has turned out to hold so far.
    pub fn report(&self) -> TableReport {
        let is_special = |column| [self.time, self.label, self.sequence].contains(&Some(column));
        let counts = self.live.as_ref().map(Lines::counts);
        let count =
            |of: fn(&LineCounts) -> &AtomicU64| counts.map_or(0, |all| of(all).load(Ordering::Relaxed));
        TableReport {
            rows: self.rows,
            refused: count(|all| &all.refused),
            lost: count(|all| &all.lost),
            outages: count(|all| &all.outages),
            away_seconds: count(|all| &all.away_ms) as f64 / 1e3,
            away: counts.and_then(LineCounts::away),
            columns: self.measured.iter().map(|&c| self.names[c].clone()).collect(),
            left_out: (0..self.names.len())
                .filter(|c| !is_special(*c) && !self.measured.contains(c))
                .map(|c| self.names[c].clone())
                .collect(),
            gaps: self.gaps.iter().sum(),
            gaps_by_column: (0..self.gaps.len())
                .filter(|&at| self.gaps[at] > 0)
                .map(|at| (self.column(at).to_string(), self.gaps[at]))
                .collect(),
        }
    }
}
