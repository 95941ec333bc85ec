//! Lanes with a spool over outages, kills and ends.

use std::path::Path;

use corec_core::units::RunId;
use proptest::prelude::*;

use super::*;

fn spool(folder: &Path, bytes_max: u64) -> SpoolOptions {
    SpoolOptions { folder: folder.join("spool/far"), bytes_max, run: RunId(7) }
}

fn lane(far: &Far, policy: Policy<u64>, patience: u64, spool: SpoolOptions) -> Lane<Far> {
    let options = LaneOptions { spool: Some(spool), ..options(policy, patience) };
    Lane::start(far.clone(), options).unwrap()
}

fn away() -> Far {
    let far = Far::default();
    far.is_away.store(true, Ordering::SeqCst);
    far
}

fn wait_for(lane: &Lane<Far>, is_so: impl Fn(&LaneReport) -> bool) -> LaneReport {
    loop {
        let report = lane.report();
        if is_so(&report) {
            return report;
        }
        std::thread::yield_now();
    }
}

#[test]
fn what_waits_is_kept_on_disk_and_sent_in_order_when_the_far_side_is_back() {
    let (folder, far) = (tempfile::tempdir().unwrap(), away());
    let mut lane = lane(&far, Policy::Block, 60_000, spool(folder.path(), 1 << 20));
    (0..100).for_each(|n| lane.put(n));
    lane.sync().wait().unwrap();
    let report = lane.report();
    assert_eq!((report.spooled, report.spooled_total, report.waiting, report.outages), (100, 100, 0, 1));
    assert!(report.spool_bytes > 0 && report.away_seconds > 0.0 && report.away.is_some(), "{report:?}");
    far.is_away.store(false, Ordering::SeqCst);
    (100..110).for_each(|n| lane.put(n));
    assert_eq!(lane.close(Duration::from_secs(60)), Ok(None));
    assert_eq!(*far.taken.lock().unwrap(), (0..110).collect::<Vec<_>>());
    let report = lane.report();
    assert_eq!((report.spooled, report.spool_bytes, report.spool_lost, report.sent), (0, 0, 0, 110));
    assert!(!folder.path().join("spool/far").exists(), "all of it was sent");
}

