//! Entries that nobody can apply, among those that can be.

use crate::process::now;
use crate::round::Round;
use crate::verdict::Verdict;

/// Every other entry is bad for a while.
pub fn hurt(round: &mut Round) -> Verdict {
    round.writer.set_bad(true);
    round.pass("bad_ms", 200..=1500);
    round.writer.set_bad(false);
    round.recover(now())
}
