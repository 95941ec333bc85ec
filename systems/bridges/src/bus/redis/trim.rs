//! Trim: how much of a stream that this run writes the server keeps.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use corec_core::bus::Cursor;

use super::id;

/// Samples of a stream's ids: what is let go at a time is a part of what is kept.
const SAMPLES: u64 = 64;
/// How many times too much may be there while a reader has not had it.
const PATIENCE: u64 = 4;

/// How long a reader that has not been heard of holds a stream up, seconds: one that is restored later takes what is there.
const READER_SECONDS: f64 = 86_400.0;
/// How often a stream that has too much is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How far a reader is, by what it has left in `corec:read:STREAM`; none for one that has not been heard of for long.
pub fn live_reader(left: &str, now: f64) -> Option<Cursor> {
    let mut words = left.split(' ');
    let cursor = id::parse(words.next()?.as_bytes())?;
    let seconds: f64 = words.nth(1)?.parse().ok()?;
    ((now - seconds).abs() < READER_SECONDS).then_some(cursor)
}

/// What a run has written to a stream.
pub struct Written {
    keep_bytes: u64,
    /// When it was last looked at.
    looked: Option<Instant>,
    /// Ids with the bytes from each to the next, oldest first.
    samples: VecDeque<(Cursor, u64)>,
    bytes: u64,
}

impl Written {
    /// Nothing yet; about `keep_bytes` are to be kept.
    pub fn new(keep_bytes: u64) -> Self {
        Self { keep_bytes, looked: None, samples: VecDeque::new(), bytes: 0 }
    }

    /// An entry was written.
    pub fn add(&mut self, id: Cursor, bytes: usize) {
        let bytes = bytes as u64 + 32;
        self.bytes += bytes;
        match self.samples.back_mut() {
            Some((_, sample)) if *sample < self.keep_bytes / SAMPLES => *sample += bytes,
            _ => self.samples.push_back((id, bytes)),
        }
    }

    /// As [`Written::too_many`], and nothing where it has just been looked at.
    pub fn is_due(&mut self, now: Instant) -> Option<Cursor> {
        let from = self.too_many()?;
        if self.looked.is_some_and(|at| now - at < LOOK) && self.bytes < 2 * self.keep_bytes {
            return None;
        }
        self.looked = Some(now);
        Some(from)
    }

    /// Where what is to be kept begins, if there is more than that.
    fn too_many(&self) -> Option<Cursor> {
        let mut over = self.bytes.checked_sub(self.keep_bytes).filter(|over| *over > 0)?;
        // Only whole samples go.
        for (id, bytes) in &self.samples {
            match over.checked_sub(*bytes) {
                Some(left) => over = left,
                None => return Some(*id).filter(|id| Some(id) != self.samples.front().map(|(id, _)| id)),
            }
        }
        None
    }

    /// Lets go of what is before `from`, but not of what the slowest reader has not had, unless that is far too much; gives where the
    /// stream is to begin.
    pub fn trim(&mut self, from: Cursor, slowest: Option<Cursor>) -> Cursor {
        let is_far_too_much = self.bytes > PATIENCE * self.keep_bytes;
        let from = slowest.filter(|_| !is_far_too_much).map_or(from, |slowest| slowest.min(from));
        while let Some((_, bytes)) = self.samples.front().filter(|(id, _)| *id < from).copied() {
            if self.samples.get(1).is_none_or(|(next, _)| *next > from) {
                break;
            }
            self.samples.pop_front();
            self.bytes -= bytes;
        }
        from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_is_not_heard_of_holds_nothing_up() {
        assert_eq!(live_reader("5-1 77 1000000", 1_000_100.0), Some(Cursor(5, 1)));
        assert_eq!(live_reader("5-1 - 1000000", 999_000.0), Some(Cursor(5, 1)));
        for left in ["5-1 77 1000000", "5-1 77", "x 77 2000000", ""] {
            assert_eq!(live_reader(left, 2_000_000.0), None, "{left}");
        }
    }

    #[test]
    fn a_stream_keeps_what_it_may_and_what_its_slowest_reader_has_not_had() {
        let mut written = Written::new(1 << 20);
        let add = |written: &mut Written, from: u64, to: u64| {
            (from..to).for_each(|n| written.add(Cursor(n, 0), 1000));
        };
        add(&mut written, 1, 1000);
        assert_eq!(written.too_many(), None);
        add(&mut written, 1000, 2000);
        let from = written.too_many().unwrap();
        // A megabyte is 1016 entries, a sample 16 of them.
        assert!((960..=990).contains(&from.0), "{from}");
        assert_eq!(written.trim(from, Some(Cursor(100, 0))), Cursor(100, 0));
        assert!(written.too_many().is_some(), "the rest waits for the reader");
        assert_eq!(written.trim(from, Some(Cursor(5000, 0))), from);
        assert_eq!(written.too_many(), None);
        add(&mut written, 2000, 9000);
        let from = written.too_many().unwrap();
        assert_eq!(written.trim(from, Some(Cursor(100, 0))), from, "a reader that is far behind loses");
        assert!(written.bytes <= (1 << 20) + 32_000 && written.samples.len() < 70);
    }
}
