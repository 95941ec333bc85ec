//! Lane: the one bounded queue between a tick and the far side of a bridge.
//!
//! A tick puts items in; a thread of the lane's own (or, where the far side is in this process, the tick itself) takes them out,
//! in order, as many at once as the far side takes. A far side that is away is tried again, with growing pauses; meanwhile items wait,
//! on disk where the lane has a spool, and when there is no room its policy says what becomes of more: the tick waits, the older item
//! of the same key goes, or the new one does. Only when the far side stays away for longer than it may, or refuses an item for good,
//! has the lane failed, and says why. What is on disk when the lane ends is sent by the process that goes on with the run.

mod options;
mod sink;

mod folder;
mod segment;
mod spool;

mod queue;

mod far;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use options::{LaneOptions, LaneReport, LeftOnDisk, Policy, SpoolOptions};
pub use sink::{Sink, SinkError, Spooled};

use crate::wait::now;
use far::Shared;
use queue::{Closing, PAUSES};
use spool::Spool;

/// A queue to a far side. Dropped, it lets go of what waits in memory; [`Lane::close`] sends it first.
pub struct Lane<S: Sink> {
    shared: Arc<Shared<S>>,
    options: LaneOptions<S::Item>,
    /// None where the tick takes items out itself.
    thread: Option<JoinHandle<()>>,
}

/// Tells when all that was put before is kept: by the far side, or on disk. May be asked on another thread.
pub struct Safe<S: Sink> {
    shared: Arc<Shared<S>>,
    name: &'static str,
    /// How many items that is.
    put: u64,
    patience: Duration,
}

impl<S: Sink> Safe<S> {
    /// Waits for it, for the lane's patience at most.
    ///
    /// # Errors
    /// A lane that has failed, or takes too long. A text.
    pub fn wait(&self) -> Result<(), String> {
        let deadline = now() + self.patience;
        let mut queue = self.shared.lock();
        loop {
            if let Some(failure) = &queue.report.failure {
                return Err(failure.clone());
            }
            if queue.synced >= self.put {
                return Ok(());
            }
            let late = || format!("the {} did not keep what it was sent in time", self.name);
            queue = self.shared.wait_until(queue, deadline).ok_or_else(late)?;
        }
    }
}

impl<S: Sink> Lane<S> {
    /// A lane with a thread of its own. What another process has left in its spool is sent first.
    ///
    /// # Errors
    /// A spool that can't be read, or is another run's; what the system says if it has no thread to give. A text.
    pub fn start(sink: S, options: LaneOptions<S::Item>) -> Result<Self, String> {
        let mut lane = Self::open(sink, options)?;
        lane.run()?;
        Ok(lane)
    }

    /// A lane whose thread does not run yet.
    ///
    /// # Errors
    /// A spool that can't be read, or is another run's. A text.
    pub(crate) fn open(sink: S, options: LaneOptions<S::Item>) -> Result<Self, String> {
        let spool = options.spool.as_ref().map(Spool::open).transpose()?;
        let shared = Arc::new(Shared::new(&options, sink, spool));
        Ok(Self { shared, options, thread: None })
    }

