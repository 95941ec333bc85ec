//! The judge on runs that were made by hand.

use corec_dynamics::chaos::{Entry, Ledger};

use super::*;

fn truth(kind: EventKind, block: Option<u32>, start: u64) -> Truth {
    let event = Event { kind, block, start, ticks: 20, strength: 0.5 };
    let subject = match (kind, block) {
        (EventKind::Plugin, _) => "saboteur".into(),
        (_, Some(block)) => format!("swarm/{block}"),
        (_, None) => "input".into(),
    };
    let (first_tick, last_tick) = (start, event.last());
    Truth { kind, subject, block, first_tick, last_tick, strength: 0.5, event }
}

fn entry(truth: &Truth, afflicted: u32, healed: Option<u64>) -> Entry {
    let mut entry = Ledger::new([truth.event]).entries()[0].clone();
    (entry.afflicted, entry.healed) = (afflicted, healed);
    entry
}

fn block_alert(tick: u64, block: u32) -> Raised {
    Raised { tick, name: "block_faults".into(), subject: format!("swarm/{block}"), block: Some(block) }
}

fn other_alert(tick: u64, name: &str, subject: &str) -> Raised {
    Raised { tick, name: name.into(), subject: subject.into(), block: None }
}

#[test]
fn hits_are_alerts_in_time_on_the_block_and_others_are_false() {
    let all = [
        truth(EventKind::Dead, Some(1), 50),
        truth(EventKind::Dead, Some(2), 60),
        truth(EventKind::Drift, Some(3), 70),
    ];
    let this = Track {
        // In time; too late for a hit, and still no false alert; a block without an event; a block long after one.
        alerts: vec![
            block_alert(52, 1),
            block_alert(71, 2),
            block_alert(72, 4),
            block_alert(119, 3),
            block_alert(120, 3),
        ],
        entries: vec![
            entry(&all[0], 300, Some(54)),
            entry(&all[1], 300, Some(62)),
            entry(&all[2], 1000, Some(75)),
        ],
        ..Track::default()
    };
    let report = judge(&all, 600, &this, &Track::default(), &Track::default());
    assert_eq!((report.all.events, report.all.hits, report.all.recall), (3, 1, Some(1.0 / 3.0)));
    assert_eq!((report.alerts, report.alerts_false, report.precision), (5, 2, Some(0.6)));
    let left: Vec<_> = report.false_alerts.iter().map(|alert| (alert.tick, alert.block)).collect();
    assert_eq!(left, [(72, Some(4)), (120, Some(3))]);
}

#[test]
fn times_are_medians_from_the_first_tick() {
    let all: Vec<Truth> = (0..4).map(|n| truth(EventKind::Noise, Some(n), 50)).collect();
    let entries = [(Some(53)), Some(60), Some(69), None];
    let this = Track {
        alerts: vec![
            block_alert(51, 0),
            block_alert(55, 0),
            block_alert(54, 1),
            block_alert(60, 2),
            block_alert(61, 3),
        ],
        entries: all.iter().zip(entries).map(|(truth, healed)| entry(truth, 10, healed)).collect(),
        ..Track::default()
    };
    let report = judge(&all, 600, &this, &Track::default(), &Track::default());
    assert_eq!((report.all.hits, report.all.ticks_to_detect), (3, Some(4.0)));
    assert_eq!((report.all.healed, report.all.ticks_to_heal), (3, Some(10.0)));
    assert_eq!(report.all.ticks_to_heal_without_repair, None);
    assert_eq!(median(vec![4, 1, 2, 3]), Some(2.5));
}

#[test]
fn an_event_that_is_not_healed_still_explains_an_alert() {
    let all = [truth(EventKind::Dead, Some(1), 50)];
    let track = |healed| Track {
        alerts: vec![block_alert(300, 1)],
        entries: vec![entry(&all[0], 300, healed)],
        ..Track::default()
    };
    let precision = |healed| judge(&all, 600, &track(healed), &Track::default(), &Track::default()).precision;
    assert_eq!(
        (precision(None), precision(Some(290)), precision(Some(60))),
        (Some(1.0), Some(1.0), Some(0.0))
    );
}

#[test]
fn plugins_and_floods_are_told_of_by_their_own_alerts() {
    let all = [truth(EventKind::Plugin, None, 50), truth(EventKind::Flood, None, 90)];
    let this = Track {
        alerts: vec![
            other_alert(50, "system_error", "saboteur::err"),
            other_alert(51, "system_error", "other::err"),
            other_alert(92, REFUSED_ALERT, "input"),
            other_alert(93, REFUSED_ALERT, "elsewhere"),
        ],
        ..Track::default()
    };
    let report = judge(&all, 600, &this, &Track::default(), &Track::default());
    let found: Vec<_> =
        report.kinds.iter().map(|kind| (kind.kind, kind.hits, kind.ticks_to_detect)).collect();
    assert_eq!(found, [("plugin", 1, Some(0.0)), ("flood", 1, Some(2.0))]);
    assert_eq!((report.alerts_false, report.all.fitness_lost), (2, None));
}

#[test]
fn fitness_lost_is_what_a_block_is_below_the_calm_run() {
    let all = [truth(EventKind::Drift, Some(1), 2), truth(EventKind::Dead, Some(1), 5)];
    let track = |series: [f32; 8]| Track { blocks: [(1, series.to_vec())].into(), ..Track::default() };
    let calm = track([0.5; 8]);
    // Above the calm run is no gain: it would hide what was lost elsewhere.
    let this = track([0.0, 0.0, 0.25, 0.5, 1.0, 0.25, 0.5, 0.5]);
    let bare = track([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]);
    let report = judge(&all, 600, &this, &bare, &calm);
    let lost: Vec<_> = report
        .kinds
        .iter()
        .map(|k| (k.kind, k.fitness_lost, k.fitness_lost_without_repair, k.saved))
        .collect();
    assert_eq!(
        lost,
        [
            ("dead", Some(0.25), Some(1.0), Some(0.75)),
            ("drift", Some(0.25), Some(1.5), Some(1.0 - 0.25 / 1.5))
        ]
    );
    assert_eq!((report.all.fitness_lost, report.all.saved), (Some(0.5), Some(0.8)));
}

#[test]
fn what_is_too_near_the_end_is_not_judged() {
    let all = [truth(EventKind::Dead, Some(1), 50), truth(EventKind::Dead, Some(2), 90)];
    let report = judge(&all, 100, &Track::default(), &Track::default(), &Track::default());
    assert_eq!((report.all.events, report.unjudged, report.precision), (1, 1, None));
}
