//! Messages: each is the guide's 10-byte record or a frame that carries whole blocks.

mod form;
mod frame;
mod record;

use thiserror::Error;

pub use frame::{Frame, FrameColumn, FrameEncoder};
pub use record::{RECORD_BYTES, Record};

/// Why bytes are not a message.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MessageError {
    /// A record of another length.
    #[error("record: found {0} bytes, must be 10")]
    RecordLength(usize),
    /// A record's last byte is neither 0 nor 1.
    #[error("record: found {0} in its last byte, must be 0 or 1")]
    RecordFlag(u8),
    /// A frame that ends too early.
    #[error("frame: found {found} bytes, must have at least {needed}")]
    FrameLength {
        /// Bytes there are.
        found: usize,
        /// Bytes there should be.
        needed: usize,
    },
    /// Not a frame, or of another version.
    #[error("frame: found no CoreC frame of version 3 (or 2) at its start")]
    FrameMagic,
    /// Bytes that changed on the way.
    #[error("frame: its checksum does not match, it was damaged or cut")]
    FrameChecksum,
    /// Columns that do not fit what the header says.
    #[error("frame: found {found}, must be {allowed}")]
    FrameContent {
        /// What was found.
        found: String,
        /// What is allowed.
        allowed: String,
    },
}
