//! The bus in memory: streams for one process.
//!
//! What a run sends goes through a lane like that of any bus; here the far side is in the process, so the lane is emptied where it is
//! filled, and who reads a stream that the run writes has it in the next tick, at any number of threads.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use corec_core::bus::{Bus, BusError, BusHealth, Cursor, Entry, Kept, OutputId, Polled};

use super::outgoing::Outgoing;
use crate::lane::{Lane, LaneOptions, Policy, Sink, SinkError};

/// Bytes a stream keeps, its entries' headers included; older entries go. A reader is told how many it has not seen.
const STREAM_BYTES_MAX: usize = 32 << 20;
/// What an entry takes beside its data.
const ENTRY_BYTES: usize = size_of::<(Option<OutputId>, Vec<u8>)>();
/// Entries that may wait while the streams are cut off, which only tests do.
const ENTRIES_MAX: usize = 1_000_000;
/// How long they may be.
const PATIENCE: Duration = Duration::from_secs(60);

/// Streams in memory, for one process. Clones share the streams, and each reads them from where it has subscribed: the other end may
/// be a test or an embedding program.
pub struct MemoryBus {
    streams: Streams,
    lane: Lane<Streams>,
    /// The streams that are read.
    readers: BTreeMap<String, Reader>,
}

/// How far a stream has been read.
#[derive(Default)]
struct Reader {
    /// The number of the last entry that was given, and of the last that the journal has.
    given: u64,
    done: u64,
    lost: u64,
}

/// The far side.
#[derive(Clone, Default)]
struct Streams(Arc<Mutex<AllStreams>>);

#[derive(Default)]
struct AllStreams {
    by_name: BTreeMap<String, Stream>,
    is_cut: bool,
}

#[derive(Default)]
struct Stream {
    /// Those of a run have an id.
    entries: VecDeque<(Option<OutputId>, Vec<u8>)>,
    bytes: usize,
    /// The number of the last entry; the first is 1.
    last: u64,
}

impl Stream {
    fn append(&mut self, id: Option<OutputId>, data: Vec<u8>) {
        self.last += 1;
        self.bytes += data.len() + ENTRY_BYTES;
        self.entries.push_back((id, data));
        while self.bytes > STREAM_BYTES_MAX
            && let Some((_, oldest)) = self.entries.pop_front()
        {
            self.bytes -= oldest.len() + ENTRY_BYTES;
        }
    }

    /// What there is after entry `after`. A stream that is not so long is another: a process that goes on with a run has new ones.
    fn poll(&self, after: u64, max: usize) -> Polled {
        let after = if after > self.last { 0 } else { after };
        let before_first = self.last - self.entries.len() as u64;
        let lost = before_first.saturating_sub(after);
        let from = after.max(before_first);
        let entries = self.entries.iter().skip((from - before_first) as usize).take(max);
        let entries: Vec<Entry> = (from + 1..)
            .zip(entries)
            .map(|(number, (_, data))| Entry { cursor: Cursor(0, number), data: data.clone() })
            .collect();
        Polled { last: entries.last().map_or(Cursor(0, from), |entry| entry.cursor), entries, lost }
    }
}

impl AllStreams {
    fn stream(&mut self, name: &str) -> &mut Stream {
        if !self.by_name.contains_key(name) {
            self.by_name.insert(name.into(), Stream::default());
        }
        self.by_name.get_mut(name).expect("it is there now")
    }
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, AllStreams> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Streams {
    type Item = Outgoing;

    /// As many as a bus elsewhere may take, of what has waited.
    const ITEMS_MAX: usize = 1000;

    fn take(&mut self, entries: &[Outgoing]) -> Result<(), SinkError> {
        let mut streams = self.lock();
        if streams.is_cut {
            return Err(SinkError::Away("cut off".into()));
        }
        for Outgoing { stream, id, data } in entries {
            streams.stream(stream).append(Some(*id), data.clone());
        }
        Ok(())
    }
}

impl Default for MemoryBus {
    fn default() -> Self {
        Self::of(Streams::default())
    }
}

impl Clone for MemoryBus {
    fn clone(&self) -> Self {
        Self::of(self.streams.clone())
    }
}

impl MemoryBus {
    fn of(streams: Streams) -> Self {
        let options = LaneOptions {
            name: "bus",
            items_max: ENTRIES_MAX,
            bytes_max: usize::MAX,
            policy: Policy::Block,
            patience: PATIENCE,
            spool: None,
        };
        Self { lane: Lane::here(streams.clone(), options), streams, readers: BTreeMap::new() }
    }

