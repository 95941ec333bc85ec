//! Far: what the two sides of a lane share, and the steps that the lane's thread takes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::options::LaneOptions;
use super::queue::{Closing, Disk, Queue, Step};
use super::sink::{Sink, SinkError};
use super::spool::{Held, Spool};
use crate::wait::now;

/// What the two sides of a lane share. Who needs both locks takes that of the far side first.
pub(super) struct Shared<S: Sink> {
    /// What the far side is.
    name: &'static str,
    /// The spool's.
    pub folder: Option<PathBuf>,
    queue: Mutex<Queue<S::Item>>,
    /// Something has changed: for whoever waits, on either side.
    pub changed: Condvar,
    far: Mutex<Far<S>>,
}

/// The far side, and the disk before it. Held while either is at work.
pub(super) struct Far<S: Sink> {
    pub sink: S,
    spool: Option<Spool<S::Item>>,
}

/// What has come of sending.
struct Sent {
    items: usize,
    /// Of the spool, where they came from there.
    held: Option<Held>,
}

impl<S: Sink> Far<S> {
    /// Sends what is first on disk. A file goes when the far side keeps all in it, and not sooner: that it is on disk was promised.
    fn send_spooled(&mut self) -> Result<Sent, SinkError> {
        let spool = self.spool.as_mut().expect("what is on disk is in the spool");
        let items = spool.read(S::ITEMS_MAX).map_err(SinkError::Away)?;
        if !items.is_empty() {
            self.sink.take(items)?;
            if spool.is_end_of_segment() {
                self.sink.sync()?;
            }
        }
        let items = spool.taken();
        Ok(Sent { items, held: Some(spool.held()) })
    }
}

