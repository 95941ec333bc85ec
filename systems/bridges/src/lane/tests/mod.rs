//! Lanes with and without a thread, to a far side that comes and goes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

mod disk;
mod outages;

/// A far side that can be cut off.
#[derive(Clone, Default)]
struct Far {
    taken: Arc<Mutex<Vec<u64>>>,
    is_away: Arc<AtomicBool>,
}

impl Sink for Far {
    type Item = u64;

    const ITEMS_MAX: usize = 3;

    fn take(&mut self, items: &[u64]) -> Result<(), SinkError> {
        assert!((1..=3).contains(&items.len()), "{items:?}");
        assert!(!items.contains(&(u64::MAX - 1)), "an item that it can't stand");
        if self.is_away.load(Ordering::SeqCst) {
            return Err(SinkError::Away("cut off".into()));
        }
        if items.contains(&u64::MAX) {
            return Err(SinkError::Refused("no number".into()));
        }
        self.taken.lock().unwrap().extend(items);
        Ok(())
    }
}

impl Spooled for u64 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        bytes.try_into().map(Self::from_le_bytes).map_err(|_| "no number".into())
    }
}

/// What has come, each once.
fn once(far: &Far) -> Vec<u64> {
    let mut once = Vec::new();
    for item in far.taken.lock().unwrap().iter() {
        if !once.contains(item) {
            once.push(*item);
        }
    }
    once
}

fn options(policy: Policy<u64>, patience: u64) -> LaneOptions<u64> {
    let patience = Duration::from_millis(patience);
    LaneOptions { name: "far side", items_max: 4, bytes_max: 1000, policy, patience, spool: None }
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
    let failed = "the far side panicked".to_string();
    assert_eq!(lane.sync().wait(), Err(failed.clone()));
    (0..20).for_each(|n| lane.put(n));
    assert_eq!(lane.close(Duration::from_secs(60)), Err(failed));
}