    /// Starts the lane's thread.
    ///
    /// # Errors
    /// What the system says if it has none to give. A text.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        let (name, patience) = (self.options.name, self.options.patience);
        let shared = Arc::clone(&self.shared);
        let work = move || while shared.step(patience, true) {};
        let thread = std::thread::Builder::new().name(format!("corec-{name}")).spawn(work);
        self.thread = Some(thread.map_err(|e| format!("the {name}'s thread could not start: {e}"))?);
        Ok(())
    }

    /// A lane whose far side is in this process: whoever puts an item in takes it out as well, as long as the far side is there.
    ///
    /// # Panics
    /// With a spool: a tick never waits for a disk.
    pub fn here(sink: S, options: LaneOptions<S::Item>) -> Self {
        assert!(options.spool.is_none(), "the {}: a lane without a thread has no spool", options.name);
        let shared = Arc::new(Shared::new(&options, sink, None));
        Self { shared, options, thread: None }
    }

    /// Puts an item in. What the policy lets go is counted; a lane that has failed takes nothing more.
    pub fn put(&mut self, item: S::Item) {
        let mut deadline = None;
        let mut queue = self.shared.lock();
        if self.thread.is_none() && !queue.waiting.is_empty() {
            drop(queue);
            self.go_on();
            queue = self.shared.lock();
        }
        while queue.is_full() && queue.report.failure.is_none() {
            match self.options.policy {
                Policy::Drop => {
                    queue.report.dropped += 1;
                    return;
                }
                Policy::Coalesce(key) => {
                    let pinned = queue.pinned;
                    let mut free = queue.waiting.iter_mut().skip(pinned);
                    let same = free.find(|old| key(old) == key(&item));
                    if let Some(old) = same {
                        *old = item;
                        queue.report.dropped += 1;
                        return;
                    }
                    if queue.waiting.remove(pinned).is_none() {
                        // All that wait are on their way to disk: they are going to make room.
                        break;
                    }
                    queue.report.dropped += 1;
                }
                Policy::Block => {
                    drop(queue);
                    let deadline = *deadline.get_or_insert_with(|| now() + self.options.patience);
                    if !self.wait_for_room(deadline) {
                        let (name, seconds) = (self.options.name, self.options.patience.as_secs());
                        let late = format!("the {name} did not take what it was sent for {seconds} s");
                        return self.shared.fail(late);
                    }
                    queue = self.shared.lock();
                }
            }
        }
        if queue.report.failure.is_none() {
            let bytes = item.bytes();
            queue.push(item, bytes);
        }
        drop(queue);
        self.go_on();
    }

    /// Waits for a change, or tries again what waits; says whether there is time left for it.
    fn wait_for_room(&mut self, deadline: Instant) -> bool {
        if self.thread.is_some() {
            let queue = self.shared.lock();
            return !queue.is_full() || self.shared.wait_until(queue, deadline).is_some();
        }
        std::thread::sleep(PAUSES[0].min(deadline.saturating_duration_since(now())));
        self.go_on();
        now() < deadline
    }

    /// Asks for what has been put in to be kept, by the far side or, while that is away, on disk; gives what tells when it is. What
    /// the far side has taken before an outage is in its care meanwhile.
    pub fn sync(&mut self) -> Safe<S> {
        let put = {
            let mut queue = self.shared.lock();
            queue.sync_wanted = queue.put;
            queue.put
        };
        self.go_on();
        Safe {
            shared: Arc::clone(&self.shared),
            name: self.options.name,
            put,
            patience: self.options.patience,
        }
    }

    /// Takes out what waits, where no thread does.
    pub fn go_on(&mut self) {
        match self.thread {
            Some(_) => self.shared.changed.notify_all(),
            None => while self.shared.step(self.options.patience, false) {},
        }
    }

    /// An item that has been sent, for its memory.
    pub fn spare(&self) -> Option<S::Item> {
        self.shared.lock().spare.pop()
    }

    /// Why it can't go on; none while it can.
    pub fn failure(&self) -> Option<String> {
        self.shared.lock().report.failure.clone()
    }

    /// What it has done so far.
    pub fn report(&self) -> LaneReport {
        let queue = self.shared.lock();
        let waiting = (queue.waiting.len() + queue.sending) as u64;
        LaneReport { waiting, away_seconds: queue.away(now).as_secs_f64(), ..queue.report.clone() }
    }

    /// Sends what waits, for at most `deadline`, and ends the thread. What could not be sent and is safely on disk is no error: it is
    /// told. A second call says the same.
    ///
    /// # Errors
    /// What could not be sent and is lost, and why: a text.
    pub fn close(&mut self, deadline: Duration) -> Result<Option<LeftOnDisk>, String> {
        let until = now() + deadline;
        let mut queue = self.shared.lock();
        queue.begin_closing(now());
        drop(queue);
        self.go_on();
        let mut queue = self.shared.lock();
        while self.thread.is_some() && !queue.is_done() {
            match self.shared.wait_until(queue, until) {
                Some(changed) => queue = changed,
                None => {
                    queue = self.shared.lock();
                    break;
                }
            }
        }
        if queue.closing == Closing::Begun {
            queue.closing = Closing::Late;
        }
        drop(queue);
        self.shared.changed.notify_all();
        let Some(thread) = self.thread.take() else {
            let ended = self.end(deadline);
            // The tick goes on to be able to send.
            self.shared.lock().closing = Closing::Open;
            return ended;
        };
        // A far side that panics fails the lane; its thread does not.
        _ = thread.join();
        self.end(deadline)
    }

    /// What is left, of a lane that has come to its end.
    fn end(&self, deadline: Duration) -> Result<Option<LeftOnDisk>, String> {
        let mut queue = self.shared.lock();
        let (left, items) = (queue.waiting.len(), queue.report.spooled);
        queue.let_go();
        if left > 0 && queue.report.failure.is_none() {
            let report = &mut queue.report;
            let seconds = deadline.as_secs();
            let why = report.spool_failure.clone().or_else(|| report.away.clone());
            let why = why.unwrap_or_else(|| format!("{left} items could not be sent in {seconds} s"));
            report.failure = Some(why);
        }
        let report = &queue.report;
        // What the disk could not be made to keep is not safe there.
        match report.failure.as_ref().or(report.spool_failure.as_ref().filter(|_| items > 0)) {
            Some(why) => Err(why.clone()),
            None => {
                let left = self.shared.folder.clone().filter(|_| items > 0);
                Ok(left.map(|folder| LeftOnDisk { items, folder }))
            }
        }
    }

    /// The far side, to be asked something before the lane's first item or after its last.
    pub fn with_sink<R>(&self, ask: impl FnOnce(&mut S) -> R) -> R {
        ask(&mut self.shared.far().sink)
    }
}

impl<S: Sink> Drop for Lane<S> {
    fn drop(&mut self) {
        self.shared.lock().let_go();
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
