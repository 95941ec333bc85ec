//! A chat error says why there is no answer. No text here ever holds the key, and text from outside is escaped and cut.

use thiserror::Error;

/// The queue is full: this many questions are open. Collect replies, or answer locally.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("chat: found {0} open questions, must be fewer to ask another")]
pub struct QueueFull(pub usize);

/// Why a question got no answer.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ChatError {
    /// A setting is out of its range.
    #[error("{0}")]
    Settings(String),
    /// No connection: nothing was sent.
    #[error("chat: found no connection: {0}")]
    Connect(String),
    /// The connection broke before the server said anything.
    #[error("chat: found a connection that ended without a reply: {0}")]
    Broken(String),
    /// The whole reply was not there in time.
    #[error("chat: found no whole reply after {0} s (timeout_seconds)")]
    TimedOut(f64),
    /// The server refused or failed.
    #[error("chat: found status {status}{}{message}, must be 200", if message.is_empty() { "" } else { ": " })]
    Status {
        /// The HTTP status.
        status: u16,
        /// The server's own words, escaped and cut, or empty.
        message: String,
    },
    /// The body went beyond the limit and was cut off.
    #[error("chat: found a body over {0} bytes (body_bytes_max)")]
    BodyTooLarge(usize),
    /// The reply is not what a chat-completions API sends.
    #[error("chat reply: {0}")]
    Reply(String),
    /// The cost limit: another question might go beyond it.
    #[error("chat: found {used} tokens used and up to {wanted} wanted, must stay within {max} (tokens_max)")]
    TokensSpent {
        /// Counted so far.
        used: u64,
        /// What this question may take.
        wanted: u64,
        /// The limit.
        max: u64,
    },
    /// The rate limit: the wait for the next request would be longer than a request may take.
    #[error("chat: found {0:.1} s to wait for requests_per_minute_max, must be within timeout_seconds")]
    RateLimited(f64),
    /// The breaker is open: the last questions failed, and its pause is not over.
    #[error("chat: found {0} failures in a row (breaker_failures), must pause first")]
    BreakerOpen(u32),
    /// The client was closed first.
    #[error("chat: found the client closed")]
    Closed,
}

impl ChatError {
    /// Worth another try: the server may be back in a moment. 429 and 5xx say so; a broken request won't mend itself.
    pub(super) fn retryable(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Broken(_) | Self::TimedOut(_) => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..=599),
            _ => false,
        }
    }

    /// Counts for the breaker: the service is at fault, or the settings are. 400, 413 and 422 are about one question.
    pub(super) fn trips_breaker(&self) -> bool {
        match self {
            Self::Status { status, .. } => !matches!(status, 400 | 413 | 422),
            Self::Connect(_)
            | Self::Broken(_)
            | Self::TimedOut(_)
            | Self::BodyTooLarge(_)
            | Self::Reply(_) => true,
            _ => false,
        }
    }

    /// The server may have worked and billed, though no answer came: counted in full for the cost limit.
    pub(super) fn may_be_billed(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::TimedOut(_) | Self::BodyTooLarge(_) | Self::Reply(_))
    }
}
