//! Queue: what waits between the tick and the far side, and what the lane has to do next.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::options::LaneReport;
use super::spool::Held;
use crate::wait::jitter;

/// The first pause before the far side is tried again, and the longest; the longest also before the spool is.
pub(super) const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];
/// How long what waits may be in memory alone while the far side is away. A far side that is begun anew is often back sooner.
const IN_MEMORY: Duration = Duration::from_secs(1);
/// Items that have come back and are kept for their memory, at most.
const SPARE_MAX: usize = 256;

/// The queue, and how far the lane has come with it.
pub(super) struct Queue<T> {
    pub waiting: VecDeque<T>,
    /// Items that may wait, and bytes of them.
    items_max: usize,
    bytes_max: usize,
    /// The largest item's bytes since nothing has waited.
    largest: usize,
    /// How many of the first that wait are being written to disk: they stay where they are meanwhile.
    pub pinned: usize,
    /// What is being sent, or the memory for it.
    pub hand: Vec<T>,
    /// Items that are being sent, and would go back to the queue.
    pub sending: usize,
    /// Items that have come back, for their memory.
    pub spare: Vec<T>,
    /// Items that were put in.
    pub put: u64,
    /// How many of them are to be kept by the far side or on disk, and how many are.
    pub sync_wanted: u64,
    pub synced: u64,
    pub outage: Option<Outage>,
    /// How long the outages before it took.
    away_before: Duration,
    pub disk: Disk,
    pub closing: Closing,
    pub report: LaneReport,
}

/// The far side is away.
pub(super) struct Outage {
    pub since: Instant,
    /// When it is tried again.
    pub until: Instant,
}

/// How it is with the spool.
#[derive(Clone, Copy)]
pub(super) enum Disk {
    /// There is none.
    None,
    Writable,
    /// It has no room for what is first in the queue.
    Full,
    /// It could not be written; it is tried again then.
    Failed(Instant),
}

/// How far the end of the lane is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    Open,
    /// What waits is sent, and no more comes.
    Begun,
    /// What waits goes to disk where there is a spool.
    Late,
    /// Nothing is to be sent any more.
    LetGo,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Send,
    /// Move what waits to disk.
    Spill,
    Sync,
    /// Wait for a change, until then at most.
    Wait(Option<Instant>),
    End,
}

impl<T> Queue<T> {
    pub fn new(items_max: usize, bytes_max: usize, held: Option<Held>) -> Self {
        let disk = if held.is_some() { Disk::Writable } else { Disk::None };
        let mut queue = Self {
            waiting: VecDeque::new(),
            items_max: items_max.max(1),
            bytes_max,
            largest: 0,
            pinned: 0,
            hand: Vec::new(),
            sending: 0,
            spare: Vec::new(),
            put: 0,
            sync_wanted: 0,
            synced: 0,
            outage: None,
            away_before: Duration::ZERO,
            disk,
            closing: Closing::Open,
            report: LaneReport::default(),
        };
        queue.hold(held.unwrap_or_default());
        queue
    }

    /// What is to be done next, of what is as it should be: what is on disk goes before what waits in memory, and while the straight
    /// way is closed what waits goes to disk before it is too much, too old, or must be kept.
    pub fn next(&self, clock: fn() -> Instant) -> Step {
        if self.closing == Closing::LetGo {
            return Step::End;
        }
        // A clock costs as much as all the rest, and nobody asks when all is well.
        let is_well = self.outage.is_none() && !matches!(self.disk, Disk::Failed(_));
        let now = (!is_well).then(clock);
        let is_past = |at: Instant| now.is_some_and(|now| now >= at);
        let (has_spool, is_on_disk) = (!matches!(self.disk, Disk::None), self.report.spooled > 0);
        let is_disk_good = match self.disk {
            Disk::None => false,
            Disk::Failed(until) => is_past(until),
            Disk::Writable | Disk::Full => true,
        };
        let can_spill = is_disk_good && !matches!(self.disk, Disk::Full) && !self.waiting.is_empty();
        let (is_late, wants_sync) = (self.closing == Closing::Late, self.sync_wanted > self.synced);
        let is_behind = self.outage.is_some() || is_on_disk;
        let is_old = self.outage.as_ref().is_some_and(|outage| is_past(outage.since + IN_MEMORY));
        let is_much = self.is_filled(2);
        if can_spill && (is_late || is_behind && (wants_sync || is_old || is_much)) {
            return Step::Spill;
        }
        if is_late {
            return Step::End;
        }
        let is_pause = self.outage.as_ref().is_some_and(|outage| !is_past(outage.until));
        let can_sync = if has_spool { is_disk_good } else { !is_pause };
        if wants_sync && can_sync && self.settled() >= self.sync_wanted {
            return Step::Sync;
        }
        let has_more = !self.waiting.is_empty() || is_on_disk;
        match &self.outage {
            _ if has_more && !is_pause => Step::Send,
            _ if self.closing == Closing::Begun && !has_more && !wants_sync => Step::End,
            Some(outage) if is_pause => {
                let old = (can_spill && !is_old).then_some(outage.since + IN_MEMORY);
                let disk = match self.disk {
                    Disk::Failed(until) if !is_past(until) => Some(until),
                    _ => None,
                };
                Step::Wait([old, disk].into_iter().flatten().chain([outage.until]).min())
            }
            _ => match self.disk {
                // Only a sync can wait here, for the disk.
                Disk::Failed(until) if wants_sync => Step::Wait(Some(until)),
                _ => Step::Wait(None),
            },
        }
    }

