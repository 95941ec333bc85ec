//! Queue: what waits between the tick and the far side, and how the far side is sent it, or waited for.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::now;
use super::options::LaneReport;
use super::sink::{Sink, SinkError};

/// The first pause before an item is tried again, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];

/// What the two sides of a lane share.
pub(super) struct Shared<S: Sink> {
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
    pub report: LaneReport,
}

/// What the far side is asked for.
pub(super) enum Work<T> {
    Item(T),
    Sync,
}

impl<T> State<T> {
    /// Lets go of what waits.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.items = 0;
    }
}

impl<S: Sink> Shared<S> {
    /// An empty queue to `sink`.
    pub fn new(sink: S) -> Self {
        let state = State {
            queue: VecDeque::new(),
            items: 0,
            is_sending: false,
            spare: Vec::new(),
            since: None,
            syncs: [0, 0],
            is_closing: false,
            report: LaneReport::default(),
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), sink: Mutex::new(sink) }
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
        state.clear();
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
        let sent = {
            let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
            match &work {
                Work::Item(item) => sink.take(item),
                Work::Sync => sink.sync(),
            }
        };
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
        let away = state.since.get_or_insert_with(now).elapsed();
        if away > patience {
            drop(state);
            self.fail(format!("away for {} s: {why}", away.as_secs()));
            return may_wait;
        }
        state.items += usize::from(matches!(work, Work::Item(_)));
        state.queue.push_front(work);
        state.report.away = Some(why);
        if !may_wait || state.is_closing && away > PAUSES[1] {
            return false;
        }
        let pause = PAUSES[0].max(away / 2).min(PAUSES[1]);
        drop(self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner));
        true
    }
}
