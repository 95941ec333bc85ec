//! Queue: what waits between the tick and the far side, and how the far side is sent it, or waited for.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::now;
use super::options::LaneReport;
use super::sink::{Sink, SinkError};

/// The first pause before an item is tried again, and the longest.
pub(super) const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];

/// What the two sides of a lane share.
pub(super) struct Shared<S: Sink> {
    /// What the far side is.
    name: &'static str,
    pub state: Mutex<State<S::Item>>,
    /// Something has changed: for whoever waits, on either side.
    pub changed: Condvar,
    pub sink: Mutex<S>,
}

/// The queue, and how far the far side has come with it.
pub(super) struct State<T> {
    pub queue: VecDeque<Work<T>>,
    /// Items in the queue.
    pub items: usize,
    /// Whether one is being sent.
    pub is_sending: bool,
    /// Items that have come back, for their memory.
    pub spare: Vec<T>,
    /// Since when the far side is away.
    since: Option<Instant>,
    /// How many syncs have been asked for, and done.
    pub syncs: [u64; 2],
    pub is_closing: bool,
    /// Whether nothing is to be sent any more.
    is_let_go: bool,
    pub report: LaneReport,
}

/// What the far side is asked for.
pub(super) enum Work<T> {
    Item(T),
    Sync,
}

impl<T> State<T> {
    /// Lets go of what waits, and of what is being sent should it come back.
    pub fn let_go(&mut self) {
        self.queue.clear();
        (self.items, self.is_let_go) = (0, true);
    }
}

impl<S: Sink> Shared<S> {
    /// An empty queue to `sink`.
    pub fn new(name: &'static str, sink: S) -> Self {
        let state = State {
            queue: VecDeque::new(),
            items: 0,
            is_sending: false,
            spare: Vec::new(),
            since: None,
            syncs: [0, 0],
            is_closing: false,
            is_let_go: false,
            report: LaneReport::default(),
        };
        Self { name, state: Mutex::new(state), changed: Condvar::new(), sink: Mutex::new(sink) }
    }

    pub fn lock(&self) -> MutexGuard<'_, State<S::Item>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change; none once it is too late.
    pub fn wait_until<'s>(
        &self,
        state: MutexGuard<'s, State<S::Item>>,
        deadline: Instant,
    ) -> Option<MutexGuard<'s, State<S::Item>>> {
        let left = deadline.saturating_duration_since(now());
        if left.is_zero() {
            return None;
        }
        let waited = self.changed.wait_timeout(state, left);
        Some(waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Says why the lane can't go on, and lets go of what waits.
    pub fn fail(&self, why: String) {
        let mut state = self.lock();
        state.report.failure.get_or_insert(why);
        state.let_go();
        drop(state);
        self.changed.notify_all();
    }

    /// Sends what is first in the queue. Says whether to go on: a thread (`may_wait`) waits for something to send, and tries again what
    /// could not be sent; without one, the next call does.
    pub fn send_next(&self, patience: Duration, may_wait: bool) -> bool {
        let mut state = self.lock();
        while state.queue.is_empty() {
            if !may_wait || state.is_closing {
                return false;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let Some(work) = state.queue.pop_front() else { return may_wait };
        state.items -= usize::from(matches!(work, Work::Item(_)));
        state.is_sending = true;
        drop(state);
        let send = || {
            let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
            match &work {
                Work::Item(item) => sink.take(item),
                Work::Sync => sink.sync(),
            }
        };
        let panicked = |_| Err(SinkError::Refused(format!("the {} panicked", self.name)));
        let sent = catch_unwind(AssertUnwindSafe(send)).unwrap_or_else(panicked);
        let mut state = self.lock();
        state.is_sending = false;
        match sent {
            Ok(()) => {
                (state.since, state.report.away) = (None, None);
                match work {
                    Work::Item(item) => {
                        state.report.sent += 1;
                        state.spare.push(item);
                        state.spare.truncate(2);
                    }
                    Work::Sync => state.syncs[1] += 1,
                }
                drop(state);
                self.changed.notify_all();
                true
            }
            Err(SinkError::Refused(why)) => {
                drop(state);
                self.fail(why);
                may_wait
            }
            Err(SinkError::Away(why)) => self.wait_for_far_side(state, work, why, patience, may_wait),
        }
    }

    /// Puts back what could not be sent, and waits a little before it is tried again.
    fn wait_for_far_side(
        &self,
        mut state: MutexGuard<'_, State<S::Item>>,
        work: Work<S::Item>,
        why: String,
        patience: Duration,
        may_wait: bool,
    ) -> bool {
        if state.is_let_go {
            return may_wait;
        }
        let away = state.since.get_or_insert_with(now).elapsed();
        if away > patience {
            drop(state);
            self.fail(format!("away for {} s: {why}", away.as_secs()));
            return may_wait;
        }
        state.items += usize::from(matches!(work, Work::Item(_)));
        state.queue.push_front(work);
        state.report.away = Some(why);
        if !may_wait {
            return false;
        }
        // Several lanes to one far side do not all come back to it at once.
        let jitter = 0.75 + 0.5 * f64::from(away.subsec_nanos() % 1000) / 1000.0;
        let was_closing = state.is_closing;
        let longest = if was_closing { PAUSES[0] } else { PAUSES[1] };
        let until = now() + PAUSES[0].max(away / 2).min(longest).mul_f64(jitter);
        // More that is put in is no reason to try sooner.
        while !state.is_let_go && state.is_closing == was_closing {
            match self.wait_until(state, until) {
                Some(changed) => state = changed,
                None => break,
            }
        }
        true
    }
}
