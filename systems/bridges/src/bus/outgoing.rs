//! Outgoing: an entry on its way to a stream.

use corec_core::bus::OutputId;

use crate::lane::Spooled;

/// Bytes before the stream's name: epoch, tick, sequence, the name's length.
const HEADER: usize = 24;

/// An entry on its way to a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// The stream.
    pub stream: String,
    /// What the entry is known by.
    pub id: OutputId,
    /// The entry's field `data`.
    pub data: Vec<u8>,
}

impl Outgoing {
    /// Makes it another entry, in the memory that it has.
    pub fn set(&mut self, stream: &str, id: OutputId, data: &[u8]) {
        self.stream.clear();
        self.stream.push_str(stream);
        self.id = id;
        self.data.clear();
        self.data.extend_from_slice(data);
    }
}

impl Spooled for Outgoing {
    fn bytes(&self) -> usize {
        self.stream.len() + self.data.len()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let Self { stream, id, data } = self;
        out.extend_from_slice(&id.epoch.to_le_bytes());
        out.extend_from_slice(&id.tick.to_le_bytes());
        out.extend_from_slice(&id.sequence.to_le_bytes());
        out.extend_from_slice(&(stream.len() as u32).to_le_bytes());
        out.extend_from_slice(stream.as_bytes());
        out.extend_from_slice(data);
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let short = || format!("found {} bytes, must be an entry with its stream and its id", bytes.len());
        let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or_else(short)?;
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
        let long = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
        let (stream, data) = rest.split_at_checked(word(20) as usize).ok_or_else(short)?;
        let stream = std::str::from_utf8(stream).map_err(|e| format!("the stream's name: {e}"))?;
        let id = OutputId { epoch: word(0), tick: long(4), sequence: long(12) };
        Ok(Self { stream: stream.into(), id, data: data.into() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            stream: String, epoch: u32, tick: u64, sequence: u64, data: Vec<u8>, any: Vec<u8>,
        ) {
            let entry = Outgoing { stream, id: OutputId { epoch, tick, sequence }, data };
            let mut bytes = Vec::new();
            entry.encode(&mut bytes);
            prop_assert_eq!(Outgoing::decode(&bytes), Ok(entry));
            _ = Outgoing::decode(&any);
        }
    }
}
