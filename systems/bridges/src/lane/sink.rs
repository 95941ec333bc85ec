//! Sink: the far side of a lane, and why it does not take an item.

/// Why the far side did not take an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkError {
    /// Not now: it can't be reached.
    Away(String),
    /// Never.
    Refused(String),
}

/// The far side of a lane.
pub trait Sink: Send + 'static {
    /// What it takes.
    type Item: Send;

    /// Takes an item. One that it has taken already, and was not heard to, changes nothing.
    ///
    /// # Errors
    /// See [`SinkError`].
    fn take(&mut self, item: &Self::Item) -> Result<(), SinkError>;

    /// Makes what it has taken survive a loss of power, where it can.
    ///
    /// # Errors
    /// See [`SinkError`].
    fn sync(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}
