//! Sink: the far side of a lane, why it does not take what it is given, and how an item is written to disk.

use std::time::Instant;

/// Why the far side did not take what it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkError {
    /// Not now: it can't be reached.
    Away(String),
    /// Never.
    Refused(String),
}

/// The far side of a lane. While it is asked something nothing else happens in the lane: it answers, or is away, within seconds.
pub trait Sink: Send + 'static {
    /// What it takes.
    type Item: Spooled + Send;

    /// Items that it takes at once, at least 1.
    const ITEMS_MAX: usize = 1;

    /// When it asked what it waited for last, for one that knows: an outage began then, and not when it was given up.
    fn asked(&self) -> Option<Instant> {
        None
    }

    /// Takes items, all of them or none: at least one, and [`Sink::ITEMS_MAX`] at most. One that it has taken already, and was not heard
    /// to, changes nothing; it may come again among others.
    ///
    /// # Errors
    /// See [`SinkError`].
    fn take(&mut self, items: &[Self::Item]) -> Result<(), SinkError>;

    /// Makes what it has taken survive a loss of power, where it can.
    ///
    /// # Errors
    /// See [`SinkError`].
    fn sync(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// What can wait on disk.
pub trait Spooled: Sized {
    /// About how many bytes of memory it takes, beside its own size; 0 where their number is bounded otherwise.
    fn bytes(&self) -> usize {
        0
    }

    /// Adds itself to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// What [`Spooled::encode`] has written.
    ///
    /// # Errors
    /// Bytes that are no such thing; never a panic. A text.
    fn decode(bytes: &[u8]) -> Result<Self, String>;
}
