//! Lane: the one bounded queue between a tick and the far side of a bridge.
//!
//! A tick puts items in; a thread of the lane's own (or, where the far side is in this process, the tick itself) takes them out,
//! in order. A far side that is away is tried again, with growing pauses; meanwhile items wait, and when the lane is full its policy
//! says what becomes of more: the tick waits, the older item of the same key goes, or the new one does. Only when the far side stays
//! away for longer than it may, or refuses an item for good, has the lane failed, and says why.

mod options;
mod sink;

mod queue;

use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use options::{LaneOptions, LaneReport, Policy};
pub use sink::{Sink, SinkError};

use queue::{PAUSES, Shared, State, Work};

/// A queue to a far side. Dropped, it lets go of what waits; [`Lane::close`] sends it first.
pub struct Lane<S: Sink> {
    shared: Arc<Shared<S>>,
    options: LaneOptions<S::Item>,
    /// None where the tick takes items out itself.
    thread: Option<JoinHandle<()>>,
}

/// Tells when the far side has, and keeps, all that was put before. May be asked on another thread.
pub struct Safe<S: Sink> {
    shared: Arc<Shared<S>>,
    name: &'static str,
    sync: u64,
    patience: Duration,
}

impl<S: Sink> Safe<S> {
    /// Waits for it.
    ///
    /// # Errors
    /// A lane that has failed, or takes too long. A text.
    pub fn wait(&self) -> Result<(), String> {
        let deadline = now() + self.patience;
        let mut state = self.shared.lock();
        loop {
            if let Some(failure) = &state.report.failure {
                return Err(failure.clone());
            }
            if state.syncs[1] >= self.sync {
                return Ok(());
            }
            let late = || format!("the {} did not keep what it was sent in time", self.name);
            state = self.shared.wait_until(state, deadline).ok_or_else(late)?;
        }
    }
}

impl<S: Sink> Lane<S> {
    /// A lane with a thread of its own.
    ///
    /// # Errors
    /// What the system says if it has no thread to give.
    pub fn start(sink: S, options: LaneOptions<S::Item>) -> std::io::Result<Self> {
        let (name, patience) = (format!("corec-{}", options.name), options.patience);
        let mut lane = Self::here(sink, options);
        let shared = Arc::clone(&lane.shared);
        let work = move || while shared.send_next(patience, true) {};
        lane.thread = Some(std::thread::Builder::new().name(name).spawn(work)?);
        Ok(lane)
    }

    /// A lane whose far side is in this process: whoever puts an item in takes it out as well, as long as the far side is there.
    pub fn here(sink: S, options: LaneOptions<S::Item>) -> Self {
        let options = LaneOptions { items_max: options.items_max.max(1), ..options };
        Self { shared: Arc::new(Shared::new(options.name, sink)), options, thread: None }
    }

    /// Puts an item in. What the policy lets go is counted; a lane that has failed takes nothing more.
    pub fn put(&mut self, item: S::Item) {
        if self.thread.is_none() {
            self.go_on();
        }
        let deadline = now() + self.options.patience;
        let mut state = self.shared.lock();
        while state.items >= self.options.items_max && state.report.failure.is_none() {
            match self.options.policy {
                Policy::Drop => {
                    state.report.dropped += 1;
                    return;
                }
                Policy::Coalesce(key) => {
                    state.report.dropped += 1;
                    let same =
                        |work: &Work<S::Item>| matches!(work, Work::Item(old) if key(old) == key(&item));
                    if let Some(at) = state.queue.iter().position(same) {
                        state.queue[at] = Work::Item(item);
                        return;
                    }
                    let oldest = state.queue.iter().position(|work| matches!(work, Work::Item(_)));
                    oldest.map(|at| state.queue.remove(at));
                    state.items -= 1;
                }
                Policy::Block => {
                    drop(state);
                    if !self.wait_for_room(deadline) {
                        let (name, seconds) = (self.options.name, self.options.patience.as_secs());
                        let late = format!("the {name} did not take what it was sent for {seconds} s");
                        return self.shared.fail(late);
                    }
                    state = self.shared.lock();
                }
            }
        }
        if state.report.failure.is_none() {
            state.queue.push_back(Work::Item(item));
            state.items += 1;
        }
        drop(state);
        self.go_on();
    }

