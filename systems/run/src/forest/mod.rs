//! Forest: an isolation forest grown on the rows of a table, and the rows of a table scored by it.
//!
//! [`IsolationForest`] is the forest itself, for rows in memory; [`fit`] and [`score`] are what `corec forest` does with files.

mod rows;

mod fit;
mod score;

pub use corec_dynamics::forest::{
    Contamination, ForestError, IsolationForest, MaxFeatures, MaxSamples, Node, Rows, Settings, average_path,
    round_down,
};
pub use fit::{FitReport, Fitting, fit};
pub use rows::Table;
pub use score::{High, ScoreReport, Scoring, score};

use crate::error::RunError;

/// A pool of so many threads, or as many as the process may use.
fn pool(threads: Option<u32>) -> Result<rayon::ThreadPool, RunError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0) as usize).build();
    pool.map_err(|e| RunError::Failed(format!("threads can't be started: {e}")))
}

/// What settings and files say is the user's to change.
fn refusal(error: ForestError) -> RunError {
    RunError::Usage(error.to_string())
}
