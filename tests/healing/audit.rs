//! The audit tells of blocks that are harmed and of no others, with the same bits everywhere.

use corec::prelude::*;
use corec::testing::TestApp;
use corec_core::flags::{ALERT, Flags};
use serde_json::json;

use crate::harm::{Ledger, raised, scenario};

/// All seeds in a release build, some where every update is ten times slower.
const SEEDS: u64 = if cfg!(debug_assertions) { 4 } else { 20 };

/// One group, of half the entities in turn; and several, of which two have a single block or two.
const ALIKE: &[(&str, u64, f32)] = &[("swarm", 100_000, 0.5)];
const MIXED: &[(&str, u64, f32)] =
    &[("swarm", 80_000, 0.5), ("one", 1000, 0.5), ("two", 2000, 1.0), ("more", 17_000, 1.0)];

#[test]
#[expect(clippy::print_stdout, reason = "the figures of a run with --nocapture")]
fn harmed_blocks_are_told_of_within_ten_ticks_and_no_others() {
    for groups in [ALIKE, MIXED] {
        let mut ledger = Ledger::default();
        (1..=SEEDS).for_each(|seed| ledger.note(seed, 400, 12, groups));
        let Ledger { events, told, alerts, right, wrong } = &ledger;
        println!("{told} of {events} told of, {right} of {alerts} alerts right: {wrong:#?}");
        assert!(*told as f64 >= 0.95 * *events as f64, "{told} of {events}: {wrong:#?}");
        assert!(*right as f64 >= 0.9 * *alerts as f64, "{right} of {alerts}: {wrong:#?}");
    }
}

#[test]
fn a_healthy_run_raises_no_alert() {
    for (seed, groups) in [(1, ALIKE), (2, MIXED)] {
        let mut run = TestApp::default().scenario(scenario(seed, groups)).start().unwrap();
        run.tick(if cfg!(debug_assertions) { 400 } else { 2000 }).unwrap();
        assert_eq!(raised(&run), []);
    }
}

/// From tick 60 on, pushes the values of block 3 down: a function of the tick alone, so that a restored run does the same.
fn drift(blocks: Blocks<&mut Signal>, tick: Res<Tick>) {
    blocks.for_each_block(|view, signals| {
        if view.id() == BlockId(3) && (60..120).contains(&tick.0) {
            signals.iter_mut().for_each(|signal| signal.value = (signal.value - 0.01).max(0.0));
        }
    });
}

fn drifting(threads: u32, entities: bool) -> TestApp {
    let mut scenario = scenario(7, &[("swarm", 20_000, 0.5)]);
    scenario.sections.insert("audit".into(), json!({ "entities": entities }));
    TestApp::default().scenario(scenario).threads(threads).with(|app| {
        app.add_systems(Update, drift.in_set(Phase::Process));
    })
}

#[test]
fn audit_and_renewal_have_the_same_bits_at_any_number_of_threads_and_across_a_kill() {
    let digests = [1, 2, 8].map(|threads| {
        let mut run = drifting(threads, true).start().unwrap();
        run.tick(130).unwrap();
        assert!(
            raised(&run).iter().any(|(_, name, of)| name == ALERT && of == "swarm/3"),
            "{:?}",
            raised(&run)
        );
        run.digest()
    });
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    for killed_at in [1, 61, 66, 70] {
        let mut run = drifting(2, true).start().unwrap();
        run.tick(killed_at).unwrap();
        run.snapshot().unwrap();
        run.tick(3).unwrap();
        let mut run = drifting(1, true).restore(run.kill()).unwrap();
        run.tick(130 - killed_at).unwrap();
        assert_eq!(run.digest(), digests[0], "killed after tick {killed_at}");
    }
}

#[test]
fn a_flag_says_in_what_the_block_stands_apart_and_which_entities_do() {
    for entities in [false, true] {
        let mut run = drifting(2, entities).start().unwrap();
        let mut why = String::new();
        for _ in 0..80 {
            run.tick(1).unwrap();
            let flags = run.world().resource::<Flags>();
            if let Some((_, flag)) = flags.of(BlockId(3)).next() {
                why = flag.why.clone();
                break;
            }
        }
        assert!(why.contains("mean -") && why.contains(" sd (0."), "{why}");
        assert_eq!(why.matches("target").count(), if entities { 3 } else { 0 }, "{why}");
    }
}

#[test]
fn no_interval_is_no_audit() {
    let mut scenario = scenario(7, &[("swarm", 20_000, 0.5)]);
    scenario.sections.insert("audit_interval".into(), json!(0));
    let app = TestApp::default().scenario(scenario).with(|app| {
        app.add_systems(Update, drift.in_set(Phase::Process));
    });
    let mut run = app.start().unwrap();
    run.tick(100).unwrap();
    assert!(raised(&run).iter().all(|(_, name, _)| name != ALERT));
    assert!(run.digest().parts.iter().all(|(part, _)| part != "audit"));
}
