//! Selection: fitness rises faster with it.

use corec::testing::TestApp;
use corec_core::stats::Totals;
use serde_json::{Value, json};

use crate::harm::{scenario, with_section};

/// What fitness gains in 300 ticks without any repair or fault.
fn gain(selection: &Value, threads: u32) -> (f64, u64) {
    let mut scenario = with_section(scenario(5, &[("swarm", 20_000, 1.0)]), "selection", selection);
    scenario = with_section(scenario, "dynamics", &json!({"fault_rate": 0}));
    let mut run = TestApp::default().scenario(scenario).threads(threads).start().unwrap();
    run.tick(300).unwrap();
    let totals = run.world().resource::<Totals>();
    (totals.fitness_end.unwrap() - totals.fitness_start.unwrap(), run.digest().value)
}

#[test]
fn fitness_rises_faster_the_more_are_selected() {
    let (without, with, more) =
        (gain(&json!(false), 2).0, gain(&json!(true), 2).0, gain(&json!({"rate": 0.01}), 2).0);
    assert!(without.abs() < 0.02, "{without}");
    assert!(with > without + 0.03 && more > with + 0.1, "{without}, {with}, {more}");
}

#[test]
fn selection_has_the_same_bits_at_any_number_of_threads() {
    let rate = json!({"rate": 0.0153, "mutation": 0.1});
    assert_eq!(gain(&rate, 1), gain(&rate, 8));
}
