//! Messages: each is the guide's 10-byte record or a frame that carries whole blocks.

use thiserror::Error;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::units::ChannelId;

/// Bytes of a record.
pub const RECORD_BYTES: usize = 10;
/// Bytes of columns a frame may hold.
const FRAME_BYTES_MAX: u64 = 64 << 20;
const MAGIC: [u8; 4] = *b"CRCF";
const VERSION: u8 = 2;
/// zstd's fastest ordinary level: a frame is written in a tick.
const LEVEL: i32 = 1;

/// Record v1, the guide's binary message: Python's `struct` format `!Ibf?`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Record {
    /// The low 32 bits of the entity's stable id.
    pub id: u32,
    /// The channel.
    pub channel: ChannelId,
    /// The value; may be anything a sender can put in an `f32`.
    pub value: f32,
    /// Whether the entity is active.
    pub is_active: bool,
}

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
    /// Not a frame, or not of this version.
    #[error("frame: found no CoreC frame of version 2 at its start")]
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

impl Record {
    /// The record in 10 bytes, big endian.
    #[doc(alias = "serializar_mensaje")]
    pub fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[..4].copy_from_slice(&self.id.to_be_bytes());
        bytes[4] = self.channel.0 as u8;
        bytes[5..9].copy_from_slice(&self.value.to_be_bytes());
        bytes[9] = u8::from(self.is_active);
        bytes
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`MessageError::RecordLength`], [`MessageError::RecordFlag`].
    #[doc(alias = "deserializar_mensaje")]
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let &[a, b, c, d, channel, e, f, g, h, flag] = bytes else {
            return Err(MessageError::RecordLength(bytes.len()));
        };
        if flag > 1 {
            return Err(MessageError::RecordFlag(flag));
        }
        Ok(Self {
            id: u32::from_be_bytes([a, b, c, d]),
            channel: ChannelId(channel as i8),
            value: f32::from_be_bytes([e, f, g, h]),
            is_active: flag == 1,
        })
    }
}

/// Batch v2: a range of blocks at a tick, in columns.
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

impl Frame {
    /// The frame in bytes: header, column names, compressed columns, checksum.
    ///
    /// # Panics
    /// If a name is longer than 255 bytes or a column has not `count` values: our mistake.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.count as usize * 4);
        out.extend_from_slice(&MAGIC);
        out.push(VERSION);
        let text = |out: &mut Vec<u8>, text: &str| {
            out.push(u8::try_from(text.len()).expect("names are checked to be short"));
            out.extend_from_slice(text.as_bytes());
        };
        text(&mut out, &self.instance);
        text(&mut out, &self.kind);
        for word in [self.first_block, self.blocks, self.epoch, self.count] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for word in [self.tick, self.sequence, self.schema()] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.push(self.columns.len() as u8);
        let mut raw = Vec::new();
        for column in &self.columns {
            assert_eq!(
                column.bytes.len(),
                self.count as usize * usize::from(column.size),
                "column {}",
                column.name
            );
            text(&mut out, &column.name);
            out.extend_from_slice(&column.size.to_le_bytes());
            raw.extend_from_slice(&column.bytes);
        }
        let packed = zstd::bulk::compress(&raw, LEVEL).expect("zstd takes any bytes that fit in memory");
        out.extend_from_slice(&(packed.len() as u32).to_le_bytes());
        out.extend_from_slice(&packed);
        let checksum = xxh3_64(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
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
        if at.take(5)? != [MAGIC.as_slice(), &[VERSION]].concat() {
            return Err(MessageError::FrameMagic);
        }
        if xxh3_64(body) != u64::from_le_bytes(*checksum) {
            return Err(MessageError::FrameChecksum);
        }
        let (instance, kind) = (at.text()?, at.text()?);
        let [first_block, blocks, epoch, count] = [at.u32()?, at.u32()?, at.u32()?, at.u32()?];
        let [tick, sequence, schema] = [at.u64()?, at.u64()?, at.u64()?];
        let mut columns = Vec::new();
        for _ in 0..at.take(1)?[0] {
            let (name, size) = (at.text()?, u16::from_le_bytes(at.array()?));
            columns.push(FrameColumn { name, size, bytes: Vec::new() });
        }
        let packed = at.u32()? as usize;
        let packed = at.take(packed)?;
        let content =
            |found: String, allowed: &str| Err(MessageError::FrameContent { found, allowed: allowed.into() });
        if at.at != body.len() {
            return content(format!("{} bytes after its columns", body.len() - at.at), "none");
        }
        let expected = columns.iter().map(|c| u64::from(c.size) * u64::from(count)).sum::<u64>();
        if expected > FRAME_BYTES_MAX {
            return content(format!("{expected} bytes of columns"), "at most 64 MiB");
        }
        let raw = match zstd::bulk::decompress(packed, expected as usize) {
            Ok(raw) if raw.len() as u64 == expected => raw,
            Ok(raw) => return content(format!("{} bytes of columns", raw.len()), &expected.to_string()),
            Err(error) => return content(format!("columns that do not unpack ({error})"), "zstd"),
        };
        let mut rest = raw.as_slice();
        for column in &mut columns {
            let (bytes, after) = rest.split_at(usize::from(column.size) * count as usize);
            (column.bytes, rest) = (bytes.to_vec(), after);
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

    /// `struct.pack("!Ibf?", 7, -2, 0.5, True)` of Python 3.11.
    #[test]
    fn a_record_has_the_bytes_of_the_guides_message() {
        let record = Record { id: 7, channel: ChannelId(-2), value: 0.5, is_active: true };
        assert_eq!(record.encode(), [0, 0, 0, 7, 0xfe, 0x3f, 0, 0, 0, 1]);
        assert_eq!(Record::decode(&record.encode()), Ok(record));
        assert_eq!(Record::decode(b"short"), Err(MessageError::RecordLength(5)));
        assert_eq!(Record::decode(&[9; 10]), Err(MessageError::RecordFlag(9)));
    }

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
            let _ = (Frame::decode(&bytes), Record::decode(&bytes));
        }
    }
}