    /// Cuts every clone off its streams, or connects it again: nothing comes in, and what is sent waits in the lane of whoever sends it.
    pub fn cut(&self, is_cut: bool) {
        self.streams.lock().is_cut = is_cut;
    }

    /// Writes an entry as someone outside would, cut off or not.
    ///
    /// # Errors
    /// An entry that is too large.
    pub fn append(&self, stream: &str, data: &[u8]) -> Result<(), BusError> {
        check(stream, data)?;
        self.streams.lock().stream(stream).append(None, data.into());
        Ok(())
    }

    /// Every entry that a stream has kept, whoever wrote it, oldest first.
    pub fn entries(&self, stream: &str) -> Vec<Vec<u8>> {
        let streams = self.streams.lock();
        let stream = streams.by_name.get(stream);
        stream.into_iter().flat_map(|stream| &stream.entries).map(|(_, data)| data.clone()).collect()
    }

    /// The ids of what runs have written to a stream, as far as it is kept, oldest first.
    pub fn ids(&self, stream: &str) -> Vec<OutputId> {
        let streams = self.streams.lock();
        let stream = streams.by_name.get(stream);
        stream.into_iter().flat_map(|stream| &stream.entries).filter_map(|(id, _)| *id).collect()
    }
}

fn check(stream: &str, data: &[u8]) -> Result<(), BusError> {
    let bytes_max = STREAM_BYTES_MAX - ENTRY_BYTES;
    if data.len() > bytes_max {
        return Err(BusError::TooLarge { stream: stream.into(), bytes: data.len(), bytes_max });
    }
    Ok(())
}

impl Bus for MemoryBus {
    fn subscribe(&mut self, stream: &str, from: Cursor) -> Result<(), BusError> {
        // A stream that begins with this process goes on with the numbers that the run has had: a restored one reads as the whole one did.
        let mut streams = self.streams.lock();
        let own = streams.stream(stream);
        if own.last == 0 {
            own.last = from.1;
        }
        drop(streams);
        self.readers.insert(stream.into(), Reader { given: from.1, done: from.1, lost: 0 });
        Ok(())
    }

    fn poll(&mut self, stream: &str, max: usize) -> Result<Polled, BusError> {
        self.lane.go_on();
        let Some(reader) = self.readers.get_mut(stream) else {
            return Err(BusError::NotSubscribed(stream.into()));
        };
        let streams = self.streams.lock();
        let polled = match streams.by_name.get(stream) {
            Some(stream) if !streams.is_cut => stream.poll(reader.given, max),
            _ => Polled { last: Cursor(0, reader.given), ..Polled::default() },
        };
        (reader.given, reader.lost) = (polled.last.1, reader.lost + polled.lost);
        Ok(polled)
    }

    fn done(&mut self, stream: &str, cursor: Cursor) -> Result<(), BusError> {
        let Some(reader) = self.readers.get_mut(stream) else {
            return Err(BusError::NotSubscribed(stream.into()));
        };
        reader.done = cursor.1;
        Ok(())
    }

    fn publish(&mut self, stream: &str, id: OutputId, data: &[u8]) -> Result<(), BusError> {
        check(stream, data)?;
        let mut entry = self.lane.spare().unwrap_or_default();
        entry.set(stream, id, data);
        self.lane.put(entry);
        self.lane.failure().map_or(Ok(()), |failure| Err(BusError::Lane(failure)))
    }

    fn plant(&mut self, stream: &str, data: &[u8]) -> Result<(), BusError> {
        self.append(stream, data)
    }

    fn keep(&mut self) -> Kept {
        let safe = self.lane.sync();
        Box::new(move || safe.wait())
    }

