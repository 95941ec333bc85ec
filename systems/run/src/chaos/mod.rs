//! Chaos, judged: which injected faults were told of, how fast, how soon they were healed, and what they cost.
//!
//! A run's chaos is drawn before it begins, so what was wrong when is known: `chaos.json` in the run's folder has it ([`TRUTH`]).
//! [`Study`] does the run again in memory, watched tick by tick, and beside it the same run without repair and one that is calm;
//! [`judge`] compares them; [`Seeds`] sums up many.

mod truth;

mod track;

mod judge;

mod file;
mod seeds;
mod study;

mod text;

pub use corec_dynamics::chaos::EventKind;
pub use file::TRUTH;
pub(crate) use file::{write_report, write_truth};
pub use judge::{HIT_TICKS, KindReport, Outcome, QUIET_TICKS, Report, judge};
pub use seeds::{KindSpread, SeedRun, Seeds, Spread};
pub use study::{Studied, Study};
pub use text::table;
pub use track::{Raised, Track};
pub(crate) use truth::check;
pub use truth::{Truth, truth};
