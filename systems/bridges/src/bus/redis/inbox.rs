//! Inbox: what has been read ahead, between the thread that reads and the ticks that take it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use corec_core::bus::{Cursor, Entry, Polled};

use super::link::SILENCE;
use super::locate::{Located, Place};

/// What is read ahead of a stream at most: entries, and bytes of them.
const ENTRIES_MAX: usize = 200_000;
const BYTES_MAX: usize = 32 << 20;
/// Entries asked for at once, at most, and bytes that they are expected to have.
const COUNT_MAX: usize = 1000;
const COUNT_BYTES: usize = 4 << 20;
/// What an entry is expected to have before the first has come: no more than a few are asked for then.
const ENTRY_BYTES: usize = 256 << 10;

/// A stream that is read.
#[derive(Default)]
pub struct Reading {
    ready: VecDeque<Entry>,
    bytes: usize,
    /// Where the thread is.
    pub place: Place,
    /// Whether the thread has looked at the stream since it was connected.
    pub is_located: bool,
    /// Where the ticks are, and the journal.
    given: Cursor,
    pub done: Cursor,
    /// Entries that were given and that the journal has not been said to have, oldest first.
    pending: VecDeque<Cursor>,
    /// Entries found to be gone, not told yet; and all of them.
    lost: u64,
    lost_in_all: u64,
    /// What an entry is expected to have, for how many are asked for at once: the largest of late, and half of that with each answer.
    expected_bytes: usize,
}

/// The thread's and the ticks' common part.
#[derive(Default)]
pub struct Inbox {
    inner: Mutex<Inner>,
    changed: Condvar,
}

/// What is in it.
#[derive(Default)]
pub struct Inner {
    pub streams: BTreeMap<String, Reading>,
    pub is_closing: bool,
    /// Why the server can't be reached, since when, how often and for how long before.
    pub away: Option<(String, Instant)>,
    outages: u64,
    away_for: Duration,
    /// When it has answered last; none before its first answer, and while it is away.
    heard: Option<Instant>,
    /// Why reading can't go on.
    pub failure: Option<String>,
}

impl Reading {
    /// A stream that is read after `from`.
    pub fn from(from: Cursor) -> Self {
        let place = Place { cursor: from, ..Place::default() };
        Self { place, given: from, done: from, expected_bytes: ENTRY_BYTES, ..Self::default() }
    }

    /// How many entries there is room for; none, and the thread leaves the stream alone.
    pub fn room(&self) -> usize {
        let bytes = BYTES_MAX.saturating_sub(self.bytes).min(COUNT_BYTES);
        let entries = ENTRIES_MAX.saturating_sub(self.ready.len()).min(COUNT_MAX);
        if bytes == 0 { 0 } else { entries.min((bytes / self.expected_bytes.max(1)).max(1)) }
    }

    /// Takes what was read.
    pub fn add(&mut self, entries: Vec<Entry>) {
        let Some(last) = entries.last() else { return };
        self.place.cursor = last.cursor;
        let count = entries.len();
        self.place.position = self.place.position.map(|position| position + count as u64);
        self.place.lag = self.place.lag.saturating_sub(count as u64);
        let bytes = entries.iter().map(|entry| entry.data.len() + size_of::<Entry>());
        self.bytes += bytes.clone().sum::<usize>();
        self.expected_bytes = bytes.max().unwrap_or(0).max(self.expected_bytes / 2);
        self.ready.extend(entries);
    }

    /// Takes what was found when the stream was looked at.
    pub fn found(&mut self, located: &Located) {
        self.place = located.place;
        self.is_located = true;
        self.lost += located.lost;
        self.lost_in_all += located.lost;
    }

    /// Gives at most `max` entries.
    pub fn poll(&mut self, max: usize) -> Polled {
        let count = max.min(self.ready.len());
        let entries: Vec<Entry> = self.ready.drain(..count).collect();
        self.bytes -= entries.iter().map(|entry| entry.data.len() + size_of::<Entry>()).sum::<usize>();
        self.given = entries.last().map_or(self.given, |last| last.cursor);
        self.pending.extend(entries.iter().map(|entry| entry.cursor));
        Polled { entries, last: self.given, lost: std::mem::take(&mut self.lost) }
    }

    /// The journal has what was given up to `cursor`.
    pub fn done(&mut self, cursor: Cursor) {
        let is_last = self.pending.back() == Some(&cursor);
        let at = if is_last {
            Some(self.pending.len() - 1)
        } else {
            self.pending.iter().position(|c| *c == cursor)
        };
        if let Some(at) = at {
            self.pending.drain(..=at);
            self.done = cursor;
        }
    }