    fn health(&self) -> BusHealth {
        let report = self.lane.report();
        let streams = self.streams.lock();
        let last = |name: &str| streams.by_name.get(name).map_or(0, |stream| stream.last);
        let sum =
            |of: &dyn Fn(&String, &Reader) -> u64| self.readers.iter().map(|(name, r)| of(name, r)).sum();
        BusHealth {
            away: report.away,
            waiting: report.waiting,
            dropped: report.dropped,
            sent: report.sent,
            lag: sum(&|name, reader| last(name).saturating_sub(reader.given)),
            pending: sum(&|_, reader| reader.given.saturating_sub(reader.done)),
            lost: sum(&|_, reader| reader.lost),
            ..BusHealth::default()
        }
    }

    fn close(&mut self, deadline: Duration) -> Result<(), BusError> {
        self.lane.close(deadline).map(|_| ()).map_err(BusError::Lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: OutputId = OutputId { epoch: 0, tick: 0, sequence: 0 };

    #[test]
    fn entries_come_in_order_from_where_the_reader_was() {
        let (mut here, mut there) = {
            let bus = MemoryBus::default();
            (bus.clone(), bus)
        };
        assert!(matches!(there.poll("s", 1), Err(BusError::NotSubscribed(_))));
        there.subscribe("s", Cursor::START).unwrap();
        there.subscribe("other", Cursor::START).unwrap();
        for i in 0..10u8 {
            here.publish("s", ID, &[i]).unwrap();
        }
        let data = |polled: &Polled| polled.entries.iter().map(|e| e.data[0]).collect::<Vec<_>>();
        let first = there.poll("s", 4).unwrap();
        assert_eq!((data(&first), first.last), (vec![0, 1, 2, 3], Cursor(0, 4)));
        assert_eq!((there.health().lag, there.health().pending), (6, 4));
        there.done("s", first.last).unwrap();
        assert_eq!((there.health().lag, there.health().pending), (6, 0));
        let rest = there.poll("s", 100).unwrap();
        assert_eq!((data(&rest), rest.last), (vec![4, 5, 6, 7, 8, 9], Cursor(0, 10)));
        assert_eq!(there.poll("other", 100).unwrap(), Polled::default());
        // Another process would subscribe where its journal ends, in a stream that begins anew with it.
        let mut restored = MemoryBus::default();
        restored.subscribe("s", first.last).unwrap();
        restored.append("s", b"new").unwrap();
        assert_eq!(restored.poll("s", 100).unwrap().entries[0].data, b"new");
        let mut again = there.clone();
        again.subscribe("s", first.last).unwrap();
        assert_eq!(again.poll("s", 100).unwrap(), rest);
    }

    #[test]
    fn a_stream_that_nobody_reads_stays_small_and_tells_what_is_gone() {
        let mut bus = MemoryBus::default();
        bus.subscribe("s", Cursor::START).unwrap();
        let megabyte = vec![0; 1 << 20];
        (0..50).for_each(|_| bus.publish("s", ID, &megabyte).unwrap());
        let kept = bus.poll("s", usize::MAX).unwrap();
        assert_eq!((kept.entries.len(), kept.lost, kept.entries[0].cursor), (31, 19, Cursor(0, 20)));
        assert_eq!(bus.health().lost, 19);
        assert!(bus.publish("s", ID, &vec![0; STREAM_BYTES_MAX]).is_err());
    }

    #[test]
    fn what_is_sent_while_the_streams_are_cut_off_waits_and_arrives_in_order() {
        let mut bus = MemoryBus::default();
        bus.cut(true);
        (0..3).for_each(|i| bus.publish("s", ID, &[i]).unwrap());
        assert_eq!((bus.entries("s").len(), bus.health().waiting), (0, 3));
        assert_eq!(bus.health().away.as_deref(), Some("cut off"));
        bus.cut(false);
        bus.publish("s", ID, &[3]).unwrap();
        assert_eq!(bus.entries("s").concat(), [0, 1, 2, 3]);
        assert_eq!(bus.health(), BusHealth { sent: 4, ..BusHealth::default() });
    }
}