impl<S: Sink> Shared<S> {
    /// An empty queue to `sink`, by way of `spool` while it is away.
    pub fn new(options: &LaneOptions<S::Item>, sink: S, spool: Option<Spool<S::Item>>) -> Self {
        let queue =
            Mutex::new(Queue::new(options.items_max, options.bytes_max, spool.as_ref().map(Spool::held)));
        let folder = spool.as_ref().map(|spool| spool.folder().into());
        Self {
            name: options.name,
            folder,
            queue,
            changed: Condvar::new(),
            far: Mutex::new(Far { sink, spool }),
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, Queue<S::Item>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn far(&self) -> MutexGuard<'_, Far<S>> {
        self.far.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change; none once it is too late.
    pub fn wait_until<'s>(
        &self,
        queue: MutexGuard<'s, Queue<S::Item>>,
        deadline: Instant,
    ) -> Option<MutexGuard<'s, Queue<S::Item>>> {
        let left = deadline.saturating_duration_since(now());
        if left.is_zero() {
            return None;
        }
        let waited = self.changed.wait_timeout(queue, left);
        Some(waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Says why the lane can't go on, and lets go of what waits in memory.
    pub fn fail(&self, why: String) {
        let mut queue = self.lock();
        queue.report.failure.get_or_insert(why);
        queue.let_go();
        drop(queue);
        self.changed.notify_all();
    }

    /// Does what is to be done next. Says whether to go on: a thread (`may_wait`) waits for something to do; without one, the next call
    /// does it.
    pub fn step(&self, patience: Duration, may_wait: bool) -> bool {
        let mut queue = self.lock();
        let step = loop {
            match queue.next(now) {
                Step::Wait(_) if !may_wait => return false,
                Step::Wait(Some(until)) => {
                    queue = match self.wait_until(queue, until) {
                        Some(queue) => queue,
                        None => self.lock(),
                    };
                }
                Step::Wait(None) => {
                    queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
                step => break step,
            }
        };
        match step {
            Step::Send => self.send(queue, patience, may_wait),
            Step::Spill => {
                drop(queue);
                self.spill();
                true
            }
            Step::Sync => self.sync(queue, patience, may_wait),
            Step::Wait(_) | Step::End => {
                let is_late = queue.closing == Closing::Late;
                drop(queue);
                if is_late && self.folder.is_some() && self.sync_disk() {
                    let mut queue = self.lock();
                    queue.synced = queue.settled();
                }
                false
            }
        }
    }

    /// Sends what is first: on disk, or in memory.
    fn send(&self, mut queue: MutexGuard<'_, Queue<S::Item>>, patience: Duration, may_wait: bool) -> bool {
        let is_spooled = queue.report.spooled > 0;
        let mut hand = if is_spooled { Vec::new() } else { queue.take_hand(S::ITEMS_MAX) };
        drop(queue);
        // A far side in this process is never waited for.
        let asked = may_wait.then(now);
        let mut far = self.far();
        let send = || match is_spooled {
            true => far.send_spooled(),
            false => far.sink.take(&hand).map(|()| Sent { items: hand.len(), held: None }),
        };
        let sent = self.catch(send);
        let asked = far.sink.asked().or(asked);
        drop(far);
        let mut queue = self.lock();
        if let Ok(Sent { items, held }) = &sent {
            self.is_there(&mut queue);
            queue.report.sent += *items as u64;
            queue.keep_spare(&mut hand, S::ITEMS_MAX);
            held.map(|held| queue.hold(held));
        }
        if !is_spooled {
            queue.give_back(hand);
            if sent.is_ok() && matches!(queue.disk, Disk::Full) {
                // What was too large for the disk may be what was sent.
                queue.disk = Disk::Writable;
            }
        }
        match sent {
            Ok(_) => {
                drop(queue);
                self.changed.notify_all();
                true
            }
            Err(SinkError::Refused(why)) => {
                drop(queue);
                let from = self.folder.as_ref().filter(|_| is_spooled);
                let from = from.map(|folder| format!("what is kept in {}: ", folder.display()));
                self.fail(format!("{}{why}", from.unwrap_or_default()));
                may_wait
            }
            Err(SinkError::Away(why)) => self.away(queue, (why, asked), patience, may_wait),
        }
    }

    /// Moves what is first in the queue to disk, as much as is written at once.
    fn spill(&self) {
        let mut far = self.far();
        let Some(spool) = far.spool.as_mut() else { return };
        let mut queue = self.lock();
        let count = spool.gather(&queue.waiting);
        if count == 0 {
            if !queue.waiting.is_empty() {
                queue.disk = Disk::Full;
            }
            return;
        }
        queue.pinned = count;
        drop(queue);
        let written = spool.write();
        let held = spool.held();
        drop(far);
        let mut queue = self.lock();
        queue.pinned = 0;
        if written.is_ok() {
            queue.report.spooled_total += count as u64;
            // What was let go meanwhile is gone from the queue.
            let count = count.min(queue.waiting.len());
            queue.waiting.drain(..count);
        }
        queue.hold(held);
        self.say_disk(&mut queue, &written);
        drop(queue);
        self.changed.notify_all();
    }

    /// Has the disk and, as far as it is there, the far side keep what they have.
    fn sync(&self, queue: MutexGuard<'_, Queue<S::Item>>, patience: Duration, may_wait: bool) -> bool {
        let (settled, has_spool) = (queue.settled(), !matches!(queue.disk, Disk::None));
        let is_pause = queue.outage.as_ref().is_some_and(|outage| now() < outage.until);
        drop(queue);
        if has_spool && !self.sync_disk() {
            return true;
        }
        let asked = now();
        let synced = if is_pause { None } else { Some(self.catch(|| self.far().sink.sync())) };
        let mut queue = self.lock();
        if has_spool || synced == Some(Ok(())) {
            queue.synced = settled;
        }
        if synced == Some(Ok(())) {
            self.is_there(&mut queue);
        }
        match synced {
            Some(Err(SinkError::Refused(why))) => {
                drop(queue);
                self.fail(why);
                may_wait
            }
            Some(Err(SinkError::Away(why))) => self.away(queue, (why, Some(asked)), patience, may_wait),
            _ => {
                drop(queue);
                self.changed.notify_all();
                true
            }
        }
    }

    /// Has the disk keep what is in the spool; says whether it does.
    fn sync_disk(&self) -> bool {
        let synced = self.far().spool.as_mut().map_or(Ok(()), Spool::sync);
        self.say_disk(&mut self.lock(), &synced);
        synced.is_ok()
    }

    fn say_disk(&self, queue: &mut Queue<S::Item>, written: &Result<(), String>) {
        let is_news = queue.disk_was(written, now());
        match written {
            Err(why) if is_news => tracing::warn!("the {}'s spool can't be written: {why}", self.name),
            Ok(()) if is_news => tracing::warn!("the {}'s spool is written again", self.name),
            _ => {}
        }
    }

    /// The far side has answered.
    fn is_there(&self, queue: &mut Queue<S::Item>) {
        if let Some(away) = queue.is_there(now) {
            tracing::warn!("the {} is back after {:.1} s", self.name, away.as_secs_f64());
        }
    }

    /// The far side is away, since it was `asked`. Says whether to go on.
    fn away(
        &self,
        mut queue: MutexGuard<'_, Queue<S::Item>>,
        (why, asked): (String, Option<Instant>),
        patience: Duration,
        may_wait: bool,
    ) -> bool {
        if queue.closing == Closing::LetGo {
            return may_wait;
        }
        let (is_new, now) = (queue.outage.is_none(), now());
        let away = queue.is_away(why.clone(), asked.unwrap_or(now), now);
        if is_new {
            tracing::warn!("the {} is away: {why}; tried again until it answers", self.name);
        }
        // With a spool the run has the patience of its disk.
        if matches!(queue.disk, Disk::None) && away > patience {
            drop(queue);
            self.fail(format!("away for {} s: {why}", away.as_secs()));
            return may_wait;
        }
        if !may_wait && let Some(outage) = &mut queue.outage {
            // Who has no thread tries again when it has something to put in.
            outage.until = outage.since;
        }
        drop(queue);
        self.changed.notify_all();
        may_wait
    }

    /// A far side that panics fails the lane, and not its thread.
    fn catch<R>(&self, ask: impl FnOnce() -> Result<R, SinkError>) -> Result<R, SinkError> {
        let panicked = |_| Err(SinkError::Refused(format!("the {} panicked", self.name)));
        catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(panicked)
    }
}
