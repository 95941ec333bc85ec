//! Buses: the streams of a run. Only the one in memory so far; `redis` comes with its bridge.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use corec_core::bus::{Bus, BusError, Entry};
use corec_core::config::redact_url;

/// Bytes a stream keeps, its entries' headers included; older entries go. A reader sees it by the gap in the ids.
const STREAM_BYTES_MAX: usize = 32 << 20;
/// What an entry takes beside its data.
const ENTRY_BYTES: usize = size_of::<Entry>();

/// Opens the bus of a URL.
///
/// # Errors
/// An unknown scheme, or one whose bridge this version does not have.
pub fn open(url: &str) -> Result<Box<dyn Bus>, String> {
    match url.split("://").next() {
        Some("memory") if url == "memory" => Ok(Box::new(MemoryBus::default())),
        Some("redis" | "rediss" | "redis-cluster") => Err(format!(
            "bus {}: Redis comes with its bridge, which this version does not have: --bus memory",
            redact_url(url)
        )),
        _ => Err(format!("bus {}: found an unknown bus, must be memory", redact_url(url))),
    }
}

/// Streams in memory, for one process. Clones share them: the other end may be a test or an embedding program.
#[derive(Clone, Default)]
pub struct MemoryBus(Arc<Mutex<BTreeMap<String, Stream>>>);

#[derive(Default)]
struct Stream {
    entries: VecDeque<Entry>,
    bytes: usize,
    last: u64,
}

impl Bus for MemoryBus {
    fn publish(&mut self, stream: &str, data: &[u8]) -> Result<(), BusError> {
        let bytes_max = STREAM_BYTES_MAX - ENTRY_BYTES;
        if data.len() > bytes_max {
            return Err(BusError::TooLarge { stream: stream.to_string(), bytes: data.len(), bytes_max });
        }
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = streams.entry(stream.to_string()).or_default();
        stream.last += 1;
        stream.entries.push_back(Entry { id: stream.last, data: data.to_vec() });
        stream.bytes += data.len() + ENTRY_BYTES;
        while stream.bytes > STREAM_BYTES_MAX
            && let Some(oldest) = stream.entries.pop_front()
        {
            stream.bytes -= oldest.data.len() + ENTRY_BYTES;
        }
        Ok(())
    }

    fn read(&mut self, stream: &str, after: u64, max: usize) -> Result<Vec<Entry>, BusError> {
        let streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stream) = streams.get(stream) else { return Ok(Vec::new()) };
        let first = stream.entries.partition_point(|entry| entry.id <= after);
        Ok(stream.entries.iter().skip(first).take(max).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_in_order_from_where_the_reader_was() {
        let (mut here, mut there) = {
            let bus = MemoryBus::default();
            (bus.clone(), bus)
        };
        for i in 0..10u8 {
            here.publish("s", &[i]).unwrap();
        }
        let first = there.read("s", 0, 4).unwrap();
        assert_eq!(first.iter().map(|e| e.data[0]).collect::<Vec<_>>(), [0, 1, 2, 3]);
        let rest = there.read("s", first[3].id, 100).unwrap();
        assert_eq!(rest.iter().map(|e| e.data[0]).collect::<Vec<_>>(), [4, 5, 6, 7, 8, 9]);
        assert_eq!(there.read("other", 0, 100).unwrap(), []);
    }

    #[test]
    fn a_stream_that_nobody_reads_stays_small_and_shows_what_is_gone() {
        let mut bus = MemoryBus::default();
        let megabyte = vec![0; 1 << 20];
        (0..50).for_each(|_| bus.publish("s", &megabyte).unwrap());
        let kept = bus.read("s", 0, usize::MAX).unwrap();
        assert_eq!((kept.len(), kept[0].id), (31, 20));
        assert!(bus.publish("s", &vec![0; STREAM_BYTES_MAX]).is_err());
    }

    #[test]
    fn a_bus_that_is_not_there_yet_says_so_without_the_password() {
        let error = open("redis://ana:s3cret@host").err().unwrap();
        assert!(error.contains("--bus memory") && !error.contains("s3cret"), "{error}");
        assert!(open("kafka://x").is_err() && open("memory://x").is_err());
    }
}
