//! The log: keeps numbered records in a folder of files, in frames that are whole or not there.
//!
//! ```text
//! 00000001.log: "CORECLOG" version u32, content u16, check u16, run 16 bytes | frame | frame | ...
//! frame: check u32, payload u32, unpacked u32, records u32, first sequence u64, xxh3 u64 | zstd of (length u32, bytes) each
//! ```
//! Sequences rise by one through all files, from 1. A process that is killed while it writes leaves a frame without its end:
//! a torn tail, which the next writer cuts; `check`, of the other words, tells it from a length that was damaged. Anything else that is not as it was written is damage, and named.
//! Content is what the caller calls the format of its records. Version 1 had neither that nor the run, version 2 cursors of 64 bits in
//! its records; both are read, and gone on with.

mod format;

mod error;
mod reader;
mod writer;

pub use error::LogError;
pub use format::RECORD_BYTES_MAX;
pub use reader::LogReader;
pub use writer::{LogWriter, Syncer};

#[cfg(test)]
mod tests;
