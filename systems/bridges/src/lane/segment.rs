//! Segment: one log of a spool. It fixes how items become records, and reads them again.
//!
//! A record is a byte that says which part of an item it is, and the part: an item may be larger than a record.

use std::path::{Path, PathBuf};

use corec_core::journal::{LogError, LogReader, LogWriter, RECORD_BYTES_MAX};
use corec_core::units::RunId;

/// What a log of a spool calls the format of its records. Those of journals are small numbers.
pub(super) const CONTENT: u16 = 0x5301;
/// Bytes of an item that fit in a record.
const PART_BYTES_MAX: usize = RECORD_BYTES_MAX - 1;

/// Which part of an item a record is.
const WHOLE: u8 = 0;
const FIRST: u8 = 1;
const MIDDLE: u8 = 2;
const LAST: u8 = 3;

/// A log of a spool, and what is still to be sent of it.
pub(super) struct Segment {
    /// Its folder, named by the number of its first item.
    pub path: PathBuf,
    pub first: u64,
    /// Items in it that have been neither taken nor lost.
    pub left: u64,
    /// Items that were read of it.
    pub read: u64,
    pub bytes: u64,
    /// Whether half a frame is at its end.
    pub is_torn: bool,
    /// Why not all of it can be read.
    pub damage: Option<String>,
}

/// Why there is no next item, although there should be one.
pub(super) enum Unread {
    /// The disk does not give it now.
    Io(String),
    /// It is not as it was written.
    Damaged(String),
}

impl From<LogError> for Unread {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Io { .. } => Self::Io(error.to_string()),
            _ => Self::Damaged(error.to_string()),
        }
    }
}

/// Adds an item's records to a log.
pub(super) fn append(log: &mut LogWriter, record: &mut Vec<u8>, item: &[u8]) -> Result<(), LogError> {
    let count = item.len().div_ceil(PART_BYTES_MAX).max(1);
    for n in 0..count {
        let part = &item[n * PART_BYTES_MAX..item.len().min((n + 1) * PART_BYTES_MAX)];
        record.clear();
        record.push(match n {
            0 if count == 1 => WHOLE,
            0 => FIRST,
            n if n + 1 == count => LAST,
            _ => MIDDLE,
        });
        record.extend_from_slice(part);
        log.append(record)?;
    }
    Ok(())
}

/// What a log grows by at most when items of `bytes` bytes together are committed.
pub(super) fn growth_max(bytes: usize, items: usize) -> u64 {
    // The header of a file, those of frames, and what is about a record; zstd adds a 256th and little more to what can't be compressed.
    let records = items + bytes / PART_BYTES_MAX;
    (bytes + bytes / 128 + 8 * records + 64 * (bytes / PART_BYTES_MAX) + 256) as u64
}

/// Reads the next item into `item`; says whether there was one. What a process left of an item whose end could not be written is passed over.
pub(super) fn next_item(log: &mut LogReader, item: &mut Vec<u8>) -> Result<bool, Unread> {
    item.clear();
    let mut is_begun = false;
    while let Some((_, record)) = log.next_record()? {
        let Some((part, bytes)) = record.split_first() else {
            return Err(Unread::Damaged("found an empty record, must be part of an item".into()));
        };
        match (*part, is_begun) {
            (WHOLE | FIRST, _) => item.clear(),
            (MIDDLE | LAST, true) => {}
            _ => return Err(Unread::Damaged(format!("found part {part}, must be the first of an item"))),
        }
        item.extend_from_slice(bytes);
        if *part == WHOLE || *part == LAST {
            return Ok(true);
        }
        is_begun = true;
    }
    Ok(false)
}

impl Segment {
    /// Looks through the segment in `path`. A torn end is what a process was writing when it was killed, and nothing is missed of it.
    ///
    /// # Errors
    /// One that can't be read, is of another run, or is none. A text.
    pub fn find(path: &Path, first: u64, run: RunId) -> Result<Self, String> {
        let mut found =
            Self { path: path.into(), first, left: 0, read: 0, bytes: 0, is_torn: false, damage: None };
        let mut log = match LogReader::open(path) {
            Err(error @ LogError::Io { .. }) => return Err(error.to_string()),
            Err(error) => return Ok(Self { damage: Some(error.to_string()), ..found }),
            Ok(log) => log,
        };
        let mut item = Vec::new();
        while found.damage.is_none() {
            match next_item(&mut log, &mut item) {
                Ok(true) => found.left += 1,
                Ok(false) => break,
                Err(Unread::Io(why)) => return Err(why),
                Err(Unread::Damaged(why)) => found.damage = Some(why),
            }
        }
        (found.bytes, found.is_torn) = (log.read_bytes(), log.torn_bytes() > 0);
        let foreign =
            |found: String| format!("{}: found {found}, must be the spool of run {run}", path.display());
        if let Some(found) = log.run().filter(|found| *found != run) {
            return Err(foreign(format!("the spool of run {found}")));
        }
        if let Some(content) = log.content().filter(|content| *content != CONTENT) {
            return Err(foreign(format!("a log with records of format {content}")));
        }
        Ok(found)
    }

    /// Its log, after what was read of it before.
    pub fn open(&self) -> Result<LogReader, Unread> {
        let (mut log, mut item) = (LogReader::open(&self.path)?, Vec::new());
        for _ in 0..self.read {
            next_item(&mut log, &mut item)?;
        }
        Ok(log)
    }
}
