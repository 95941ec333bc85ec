//! Summary: what a journal holds, counted by the sort of its inputs.

use std::path::Path;

use serde::Serialize;

use super::input::Record;
use super::log::{LogError, LogReader};

/// What a journal holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// By what it is.
    pub inputs: Vec<InputSummary>,
    /// Bytes of its files.
    pub file_bytes: u64,
    /// Bytes after the last whole frame.
    pub torn_bytes: u64,
}

/// What a journal holds of one sort of input.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InputSummary {
    /// "columns", "row", "entries", "digest", "messages", "output digest", "sealed" or "paused".
    pub input: &'static str,
    /// How many records.
    pub records: u64,
    /// Their bytes, unpacked.
    pub bytes: u64,
    /// The tick of the first one.
    pub tick_first: u64,
    /// The tick of the last one.
    pub tick_last: u64,
}

/// Counts what the journal in `folder` holds.
///
/// # Errors
/// See [`LogError`].
pub fn summary(folder: &Path) -> Result<Summary, LogError> {
    let (mut reader, mut summary) = (LogReader::open(folder)?, Summary::default());
    while let Some((_, bytes)) = reader.next_record()? {
        let Ok(Record { tick, input }) = postcard::from_bytes(bytes) else { continue };
        let (input, bytes) = (input.name(), bytes.len() as u64);
        match summary.inputs.iter_mut().find(|what| what.input == input) {
            Some(what) => {
                (what.records, what.bytes, what.tick_last) = (what.records + 1, what.bytes + bytes, tick)
            }
            None => summary.inputs.push(InputSummary {
                input,
                records: 1,
                bytes,
                tick_first: tick,
                tick_last: tick,
            }),
        }
    }
    (summary.file_bytes, summary.torn_bytes) = (reader.read_bytes(), reader.torn_bytes());
    Ok(summary)
}
