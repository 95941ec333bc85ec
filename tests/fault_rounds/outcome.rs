//! An outcome is what came of a round that was not right.

/// What came of a round that was not right.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A clean refusal where going on was not possible.
    Refused(String),
    /// Something acknowledged is gone.
    Lost(String),
    /// Anything else that was promised and is not so.
    Wrong(String),
    /// The fault can't be made on this machine.
    Skipped(String),
}

/// `Ok` is right.
pub type Verdict = Result<(), Outcome>;

pub fn wrong(text: impl Into<String>) -> Outcome {
    Outcome::Wrong(text.into())
}

/// Wrong with this text unless it holds.
pub fn ensure(holds: bool, text: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(wrong(text())) }
}