    /// Puts an item of `bytes` bytes at the end.
    pub fn push(&mut self, item: T, bytes: usize) {
        self.largest = if self.waiting.is_empty() { bytes } else { self.largest.max(bytes) };
        self.waiting.push_back(item);
        self.put += 1;
    }

    /// Whether there is no room for another item: as many wait as may, or as many bytes if all were as large as the largest.
    pub fn is_full(&self) -> bool {
        self.is_filled(1)
    }

    /// Whether a part of the room is taken.
    fn is_filled(&self, part: usize) -> bool {
        let count = self.waiting.len();
        count * part >= self.items_max
            || count > 0 && count.saturating_mul(self.largest * part) >= self.bytes_max
    }

    /// How many of the items that were put in no longer wait in memory.
    pub fn settled(&self) -> u64 {
        self.put - (self.waiting.len() + self.sending) as u64
    }

    /// Moves what is sent next into the hand: `items_max` items at most.
    pub fn take_hand(&mut self, items_max: usize) -> Vec<T> {
        let count = items_max.max(1).min(self.waiting.len());
        let mut hand = std::mem::take(&mut self.hand);
        hand.extend(self.waiting.drain(..count));
        self.sending = count;
        hand
    }

    /// Takes the hand back; what is still in it waits again, before all else.
    pub fn give_back(&mut self, mut hand: Vec<T>) {
        self.sending = 0;
        if self.closing == Closing::LetGo {
            hand.clear();
        }
        while let Some(item) = hand.pop() {
            self.waiting.push_front(item);
        }
        self.hand = hand;
    }

    /// Keeps some of what was sent for its memory.
    pub fn keep_spare(&mut self, sent: &mut Vec<T>, items_max: usize) {
        let room = items_max.clamp(2, SPARE_MAX).saturating_sub(self.spare.len());
        self.spare.extend(sent.drain(..room.min(sent.len())));
        sent.clear();
    }

    /// No more comes. The far side is tried again at once, and oftener.
    pub fn begin_closing(&mut self, now: Instant) {
        if self.closing == Closing::Open {
            self.closing = Closing::Begun;
        }
        if let Some(outage) = &mut self.outage {
            outage.until = now;
        }
    }

    /// Whether nothing waits any more, or nothing is to be sent any more.
    pub fn is_done(&self) -> bool {
        let is_empty = self.waiting.is_empty() && self.sending == 0 && self.report.spooled == 0;
        is_empty && self.sync_wanted <= self.synced || self.closing == Closing::LetGo
    }

    /// Lets go of what waits, and of what is being sent should it come back.
    pub fn let_go(&mut self) {
        self.waiting.clear();
        (self.pinned, self.closing) = (0, Closing::LetGo);
    }

    /// The far side has answered; says for how long it was away, if it was.
    pub fn is_there(&mut self, clock: fn() -> Instant) -> Option<Duration> {
        let away = clock() - self.outage.take()?.since;
        self.away_before += away;
        self.report.away = None;
        Some(away)
    }

    /// The far side is away since it was `asked`, and tried again after a pause; says for how long.
    pub fn is_away(&mut self, why: String, asked: Instant, now: Instant) -> Duration {
        if self.outage.is_none() {
            self.report.outages += 1;
        }
        let outage = self.outage.get_or_insert(Outage { since: asked, until: now });
        let away = now - outage.since;
        let longest = PAUSES[usize::from(self.closing == Closing::Open)];
        outage.until = now + PAUSES[0].max(away / 2).min(longest).mul_f64(jitter());
        self.report.away = Some(why);
        away
    }

    /// How long the far side has been away, all outages together.
    pub fn away(&self, clock: fn() -> Instant) -> Duration {
        self.away_before + self.outage.as_ref().map_or(Duration::ZERO, |outage| clock() - outage.since)
    }

    /// What the spool holds is this.
    pub fn hold(&mut self, held: Held) {
        let report = &mut self.report;
        let has_more_room = held.bytes < report.spool_bytes;
        (report.spooled, report.spool_bytes, report.spool_lost) = (held.items, held.bytes, held.lost);
        if has_more_room && matches!(self.disk, Disk::Full) {
            self.disk = Disk::Writable;
        }
    }

    /// The spool was written, or why it could not be; says whether that is news.
    pub fn disk_was(&mut self, written: &Result<(), String>, now: Instant) -> bool {
        self.disk = match (self.disk, written) {
            (Disk::None, _) => return false,
            (Disk::Full, Ok(())) => Disk::Full,
            (_, Ok(())) => Disk::Writable,
            (_, Err(_)) => Disk::Failed(now + PAUSES[1]),
        };
        let had_failed = self.report.spool_failure.is_some();
        self.report.spool_failure = written.as_ref().err().cloned();
        had_failed != written.is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_in_items_and_in_bytes() {
        let mut queue = Queue::new(100, 1000, None);
        queue.push(0, 5000);
        assert!(queue.is_full(), "a single item may have more, and no other then");
        queue.take_hand(1);
        assert!(!queue.is_full());
        (0..9).for_each(|item| queue.push(item, if item == 4 { 100 } else { 10 }));
        assert!(!queue.is_full() && queue.is_filled(2));
        queue.push(9, 10);
        assert!(queue.is_full(), "ten that may all be as large as the largest");
        queue.take_hand(10);
        (0..99).for_each(|item| queue.push(item, 0));
        assert!(!queue.is_full());
        queue.push(99, 0);
        assert!(queue.is_full());
    }
}
