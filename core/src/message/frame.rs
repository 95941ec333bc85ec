//! Frame, version 3: whole blocks in columns. docs/wire-format.md has every byte.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::MessageError;
use super::form::{self, Writer};

/// Bytes of columns a frame may hold.
const FRAME_BYTES_MAX: u64 = 64 << 20;
const MAGIC: [u8; 4] = *b"CRCF";
const VERSION: u8 = 3;
/// The version before, which journals have and older instances send: all columns in one zstd frame.
const PACKED_VERSION: u8 = 2;

/// Entities of blocks that follow one another, at a tick, in columns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The instance it comes from.
    pub instance: String,
    /// The kind of its entities.
    pub kind: String,
    /// Its first block.
    pub first_block: u32,
    /// Blocks in it.
    pub blocks: u32,
    /// The history it belongs to.
    pub epoch: u32,
    /// The tick it shows.
    pub tick: u64,
    /// Its number among the frames of the run.
    pub sequence: u64,
    /// Entities in it.
    pub count: u32,
    /// Columns: name, bytes of a value, `count` values.
    pub columns: Vec<FrameColumn>,
}

/// A column of a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FrameColumn {
    /// The component's name.
    pub name: String,
    /// Bytes of one value.
    pub size: u16,
    /// The values, little endian.
    pub bytes: Vec<u8>,
}

/// Writes frames, one after the other, with what it keeps for that.
#[derive(Default)]
pub struct FrameEncoder {
    columns: Writer,
}

impl FrameEncoder {
    /// The frame in bytes, in the place of what `out` has: header, columns, checksum.
    ///
    /// # Panics
    /// If a name is longer than 255 bytes or a column has not `count` values: our mistake.
    pub fn encode(&mut self, frame: &Frame, out: &mut Vec<u8>) {
        let text = |out: &mut Vec<u8>, text: &str| {
            out.push(u8::try_from(text.len()).expect("names are checked to be short"));
            out.extend_from_slice(text.as_bytes());
        };
        out.clear();
        out.extend_from_slice(&MAGIC);
        out.push(VERSION);
        text(out, &frame.instance);
        text(out, &frame.kind);
        for word in [frame.first_block, frame.blocks, frame.epoch, frame.count] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for word in [frame.tick, frame.sequence, frame.schema()] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.push(frame.columns.len() as u8);
        for FrameColumn { name, size, bytes } in &frame.columns {
            assert_eq!(bytes.len(), frame.count as usize * usize::from(*size), "column {name}");
            text(out, name);
            out.extend_from_slice(&size.to_le_bytes());
            let head = out.len();
            out.extend_from_slice(&[0; 5]);
            out[head] = self.columns.write(bytes, usize::from(*size), out);
            let stored = (out.len() - head - 5) as u32;
            out[head + 1..head + 5].copy_from_slice(&stored.to_le_bytes());
        }
        let checksum = xxh3_64(out);
        out.extend_from_slice(&checksum.to_le_bytes());
    }
}

impl Frame {
    /// The frame in bytes, as a [`FrameEncoder`] writes it.
    ///
    /// # Panics
    /// As [`FrameEncoder::encode`].
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        FrameEncoder::default().encode(self, &mut out);
        out
    }

    /// Whether bytes begin as a frame does.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Reads a frame. At most 64 MiB of columns are unpacked, whatever the header claims.
    ///
    /// # Errors
    /// The `Frame..` ones of [`MessageError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let Some((body, checksum)) = bytes.split_last_chunk::<8>() else {
            return Err(MessageError::FrameLength { found: bytes.len(), needed: 8 });
        };
        let mut at = Cursor { body, at: 0 };
        let version = match at.take(5)? {
            start if !Self::is_one(start) => return Err(MessageError::FrameMagic),
            start => start[MAGIC.len()],
        };
        if ![VERSION, PACKED_VERSION].contains(&version) {
            return Err(MessageError::FrameMagic);
        }
        if xxh3_64(body) != u64::from_le_bytes(*checksum) {
            return Err(MessageError::FrameChecksum);
        }
        let (instance, kind) = (at.text()?, at.text()?);
        let [first_block, blocks, epoch, count] = [at.u32()?, at.u32()?, at.u32()?, at.u32()?];
        let [tick, sequence, schema] = [at.u64()?, at.u64()?, at.u64()?];
        let columns = match version {
            VERSION => columns(&mut at, count as usize)?,
            _ => packed_columns(&mut at, count as usize)?,
        };
        if at.at != body.len() {
            return content(format!("{} bytes after its columns", body.len() - at.at), "none");
        }
        let frame = Self { instance, kind, first_block, blocks, epoch, tick, sequence, count, columns };
        if frame.schema() != schema {
            content(format!("schema {schema:016x}"), "that of its columns")
        } else {
            Ok(frame)
        }
    }

    /// A hash of the columns' names and sizes.
    pub fn schema(&self) -> u64 {
        let mut hash = Xxh3::new();
        for column in &self.columns {
            hash.update(column.name.as_bytes());
            hash.update(&[0]);
            hash.update(&column.size.to_le_bytes());
        }
        hash.digest()
    }
}