    /// Waits for a change, or tries again what waits; says whether there is time left for it.
    fn wait_for_room(&mut self, deadline: Instant) -> bool {
        if self.thread.is_some() {
            let state = self.shared.lock();
            return state.items < self.options.items_max || self.shared.wait_until(state, deadline).is_some();
        }
        std::thread::sleep(PAUSES[0].min(deadline.saturating_duration_since(now())));
        self.go_on();
        now() < deadline
    }

    /// Asks the far side to keep what has been put in; gives what tells when it does.
    pub fn sync(&mut self) -> Safe<S> {
        let sync = {
            let mut state = self.shared.lock();
            state.queue.push_back(Work::Sync);
            state.syncs[0] += 1;
            state.syncs[0]
        };
        self.go_on();
        Safe {
            shared: Arc::clone(&self.shared),
            name: self.options.name,
            sync,
            patience: self.options.patience,
        }
    }

    /// Takes out what waits, where no thread does.
    pub fn go_on(&mut self) {
        match self.thread {
            Some(_) => self.shared.changed.notify_all(),
            None => while self.shared.send_next(self.options.patience, false) {},
        }
    }

    /// An item that has been sent, for its memory.
    pub fn spare(&self) -> Option<S::Item> {
        self.shared.lock().spare.pop()
    }

    /// What it has done so far.
    pub fn report(&self) -> LaneReport {
        let state = self.shared.lock();
        let waiting = (state.items + usize::from(state.is_sending)) as u64;
        LaneReport { waiting, ..state.report.clone() }
    }

