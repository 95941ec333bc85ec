//! Record, version 1: the guide's binary message of 10 bytes.

use super::MessageError;
use crate::units::ChannelId;

/// Bytes of a record.
pub const RECORD_BYTES: usize = 10;

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

#[cfg(test)]
mod tests {
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
}
