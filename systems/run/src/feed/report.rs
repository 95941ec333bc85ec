//! Report: what a feed has done.

use std::fmt;

use corec_core::units::{counted, grouped};
use serde::Serialize;

/// What a feed has done, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FeedReport {
    /// The stream.
    pub stream: String,
    /// The server, without a password.
    pub to: String,
    /// Rows read from the table.
    pub rows: u64,
    /// Rows that this process has sent, each counted once.
    pub sent: u64,
    /// Rows that the stream had already.
    pub already_there: u64,
    /// Rows that the engine has said to have, and that were not there to be seen.
    pub acknowledged: u64,
    /// Rows that were sent again: the server had them, and lost them.
    pub sent_again: u64,
    /// Rows that the server had, lost, and takes no more.
    pub lost: u64,
    /// The number of the last row that the stream has.
    pub last_sequence: u64,
    /// How often the server was away.
    pub outages: u64,
    /// How long it took.
    pub seconds: f64,
    /// Rows sent in a second.
    pub rows_per_second: f64,
    /// The signal that ended it; null if none did.
    pub interrupted_by: Option<usize>,
    /// What ended it before its time; null if nothing did.
    pub error: Option<String>,
}

impl fmt::Display for FeedReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sent in {:.2} s: {:.1} rows/s to stream '{}' of {}",
            counted(self.sent, "row"),
            self.seconds,
            self.rows_per_second,
            self.stream,
            self.to
        )?;
        let others = [
            (self.already_there, "already there"),
            (self.acknowledged, "acknowledged"),
            (self.sent_again, "sent again"),
            (self.lost, "lost by the server"),
        ];
        for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "; {} {what}", grouped(count))?;
        }
        writeln!(f)
    }
}