#[test]
fn a_lane_whose_far_side_is_there_makes_no_folder() {
    let (folder, far) = (tempfile::tempdir().unwrap(), Far::default());
    let mut lane = lane(&far, Policy::Block, 60_000, spool(folder.path(), 1 << 20));
    (0..100).for_each(|n| lane.put(n));
    lane.sync().wait().unwrap();
    assert_eq!(lane.close(Duration::from_secs(60)), Ok(None));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_a_lane_could_not_send_at_its_end_is_told_and_sent_by_the_next() {
    let (folder, far) = (tempfile::tempdir().unwrap(), away());
    let spool = spool(folder.path(), 1 << 20);
    for start in [0, 50] {
        let mut lane = lane(&far, Policy::Block, 60_000, spool.clone());
        (start..start + 50).for_each(|n| lane.put(n));
        let left = LeftOnDisk { items: start + 50, folder: spool.folder.clone() };
        assert_eq!(lane.close(Duration::ZERO), Ok(Some(left.clone())));
        assert_eq!(lane.close(Duration::ZERO), Ok(Some(left)));
    }
    far.is_away.store(false, Ordering::SeqCst);
    let mut lane = lane(&far, Policy::Block, 60_000, spool);
    (100..103).for_each(|n| lane.put(n));
    assert_eq!(lane.close(Duration::from_secs(60)), Ok(None));
    assert_eq!(*far.taken.lock().unwrap(), (0..103).collect::<Vec<_>>());
}

#[test]
fn an_outage_longer_than_the_patience_ends_nothing_while_there_is_room_on_disk() {
    let (folder, far) = (tempfile::tempdir().unwrap(), away());
    let mut lane = lane(&far, Policy::Block, 0, spool(folder.path(), 1 << 20));
    (0..3).for_each(|n| lane.put(n));
    let report = wait_for(&lane, |report| report.spooled == 3);
    assert_eq!(report.failure, None);
    far.is_away.store(false, Ordering::SeqCst);
    let report = wait_for(&lane, |report| report.sent == 3);
    assert_eq!((report.failure, report.away, report.dropped), (None, None, 0));
}

#[test]
fn a_spool_without_room_leaves_the_rest_to_the_policy() {
    let even = |n: &u64| n % 2;
    for policy in [Policy::Drop, Policy::Coalesce(even), Policy::Block] {
        let (folder, far) = (tempfile::tempdir().unwrap(), away());
        let is_block = matches!(policy, Policy::Block);
        let mut lane = lane(&far, policy, 300, spool(folder.path(), 4000));
        for n in 0..2000 {
            lane.put(n);
            // The disk has its time, as long as it has room.
            wait_for(&lane, |report| report.waiting < 2 || report.spool_bytes > 3000);
            if lane.report().failure.is_some() {
                break;
            }
        }
        let report = lane.report();
        assert!(report.spool_bytes <= 4000 && report.spooled > 0, "{report:?}");
        if is_block {
            let why = "the far side did not take what it was sent for 0 s";
            assert_eq!(report.failure.as_deref(), Some(why));
            assert_eq!(lane.close(Duration::ZERO), Err(why.to_string()));
            continue;
        }
        assert!(report.dropped > 0 && report.failure.is_none(), "{report:?}");
        far.is_away.store(false, Ordering::SeqCst);
        assert_eq!(lane.close(Duration::from_secs(60)), Ok(None));
        let taken = far.taken.lock().unwrap();
        assert!(taken.len() as u64 == 2000 - report.dropped, "{} of {report:?}", taken.len());
    }
}

#[test]
fn a_spool_that_can_not_be_written_is_said_and_goes_on_when_it_can() {
    let (folder, far) = (tempfile::tempdir().unwrap(), away());
    let in_the_way = folder.path().join("spool");
    std::fs::write(&in_the_way, b"").unwrap();
    let options = SpoolOptions { folder: in_the_way.join("far"), ..spool(folder.path(), 1 << 20) };
    assert!(
        Lane::start(
            far.clone(),
            LaneOptions { spool: Some(options.clone()), ..super::options(Policy::Drop, 60_000) }
        )
        .is_err()
    );
    std::fs::remove_file(&in_the_way).unwrap();
    let mut lane = lane(&far, Policy::Drop, 60_000, options);
    std::fs::write(&in_the_way, b"").unwrap();
    (0..9).for_each(|n| lane.put(n));
    let report = wait_for(&lane, |report| report.spool_failure.is_some());
    assert_eq!((report.spooled, report.failure), (0, None));
    std::fs::remove_file(&in_the_way).unwrap();
    let report = wait_for(&lane, |report| report.spooled > 0);
    assert_eq!((report.spool_failure, report.failure), (None, None));
    lane.close(Duration::ZERO).unwrap().unwrap();
}

#[test]
fn a_spool_of_another_run_is_refused_and_left_as_it_is() {
    let (folder, far) = (tempfile::tempdir().unwrap(), away());
    let own = spool(folder.path(), 1 << 20);
    let mut lane = lane(&far, Policy::Block, 60_000, own.clone());
    lane.put(1);
    lane.close(Duration::ZERO).unwrap().unwrap();
    let other = SpoolOptions { run: RunId(8), ..own.clone() };
    let refused = Lane::start(far.clone(), LaneOptions { spool: Some(other), ..options(Policy::Block, 0) });
    let refused = refused.err().unwrap();
    assert!(refused.starts_with(own.folder.to_str().unwrap()), "{refused}");
    assert!(refused.contains("found the spool of run"), "{refused}");
    far.is_away.store(false, Ordering::SeqCst);
    super::outages::lane(&far, Policy::Block, 60_000, own).close(Duration::from_secs(60)).unwrap();
    assert_eq!(*far.taken.lock().unwrap(), [1]);
}

/// What happens to a lane.
#[derive(Clone, Debug)]
enum Event {
    Put(u64),
    Away(bool),
    Snapshot,
    /// The process is killed, and the run goes on from its last snapshot.
    Kill,
    End,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1..20u64).prop_map(Event::Put),
        2 => any::<bool>().prop_map(Event::Away),
        2 => Just(Event::Snapshot),
        1 => Just(Event::Kill),
        1 => Just(Event::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn everything_arrives_in_order_over_outages_and_kills(events in prop::collection::vec(event(), 1..25)) {
        let (folder, far) = (tempfile::tempdir().unwrap(), Far::default());
        let begin = || lane(&far, Policy::Block, 60_000, spool(folder.path(), 1 << 20));
        let (mut at, mut next, mut kept) = (begin(), 0, 0);
        for event in &events {
            match event {
                Event::Put(count) => {
                    (next..next + count).for_each(|n| at.put(n));
                    next += count;
                }
                Event::Away(is_away) => far.is_away.store(*is_away, Ordering::SeqCst),
                Event::Snapshot => {
                    at.sync().wait().unwrap();
                    kept = next;
                }
                Event::Kill => {
                    drop(at);
                    (at, next) = (begin(), kept);
                }
                Event::End => {
                    at.close(Duration::ZERO).unwrap();
                    (at, kept) = (begin(), next);
                }
            }
        }
        far.is_away.store(false, Ordering::SeqCst);
        prop_assert_eq!(at.close(Duration::from_secs(60)), Ok(None));
        // A run that goes on from its snapshot says again at least what it had said.
        let said = once(&far);
        prop_assert!(said.len() as u64 >= next, "{} of {next}", said.len());
        prop_assert!(said.iter().copied().eq(0..said.len() as u64), "{said:?}");
    }
}
