//! A run among those that are compared: how it was done, what it has come to, and why such runs differ.

use corec_run::verify::{Digests, Mark, OutputDigests};

/// What one of the runs has come to.
pub(super) struct Found {
    pub name: String,
    pub method: Method,
    pub digests: Digests,
    /// What it has said; none where only digests were recorded.
    pub told: Option<OutputDigests>,
    /// Why it did not come to its end.
    pub broke_off: Option<String>,
}

impl Found {
    /// Whether its digest at this tick is another's as well.
    pub fn has(&self, mark: &Mark) -> bool {
        let at = self.digests.binary_search_by_key(&mark.tick, |own| own.tick);
        at.is_ok_and(|at| self.digests[at].agrees(mark))
    }
}

/// How a run was done.
#[derive(Clone, Copy)]
pub(super) enum Method {
    Threads(u32),
    Rerun,
    Killed,
    Recorded,
}

impl Method {
    /// What it mostly is that makes such a run differ.
    pub fn likely_cause(self) -> &'static str {
        match self {
            Self::Rerun => {
                "it changes from run to run, at the same number of threads: a random draw that is not of the seed (rand), a clock, the order \
                 of a HashMap or HashSet, an address, a static"
            }
            Self::Threads(_) => {
                "it follows from threads: who is first under a lock or in an atomic, a sum of floats under a lock or by rayon, the number \
                 of threads, commands that several threads queue at once"
            }
            Self::Killed => {
                "what a restore does not bring back starts anew: a Local, a static, a plain Bevy entity, a timer, run_once, resource_changed, a \
                 message that is held over a tick, or a resource that is not saved (impl Saved and app.save_resource)"
            }
            Self::Recorded => {
                "the program, a plugin or a file that it reads is another than then, or it changes from run to run"
            }
        }
    }
}
