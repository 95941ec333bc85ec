//! A verdict is what came of a round: it survived, or what kind of trouble there was.

use crate::outcome::Outcome;

/// Why a round did not survive.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// Something acknowledged is gone, and nobody said so.
    Lost(String),
    /// Something is there twice.
    Duplicated(String),
    /// Anything else that was promised and is not so.
    Wrong(String),
    /// The fault can't be made on this machine.
    Skipped(String),
}

/// `Ok` has survived.
pub type Verdict<T = ()> = Result<T, Trouble>;

pub fn lost(text: impl Into<String>) -> Trouble {
    Trouble::Lost(text.into())
}

pub fn wrong(text: impl Into<String>) -> Trouble {
    Trouble::Wrong(text.into())
}

/// Wrong with this text unless it holds.
pub fn ensure(holds: bool, text: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(wrong(text())) }
}

impl From<Outcome> for Trouble {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Lost(text) => Self::Lost(text),
            Outcome::Refused(text) | Outcome::Wrong(text) => Self::Wrong(text),
            Outcome::Skipped(text) => Self::Skipped(text),
        }
    }
}

impl Trouble {
    /// What the round's line calls it, and why.
    pub fn told(&self) -> (&'static str, &str) {
        match self {
            Self::Lost(why) => ("LOST", why),
            Self::Duplicated(why) => ("DOUBLE", why),
            Self::Wrong(why) => ("WRONG", why),
            Self::Skipped(why) => ("skipped", why),
        }
    }
}
