//! The format: it fixes the bytes of a file's header and of a frame's.

use xxhash_rust::xxh3::xxh3_64;

use crate::units::RunId;

const MAGIC: [u8; 8] = *b"CORECLOG";
pub(super) const VERSION: u32 = 3;
/// Bytes of a header up to the run's id: all of one of version 1.
pub(super) const FILE_START: usize = 16;
pub(super) const FILE_HEADER: usize = 32;
pub(super) const FRAME_HEADER: usize = 32;
/// Bytes that a record may have.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// Bytes that a frame's records may have together, unpacked.
pub(super) const FRAME_BYTES_MAX: usize = 64 << 20;

pub(super) fn file_header(version: u32, run: RunId, content: u16) -> [u8; FILE_HEADER] {
    let mut header = [0; FILE_HEADER];
    header[..12].copy_from_slice(&file_start(version));
    header[12..14].copy_from_slice(&content.to_le_bytes());
    header[FILE_START..].copy_from_slice(&run.0.to_le_bytes());
    let check = xxh3_64(&header) as u16;
    header[14..FILE_START].copy_from_slice(&check.to_le_bytes());
    header
}

pub(super) fn file_start(version: u32) -> [u8; 12] {
    let mut start = [0; 12];
    start[..8].copy_from_slice(&MAGIC);
    start[8..].copy_from_slice(&version.to_le_bytes());
    start
}

/// How many records fill `records`; none if the last one does not end with them.
pub(super) fn record_count(mut records: &[u8]) -> Option<u32> {
    let mut count = 0;
    while !records.is_empty() {
        let (length, rest) = records.split_first_chunk()?;
        records = rest.get(u32::from_le_bytes(*length) as usize..)?;
        count += 1;
    }
    Some(count)
}

/// The check of a frame's header: of all its words but itself.
pub(super) fn check_of(header: &[u8; FRAME_HEADER]) -> u32 {
    xxh3_64(&header[4..]) as u32
}
