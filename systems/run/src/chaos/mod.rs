//! Chaos, judged: which injected faults were told of, how fast, how soon they were healed, and what they cost.
//!
//! A run's chaos is drawn before it begins, so what was wrong when is known: `chaos.json` in the run's folder has it ([`write_truth`]).
//! [`Study`] does the run again in memory, watched tick by tick, and beside it the same run without repair and one that is calm;
//! [`judge`] compares them; [`Seeds`] sums up many.

mod track;
mod truth;

mod judge;
mod text;

mod seeds;
mod study;

pub use judge::{HIT_TICKS, KindReport, Outcome, QUIET_TICKS, Report, judge};
pub use seeds::{KindSpread, SeedRun, Seeds, Spread};
pub use study::{Studied, Study};
pub use text::table;
pub use track::{Raised, Track};
pub use truth::{TRUTH, Truth, truth};
pub(crate) use truth::{check, write_report, write_truth};
