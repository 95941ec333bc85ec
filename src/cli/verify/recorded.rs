//! Recorded digests: those that a run's journal has.

use std::path::Path;

use corec_run::RunError;
use corec_run::snapshots::{DIGEST_FORMAT, Input, Inputs, LogError};
use corec_run::verify::{Digests, Mark};

use super::DIGESTS_MAX;

/// The digests that a journal has up to a tick; of very many of them not all.
pub(super) struct Recorded {
    pub digests: Digests,
    /// How far they are apart.
    pub interval: u64,
    /// The last tick whose digest is of the format before.
    pub old_until: u64,
    /// Their format.
    pub old_format: u16,
}

impl Default for Recorded {
    fn default() -> Self {
        Self { digests: Digests::new(), interval: 10, old_until: 0, old_format: DIGEST_FORMAT }
    }
}

/// Reads them.
pub(super) fn recorded(journal: &Path, ticks: u64) -> Result<Recorded, RunError> {
    let fail = |e: LogError| RunError::Usage(format!("journal: {e}"));
    let (mut inputs, mut found, mut is_first) =
        (Inputs::of(journal).map_err(fail)?, Recorded::default(), true);
    while let Some((_, tick, input)) = inputs.next_input().map_err(fail)? {
        let state = match input {
            Input::Digest(state) => state,
            Input::Outputs(value) => {
                // It follows that of the state.
                found
                    .digests
                    .last_mut()
                    .filter(|mark| mark.tick == tick)
                    .into_iter()
                    .for_each(|mark| mark.said = Some(value));
                continue;
            }
            _ => continue,
        };
        if tick > ticks {
            break;
        }
        if std::mem::take(&mut is_first) {
            let tick = tick.max(1);
            found.interval = tick.max((ticks / DIGESTS_MAX).next_multiple_of(tick));
        }
        if tick.is_multiple_of(found.interval) || tick == ticks {
            found.digests.push(Mark { tick, state, said: None });
        }
        if inputs.digest_format() < DIGEST_FORMAT {
            (found.old_until, found.old_format) = (tick, inputs.digest_format());
        }
    }
    Ok(found)
}

/// The last digest of a run's state, in letters.
pub(super) fn last_of(digests: &Digests) -> String {
    digests.last().map_or_else(String::new, |mark| format!("{:016x}", mark.state))
}

/// The last digest of what a run has said.
pub(super) fn said_last(digests: &Digests) -> Option<String> {
    Some(format!("{:016x}", digests.last()?.said?))
}