    /// Sends what waits, for at most `deadline`, and ends the thread. A second call does nothing.
    ///
    /// # Errors
    /// What could not be sent, and why: a text.
    pub fn close(&mut self, deadline: Duration) -> Result<(), String> {
        let until = now() + deadline;
        let mut state = self.shared.lock();
        state.is_closing = true;
        drop(state);
        self.go_on();
        let mut state = self.shared.lock();
        let is_done = |state: &State<S::Item>| state.queue.is_empty() && !state.is_sending;
        while state.report.failure.is_none() && !is_done(&state) && self.thread.is_some() {
            match self.shared.wait_until(state, until) {
                Some(changed) => state = changed,
                None => {
                    state = self.shared.lock();
                    break;
                }
            }
        }
        let left = state.items + usize::from(state.is_sending);
        let why = state.report.failure.clone().or_else(|| state.report.away.clone());
        state.let_go();
        drop(state);
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A far side that panics fails the lane; its thread does not.
            _ = thread.join();
        }
        match why {
            Some(why) => Err(why),
            None if left > 0 => Err(format!("{left} items could not be sent in {} s", deadline.as_secs())),
            None => Ok(()),
        }
    }

    /// The far side, to be asked something at the end of a run.
    pub fn with_sink<R>(&self, ask: impl FnOnce(&mut S) -> R) -> R {
        ask(&mut self.shared.sink.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Sink> Drop for Lane<S> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_closing = true;
        state.let_go();
        drop(state);
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long the far side has been away; no result depends on it")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// A far side that can be cut off.
    #[derive(Clone, Default)]
    struct Far {
        taken: Arc<Mutex<Vec<u64>>>,
        is_away: Arc<AtomicBool>,
    }

    impl Sink for Far {
        type Item = u64;

        fn take(&mut self, item: &u64) -> Result<(), SinkError> {
            assert_ne!(*item, u64::MAX - 1, "an item that it can't stand");
            match *item {
                _ if self.is_away.load(Ordering::SeqCst) => Err(SinkError::Away("cut off".into())),
                u64::MAX => Err(SinkError::Refused("no number".into())),
                item => {
                    self.taken.lock().unwrap().push(item);
                    Ok(())
                }
            }
        }
    }

    fn options(policy: Policy<u64>, patience: u64) -> LaneOptions<u64> {
        LaneOptions { name: "far side", items_max: 4, policy, patience: Duration::from_millis(patience) }
    }

    #[test]
    fn items_arrive_in_order_also_over_an_outage() {
        for has_thread in [false, true] {
            let far = Far::default();
            let options = options(Policy::Block, 60_000);
            let mut lane = match has_thread {
                true => Lane::start(far.clone(), options).unwrap(),
                false => Lane::here(far.clone(), options),
            };
            (0..100).for_each(|n| lane.put(n));
            lane.sync().wait().unwrap();
            far.is_away.store(true, Ordering::SeqCst);
            (100..104).for_each(|n| lane.put(n));
            while lane.report().away.is_none() {
                std::thread::yield_now();
            }
            assert_eq!((lane.report().sent, lane.report().waiting), (100, 4));
            far.is_away.store(false, Ordering::SeqCst);
            lane.go_on();
            lane.close(Duration::from_secs(60)).unwrap();
            lane.close(Duration::from_secs(60)).unwrap();
            assert_eq!(*far.taken.lock().unwrap(), (0..104).collect::<Vec<_>>(), "{has_thread}");
        }
    }

    #[test]
    fn a_full_lane_does_as_its_policy_says() {
        let even = |n: &u64| n % 2;
        for (policy, left, dropped) in
            [(Policy::Drop, [0, 1, 2, 3], 4), (Policy::Coalesce(even), [6, 7, 2, 3], 4)]
        {
            let far = Far::default();
            far.is_away.store(true, Ordering::SeqCst);
            let mut lane = Lane::here(far.clone(), options(policy, 60_000));
            (0..8).for_each(|n| lane.put(n));
            far.is_away.store(false, Ordering::SeqCst);
            lane.close(Duration::from_secs(60)).unwrap();
            assert_eq!((&far.taken.lock().unwrap()[..], lane.report().dropped), (&left[..], dropped));
        }
        let far = Far::default();
        far.is_away.store(true, Ordering::SeqCst);
        let mut lane = Lane::start(far, options(Policy::Block, 50)).unwrap();
        (0..20).for_each(|n| lane.put(n));
        let failure = lane.report().failure.unwrap();
        assert!(failure.contains("did not take") || failure.contains("away for"), "{failure}");
        assert!(lane.close(Duration::from_secs(60)).is_err());
    }

    #[test]
    fn what_is_refused_for_good_fails_the_lane_and_holds_nobody() {
        // One in some thousands met the end of the thread, and waited for a minute.
        for _ in 0..5_000 {
            let mut lane = Lane::start(Far::default(), options(Policy::Block, 60_000)).unwrap();
            lane.put(u64::MAX);
            assert_eq!(lane.sync().wait(), Err("no number".to_string()));
            (0..20).for_each(|n| lane.put(n));
            assert_eq!(lane.close(Duration::from_secs(60)), Err("no number".to_string()));
        }
    }

    #[test]
    fn a_far_side_that_comes_back_while_the_lane_closes_has_everything() {
        let far = Far::default();
        far.is_away.store(true, Ordering::SeqCst);
        let mut lane = Lane::start(far.clone(), options(Policy::Block, 60_000)).unwrap();
        (0..3).for_each(|n| lane.put(n));
        let there = far.is_away.clone();
        let back = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(150));
            there.store(false, Ordering::SeqCst);
        });
        lane.close(Duration::from_secs(60)).unwrap();
        back.join().unwrap();
        assert_eq!(*far.taken.lock().unwrap(), [0, 1, 2]);
        // One that does not come back is told of, and nobody waits longer than was said.
        let far = Far::default();
        far.is_away.store(true, Ordering::SeqCst);
        let mut lane = Lane::start(far.clone(), options(Policy::Block, 60_000)).unwrap();
        lane.put(1);
        assert_eq!(lane.close(Duration::from_millis(100)), Err("cut off".to_string()));
        far.is_away.store(false, Ordering::SeqCst);
        assert!(far.taken.lock().unwrap().is_empty(), "what was given up is not sent later");
    }

    #[test]
    fn a_full_lane_without_a_thread_goes_on_when_its_far_side_is_back() {
        for policy in [Policy::Block, Policy::Drop] {
            let far = Far::default();
            far.is_away.store(true, Ordering::SeqCst);
            let mut lane = Lane::here(far.clone(), options(policy, 60_000));
            (0..4).for_each(|n| lane.put(n));
            far.is_away.store(false, Ordering::SeqCst);
            lane.put(4);
            assert_eq!(*far.taken.lock().unwrap(), [0, 1, 2, 3, 4]);
        }
    }

    #[test]
    fn a_far_side_that_panics_fails_its_lane_and_holds_nobody() {
        let mut lane = Lane::start(Far::default(), options(Policy::Block, 60_000)).unwrap();
        lane.put(u64::MAX - 1);
        let failed = Err("the far side panicked".to_string());
        assert_eq!(lane.sync().wait(), failed);
        (0..20).for_each(|n| lane.put(n));
        assert_eq!(lane.close(Duration::from_secs(60)), failed);
    }
}
