//! Teams of several sizes: what is shared, who waits, what a panic does, and how a team ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::trace::now;

const THREADS: [usize; 5] = [1, 2, 3, 8, 16];

#[test]
fn every_item_is_met_once_and_all_are_done_at_the_end() {
    for threads in THREADS {
        let team = Team::new(threads).unwrap();
        for round in 0..200 {
            let mut met = vec![0u32; 100];
            team.enter(|| {
                for_each(met.iter_mut(), |item| *item += 1);
                assert!(met.iter().all(|count| *count == 1), "{threads} threads, round {round}");
            });
        }
    }
}

#[test]
fn the_lead_is_always_the_same_thread() {
    let team = Team::new(4).unwrap();
    let here = || std::thread::current().name().map(str::to_string);
    for _ in 0..100 {
        assert_eq!(team.enter(here).as_deref(), Some("corec-0"));
    }
}

#[test]
fn work_of_one_is_no_parallel_share_and_work_of_all_is() {
    let team = Team::new(2).unwrap();
    let pause = |ms| std::thread::sleep(Duration::from_millis(ms));
    let mut meter = team.meter();
    team.enter(|| meter.meter(|| pause(50)));
    assert!(meter.parallel_share().unwrap() < 0.1);
    let mut meter = team.meter();
    team.enter(|| meter.meter(|| for_each(0..20, |_| pause(5))));
    assert!(meter.parallel_share().unwrap() > 0.0, "the other helped");
    assert_eq!(Team::new(1).unwrap().meter().parallel_share(), None);
}

#[test]
fn outside_a_team_all_items_run_here() {
    let here = std::thread::current().id();
    for_each(0..10, |_| assert_eq!(std::thread::current().id(), here));
}

#[test]
fn a_panic_is_told_after_the_other_items_have_run() {
    let team = Team::new(3).unwrap();
    let met = AtomicUsize::new(0);
    let told = catch_unwind(AssertUnwindSafe(|| {
        team.enter(|| {
            for_each(0..50, |i| {
                assert!(i != 7, "seven");
                met.fetch_add(1, Ordering::SeqCst);
            });
        });
    }));
    assert_eq!(crate::blocks::panic_message(&*told.unwrap_err()), "seven");
    assert_eq!(met.load(Ordering::SeqCst), 49);
    assert_eq!(team.enter(|| 5), 5, "and the team goes on");
}

#[test]
fn items_may_offer_items_and_use_rayon() {
    for threads in THREADS {
        let team = Team::new(threads).unwrap();
        let met = AtomicUsize::new(0);
        team.enter(|| {
            for_each(0..20, |_| {
                for_each(0..20, |_| _ = met.fetch_add(1, Ordering::SeqCst));
                let halves = rayon::join(|| (0..100u64).sum::<u64>(), || (100..200u64).sum::<u64>());
                assert_eq!(halves.0 + halves.1, 19_900);
            });
        });
        assert_eq!(met.load(Ordering::SeqCst), 400);
    }
}

#[test]
fn two_callers_of_one_team_are_both_served() {
    let team = Team::new(2).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let sum = AtomicU64::new(0);
                    team.enter(|| for_each(0..10u64, |i| _ = sum.fetch_add(i, Ordering::SeqCst)));
                    assert_eq!(sum.into_inner(), 45);
                }
            });
        }
    });
}

#[test]
fn a_team_that_is_dropped_ends_its_threads() {
    let ended = Arc::new(AtomicUsize::new(0));
    for _ in 0..20 {
        let team = Team::new(4).unwrap();
        let held = Arc::downgrade(&team.shared);
        team.enter(|| for_each(0..8, |_| {}));
        drop(team);
        let start = now();
        while held.strong_count() > 0 && start.elapsed() < Duration::from_secs(20) {
            std::thread::yield_now();
        }
        ended.fetch_add(usize::from(held.strong_count() == 0), Ordering::SeqCst);
    }
    assert_eq!(ended.load(Ordering::SeqCst), 20);
}