    /// How many entries the stream had had where the journal is, as far as it is known.
    pub fn position_done(&self) -> Option<u64> {
        self.place.position?.checked_sub((self.ready.len() + self.pending.len()) as u64)
    }

    /// Whether nothing is there to be given, and nothing to be told.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.lost == 0
    }

    /// Entries that wait here or there, those the journal does not have, and those that were lost.
    pub fn counts(&self) -> [u64; 3] {
        [self.place.lag + self.ready.len() as u64, self.pending.len() as u64, self.lost_in_all]
    }
}

impl Inbox {
    /// Locks it.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something has changed.
    pub fn wake(&self) {
        self.changed.notify_all();
    }

    /// Waits for a change, for a time at most.
    pub fn wait<'s>(&'s self, inner: MutexGuard<'s, Inner>, at_most: Duration) -> MutexGuard<'s, Inner> {
        self.changed.wait_timeout(inner, at_most).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Inner {
    /// The server can't be reached: since it has answered last, or was asked for the first time.
    pub fn leave(&mut self, why: String, asked: Instant) {
        let since = self.heard.take().unwrap_or(asked);
        match &mut self.away {
            Some((text, _)) => *text = why,
            None => {
                self.outages += 1;
                self.away = Some((why, since));
            }
        }
        self.streams.values_mut().for_each(|reading| reading.is_located = false);
    }

    /// It has answered, and lets us read. A long silence was an outage, whether or not the connection has outlasted it.
    pub fn hear(&mut self, now: Instant) {
        let (outages, away) = self.so_far(now);
        (self.outages, self.away_for, self.away, self.heard) = (outages, away, None, Some(now));
    }

    /// How often it could not be reached, and for how long in all, seconds.
    pub fn outages(&self, now: Instant) -> (u64, f64) {
        let (outages, away) = self.so_far(now);
        (outages, away.as_secs_f64())
    }

    fn so_far(&self, now: Instant) -> (u64, Duration) {
        let silent = self.heard.map(|heard| now - heard).filter(|silent| *silent > SILENCE);
        match (&self.away, silent) {
            (Some((_, since)), _) => (self.outages, self.away_for + (now - *since)),
            (None, Some(silent)) => (self.outages + 1, self.away_for + silent),
            (None, None) => (self.outages, self.away_for),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_an_outage_from_the_last_answer_on() {
        let start = crate::wait::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut inner = Inner::default();
        inner.leave("refused".into(), at(0));
        assert_eq!(inner.outages(at(2)), (1, 2.0), "from the first question on");
        inner.hear(at(4));
        inner.hear(at(5));
        assert_eq!(inner.outages(at(5)), (1, 4.0));
        assert_eq!(inner.outages(at(10)), (2, 9.0), "before anybody knows what comes of it");
        inner.hear(at(11));
        assert_eq!(inner.outages(at(11)), (2, 10.0), "an answer that has come late");
        inner.leave("it does not answer".into(), at(21));
        inner.leave("refused".into(), at(22));
        inner.hear(at(23));
        assert_eq!(inner.outages(at(23)), (3, 22.0), "one that has not come");
    }

    #[test]
    fn what_is_read_ahead_is_bounded_in_entries_and_bytes() {
        let mut reading = Reading::from(Cursor(5, 0));
        let entry = |n: u64, bytes: usize| Entry { cursor: Cursor(n, 0), data: vec![0; bytes] };
        assert_eq!(reading.room(), 16);
        reading.add((6..16).map(|n| entry(n, 1 << 20)).collect());
        assert_eq!((reading.room(), reading.place.cursor), (3, Cursor(15, 0)));
        reading.add((16..40).map(|n| entry(n, 1 << 20)).collect());
        assert_eq!((reading.room(), reading.counts()), (0, [34, 0, 0]));
        let polled = reading.poll(30);
        assert_eq!((polled.entries.len(), polled.last, reading.counts()), (30, Cursor(35, 0), [4, 30, 0]));
        reading.done(Cursor(35, 0));
        assert_eq!((reading.room(), reading.counts()), (3, [4, 0, 0]));
        reading.add((40..200_040).map(|n| entry(n, 0)).collect());
        assert_eq!(reading.room(), 0);
        reading.poll(usize::MAX);
        assert_eq!((reading.bytes, reading.poll(1).last), (0, Cursor(200_039, 0)));
    }
}
