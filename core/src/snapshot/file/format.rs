//! The format: it fixes the header, the frames, the order of their bytes, and the index.

use serde::{Deserialize, Serialize};

use crate::snapshot::{Head, HeadOfVersion1, HeadOfVersion3};

const MAGIC: [u8; 8] = *b"CORECSNP";
/// By version: so that a version that was damaged is not taken for another one.
pub(super) const ENDS: [[u8; 8]; 4] = [*b"CORECEND", *b"CORECEN2", *b"CORECEN3", *b"CORECEN4"];
/// Version 1 had no run's id in its head, version 2 cursors of 64 bits in its resources, version 3 no blocks that have retired. All are
/// read.
pub(super) const VERSION: u32 = 4;
pub(super) const HEADER_BYTES: u64 = 16;
/// Bytes of the index, packed and not, and the xxh3 of all three; the end.
pub(super) const FOOTER_BYTES: u64 = 32;
/// Bytes of a column that go in one frame, before compression: enough for zstd, and work for every thread.
pub(super) const FRAME_BYTES: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
pub(super) struct Index<H = Head> {
    pub head: H,
    pub frames: Vec<Frame>,
}

impl Index {
    pub fn parse(raw: &[u8], version: u32) -> Result<Self, postcard::Error> {
        fn older<'r, H: Deserialize<'r> + Into<Head>>(raw: &'r [u8]) -> Result<Index, postcard::Error> {
            let Index { head, frames } = postcard::from_bytes::<Index<H>>(raw)?;
            Ok(Index { head: head.into(), frames })
        }
        match version {
            1 => older::<HeadOfVersion1>(raw),
            2 | 3 => older::<HeadOfVersion3>(raw),
            _ => postcard::from_bytes(raw),
        }
    }
}

/// A compressed piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// What it holds.
    pub part: Part,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its bytes in the file.
    pub bytes: u64,
    /// Its bytes when decompressed.
    pub raw_bytes: u64,
    /// xxh3 of its bytes in the file.
    pub hash: u64,
}

/// What a frame holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Part {
    /// A piece of a column: kind and column by their place in the head, and the first of its bytes.
    Column(u16, u16, u64),
    /// A saved resource.
    Resource(String),
}

pub(super) fn header(version: u32) -> [u8; HEADER_BYTES as usize] {
    let mut header = [0; HEADER_BYTES as usize];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&version.to_le_bytes());
    header
}

/// All first bytes of the values, then all second bytes, and so on: what is alike comes together, and zstd finds it.
pub(super) fn sort_bytes(raw: &[u8], size: usize, sorted: &mut Vec<u8>) {
    sorted.clear();
    if size <= 1 || raw.is_empty() {
        return sorted.extend_from_slice(raw);
    }
    for byte in 0..size {
        sorted.extend(raw[byte..].iter().step_by(size));
    }
}

/// The other way round.
pub(super) fn unsort_bytes(sorted: &[u8], size: usize, raw: &mut [u8]) {
    if size <= 1 || raw.is_empty() {
        return raw.copy_from_slice(sorted);
    }
    for (byte, plane) in sorted.chunks(sorted.len() / size).enumerate() {
        raw[byte..].iter_mut().step_by(size).zip(plane).for_each(|(to, from)| *to = *from);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_sorted_and_unsorted_are_as_they_were(values in prop::collection::vec(any::<u8>(), 0..50), size in 1usize..20) {
            let raw: Vec<u8> = values.iter().flat_map(|v| (0..size).map(|k| v.wrapping_add(k as u8))).collect();
            let (mut sorted, mut back) = (Vec::new(), vec![0; raw.len()]);
            sort_bytes(&raw, size, &mut sorted);
            unsort_bytes(&sorted, size, &mut back);
            prop_assert_eq!(back, raw);
        }
    }
}