/// Columns, each in a form of its own.
fn columns(at: &mut Cursor, count: usize) -> Result<Vec<FrameColumn>, MessageError> {
    let (mut columns, mut total) = (Vec::new(), 0);
    for _ in 0..at.take(1)?[0] {
        let (name, size) = (at.text()?, u16::from_le_bytes(at.array()?));
        let (form, stored) = (at.take(1)?[0], at.u32()? as usize);
        let stored = at.take(stored)?;
        total += size as u64 * count as u64;
        check_total(total)?;
        let Some(bytes) = form::read(form, stored, count, usize::from(size)) else {
            let found = format!("{} bytes in form {form} as column '{name}'", stored.len());
            return content(found, &format!("{count} values of {size} bytes in form 0, 1, 2 or 3"));
        };
        columns.push(FrameColumn { name, size, bytes });
    }
    Ok(columns)
}

/// Columns of version 2: their names and sizes, and all values in one zstd frame.
fn packed_columns(at: &mut Cursor, count: usize) -> Result<Vec<FrameColumn>, MessageError> {
    let heads = at.take(1)?[0];
    let heads: Vec<(String, u16)> =
        (0..heads).map(|_| Ok((at.text()?, u16::from_le_bytes(at.array()?)))).collect::<Result<_, _>>()?;
    let packed = at.u32()? as usize;
    let packed = at.take(packed)?;
    let total = heads.iter().map(|(_, size)| u64::from(*size) * count as u64).sum();
    check_total(total)?;
    let Some(values) = form::read(form::ZSTD, packed, total as usize, 1) else {
        return content(format!("{} packed bytes", packed.len()), &format!("{total} bytes in zstd"));
    };
    let mut rest = values.as_slice();
    let column = |(name, size): (String, u16)| {
        let (bytes, after) = rest.split_at(usize::from(size) * count);
        rest = after;
        FrameColumn { name, size, bytes: bytes.to_vec() }
    };
    Ok(heads.into_iter().map(column).collect())
}

fn check_total(bytes: u64) -> Result<(), MessageError> {
    if bytes > FRAME_BYTES_MAX {
        content(format!("{bytes} bytes of columns"), "at most 64 MiB")
    } else {
        Ok(())
    }
}

fn content<T>(found: String, allowed: &str) -> Result<T, MessageError> {
    Err(MessageError::FrameContent { found, allowed: allowed.into() })
}

struct Cursor<'b> {
    body: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    fn take(&mut self, n: usize) -> Result<&'b [u8], MessageError> {
        let needed = self.at.saturating_add(n);
        let bytes = self
            .body
            .get(self.at..needed)
            .ok_or(MessageError::FrameLength { found: self.body.len() + 8, needed })?;
        self.at = needed;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], MessageError> {
        Ok(self.take(N)?.try_into().expect("take gives as many bytes as asked for"))
    }

    fn u32(&mut self) -> Result<u32, MessageError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, MessageError> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<String, MessageError> {
        let length = self.take(1)?[0];
        let bytes = self.take(usize::from(length))?;
        String::from_utf8(bytes.to_vec()).map_err(|_| MessageError::FrameContent {
            found: "a name that is not UTF-8".into(),
            allowed: "UTF-8".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(count: u32, tick: u64) -> Frame {
        let column = |name: &str, size: u16| FrameColumn {
            name: name.into(),
            size,
            bytes: (0..count as usize * usize::from(size)).map(|i| (i * 7 + tick as usize) as u8).collect(),
        };
        Frame {
            instance: "corec1".into(),
            kind: "cell".into(),
            first_block: 3,
            blocks: 2,
            epoch: 0,
            tick,
            sequence: 9,
            count,
            columns: vec![column("StableId", 8), column("value", 4)],
        }
    }

    /// Written by the version before, as journals have it: docs/wire-format.md of then.
    #[test]
    fn a_frame_of_version_2_is_read() {
        let hex = "43524346 02 06636f72656331 0463656c6c 03000000 02000000 00000000 02000000 0500000000000000
            0100000000000000 0e0f48e312b43ddf 02 08537461626c654964 0800 0576616c7565 0400 1a000000
            28b52ffd20188d0000480000010 03f00000000020 0a0e0016001 2c8d8c52cf78cb25";
        let digits: Vec<char> = hex.chars().filter(char::is_ascii_hexdigit).collect();
        let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
        let bytes: Vec<u8> = digits.chunks(2).map(byte).collect();
        let read = Frame::decode(&bytes).unwrap();
        assert_eq!((&*read.instance, read.first_block, read.tick, read.count), ("corec1", 3, 5, 2));
        assert_eq!(read.columns[0].bytes, [0, 1].map(u64::to_le_bytes).concat());
        assert_eq!(read.columns[1].bytes, [0.5, 0.0].map(f32::to_le_bytes).concat());
    }

    proptest! {
        #[test]
        fn a_frame_survives_the_way(count in 0u32..500, tick: u64) {
            let frame = frame(count, tick);
            prop_assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
        }

        #[test]
        fn a_damaged_frame_is_refused(count in 0u32..50, at: prop::sample::Index, bit in 0u8..8, cut: bool) {
            let mut bytes = frame(count, 5).encode();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
            prop_assert!(Frame::decode(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = (Frame::decode(&bytes), super::super::Record::decode(&bytes));
        }
    }
}
