//! What a run says to the bus and to the store could differ from run to run while every tool said "the same bits": it has a digest of its
//! own, and who says something else is named with the stream or table, and the tick.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicU64, Ordering};

use corec::prelude::*;
use corec_core::config::{BlockGroup, Scenario};
use corec_run::Stop;
use corec_run::verify::Rerun;

/// What no two runs have in common.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Says something that depends on more than seed and scenario, from tick 13 on.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
struct Slip {}
corec::plugin!(Slip, name = "slip");

fn says<const N: usize>(tick: Res<Tick>, mut out: Outbox<Slip>) -> Result {
    let value = if tick.0 < 13 { 1 } else { CALLS.fetch_add(1, Ordering::Relaxed) };
    match N {
        0 => out.metric("x", value as f64),
        1 => out.keep("x", &value)?,
        2 => out.publish("out", &value.to_le_bytes()),
        3 if tick.0 == 13 => out.alert("odd", "it", value as f64, 2),
        _ => {}
    }
    Ok(())
}

impl Plugin for Slip {
    fn build(&self, _: &mut App) {}
}

#[test]
fn what_differs_is_named_with_its_plugin_its_stream_and_its_tick() {
    let wanted = [
        "what 'slip' says to 'metrics'",
        "what 'slip' says to 'plugin_rows'",
        "what 'slip' says to 'out'",
        "what 'slip' says to 'alertas odd'",
    ];
    let add: [fn(&mut App); 4] = [
        |app| _ = app.add_systems(Update, says::<0>.in_set(Phase::Process)),
        |app| _ = app.add_systems(Update, says::<1>.in_set(Phase::Process)),
        |app| _ = app.add_systems(Update, says::<2>.in_set(Phase::Process)),
        |app| _ = app.add_systems(Update, says::<3>.in_set(Phase::Process)),
    ];
    let stop = Stop::default();
    let scenario = || {
        let cells = BlockGroup { id: "cells".into(), entities: 1000, ..Default::default() };
        Scenario { blocks: vec![cells], ..Default::default() }
    };
    let app = |add: Option<fn(&mut App)>| {
        move |_: &mut Scenario| {
            let mut app = App::new();
            app.add_plugins(CorecPlugin);
            add.into_iter().for_each(|add| add(&mut app));
            app
        }
    };
    for (add, wanted) in add.into_iter().zip(wanted) {
        let app = app(Some(add));
        let again = Rerun {
            scenario: scenario(),
            journal: None,
            ticks: 25,
            interval: 10,
            old_until: 0,
            old_format: 0,
            app: &app,
            stop: &stop,
        };
        let [one, other] = [1, 2].map(|threads| again.run(threads, &mut |_| {}).unwrap().0);
        let at = |tick| (one[tick], other[tick]);
        assert!(at(0).0.agrees(&at(0).1), "{wanted}: nothing is said otherwise up to tick 10");
        assert_eq!(at(1).0.state, at(1).1.state, "{wanted}: the state is the same");
        assert!(!at(1).0.agrees(&at(1).1), "{wanted}");
        let divergence = again.diverges([1, 2]).unwrap().expect("they diverge");
        // An alert goes out in the tick that raises it, as everything else.
        assert_eq!((divergence.tick, divergence.said), (14, vec![wanted.to_string()]));
        assert!(divergence.differences.is_empty(), "{:?}", divergence.differences);
    }
    let app = app(None);
    let again = Rerun {
        scenario: scenario(),
        journal: None,
        ticks: 25,
        interval: 10,
        old_until: 0,
        old_format: 0,
        app: &app,
        stop: &stop,
    };
    assert!(again.diverges([1, 2]).unwrap().is_none(), "a run without it says the same");
}

#[test]
fn what_waits_to_be_said_after_a_restore_is_said_by_who_has_said_it() {
    fn warns(tick: Res<Tick>, mut out: Outbox<Slip>) {
        out.alert("odd", &format!("tick {}", tick.0), 1.0, 2);
    }
    let (stop, blocks) =
        (Stop::default(), vec![BlockGroup { id: "cells".into(), entities: 1000, ..Default::default() }]);
    let app = |_: &mut Scenario| {
        let mut app = App::new();
        // After the engine has sent what there is: it goes out a tick later, after a snapshot that is made in between.
        app.add_plugins(CorecPlugin).add_systems(Update, warns.after(Phase::Publish));
        app
    };
    let again = Rerun {
        scenario: Scenario { blocks, ..Default::default() },
        journal: None,
        ticks: 12,
        interval: 10,
        old_until: 0,
        old_format: 0,
        app: &app,
        stop: &stop,
    };
    let divergence = again.diverges_after_restore(1, 7).unwrap();
    assert!(divergence.is_none(), "{divergence:?}");
}
