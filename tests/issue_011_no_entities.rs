//! A summary of a run without entities said "15011840.0 bytes an entity": what is divided by nothing is left out or 0, in text
//! and in JSON.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use corec::prelude::*;
use corec_run::{RunPlan, run};
use serde_json::Value;
use support::{corec, json, number};

/// The paths of what is null.
fn nulls(value: &Value, at: &str) -> Vec<String> {
    match value {
        Value::Null => vec![at.to_string()],
        Value::Object(fields) => {
            fields.iter().flat_map(|(key, v)| nulls(v, &format!("{at}.{key}"))).collect()
        }
        Value::Array(items) => items.iter().flat_map(|v| nulls(v, at)).collect(),
        _ => Vec::new(),
    }
}

/// Everybody dies in the third tick.
fn die(world: &mut World) {
    if world.resource::<Tick>().0 == 2 {
        let mut rows = Rows::new(world);
        (0..10).for_each(|id| rows.free(StableId(id)).expect("each dies once"));
    }
}

#[test]
fn a_run_whose_entities_have_died_out_has_no_bytes_an_entity() {
    let folder = tempfile::tempdir().unwrap();
    let mut app = App::new();
    app.add_plugins(CorecPlugin).add_kind(Kind::new("mortal").with::<Signal>().recycled());
    app.add_systems(Update, die);
    let group = BlockGroup { id: "g".into(), kind: "mortal".into(), entities: 10, ..Default::default() };
    let scenario = Scenario { blocks: vec![group], store: "memory".into(), ticks: 5, ..Default::default() };
    #[expect(clippy::disallowed_methods, reason = "a run times itself from here")]
    let mut plan = RunPlan::new(scenario, std::time::Instant::now());
    plan.out = Some(folder.path().join("run"));
    let summary = run(app, plan, &corec::run::Stop::default(), &mut |_| {}).unwrap();
    assert_eq!((summary.entities, summary.error.clone()), (0, None));
    let text = summary.to_string();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    assert!(!words.contains(&"NaN") && !words.contains(&"inf") && !text.contains("an entity"), "{text}");
    assert!(text.contains("0 in 1 block\n") && text.contains("MB at most\n"), "{text}");
    // serde_json writes NaN and infinity as null: these are null because there is nothing to say.
    let mut without = nulls(&serde_json::to_value(&summary).unwrap(), "");
    without.retain(|key| ![".systems", ".snapshots", ".lanes"].iter().any(|part| key.starts_with(part)));
    without.sort();
    let expected = [
        ".bytes_per_entity",
        ".chaos",
        ".detector",
        ".error",
        ".fitness_end",
        ".fitness_gain_per_1000_ticks",
        ".interrupted_by",
        ".pr_auc",
        ".reshapes",
        ".restored_at",
        ".roc_auc",
        ".table",
        ".vus_missing",
        ".vus_pr",
    ];
    assert_eq!(without, expected);
}

#[test]
fn a_run_of_no_ticks_has_rates_of_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let run = ["run", "--entities", "1k", "--ticks", "10", "--snapshot-interval", "10", "--out", "run"];
    json(folder.path(), &run, 0);
    // It is over already: this process runs no tick.
    let again = ["run", "--restore", "run", "--ticks", "10", "--out", "again"];
    let s = json(folder.path(), &again, 0);
    assert_eq!((number(&s, "ticks"), number(&s, "ticks_per_second")), (0.0, 0.0));
    assert_eq!(number(&s, "entity_updates_per_second"), 0.0);
    assert!(number(&s, "bytes_per_entity") > 0.0);
    let text = corec(folder.path(), &["run", "--restore", "run", "--ticks", "10", "--out", "third"]).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("0.0 ticks/s") && !text.contains("NaN") && !text.contains(" inf"), "{text}");
}
