//! The inputs of a journal that is read and not changed, and where it ends.

use std::path::Path;

use super::input::{Input, Record};
use super::log::{LogError, LogReader};
use crate::digest::FORMAT as DIGEST_FORMAT;
use crate::units::RunId;

/// What the journal in `folder` is of, and where it ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extent {
    /// The run; none for a journal of version 1.
    pub run: Option<RunId>,
    /// The last whole record; 0 for none.
    pub sequence: u64,
    /// The tick of the last whole record.
    pub tick: u64,
}

/// Reads the inputs of a journal one after the other, changing nothing.
pub struct Inputs(LogReader);

impl Inputs {
    /// Those of the journal in `folder`.
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn of(folder: &Path) -> Result<Self, LogError> {
        LogReader::open(folder).map(Self)
    }

    /// The format of its digests, once one has been read.
    pub fn digest_format(&self) -> u16 {
        digest_format(&self.0)
    }

    /// The next one: its sequence, its tick, itself. None at the end.
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn next_input(&mut self) -> Result<Option<(u64, u64, Input)>, LogError> {
        let Some((sequence, bytes)) = self.0.next_record()? else { return Ok(None) };
        match postcard::from_bytes(bytes) {
            Ok(Record { tick, input }) => Ok(Some((sequence, tick, input))),
            Err(e) => Err(self.0.damaged(&format!("record {sequence}: {e}"), "an input")),
        }
    }
}

/// Looks through the journal in `folder`, changing nothing.
///
/// # Errors
/// See [`LogError`].
pub fn extent(folder: &Path) -> Result<Extent, LogError> {
    let (mut reader, mut extent) = (LogReader::open(folder)?, Extent::default());
    while let Some((sequence, bytes)) = reader.next_record()? {
        extent.sequence = sequence;
        // A record begins with its tick.
        if let Ok((tick, _)) = postcard::take_from_bytes::<u64>(bytes) {
            extent.tick = tick;
        }
    }
    extent.run = reader.run();
    Ok(extent)
}

/// The format of the digests in a log: that of the version which began its run, also of those that were recorded since.
pub(super) fn digest_format(reader: &LogReader) -> u16 {
    match reader.content() {
        None => DIGEST_FORMAT,
        // Version 1 had no other.
        Some(0) => 2,
        Some(format) => format,
    }
}
