//! A summary of a run without entities said "15011840.0 bytes an entity": what is divided by nothing is left out or 0, in text
//! and in JSON.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use serde_json::Value;
use support::{corec, json, number};

/// Every number in a JSON value is one: serde_json writes NaN and infinity as null, so nulls are named here.
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

#[test]
fn a_run_without_entities_has_no_bytes_an_entity() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = r#"{"name": "nobody", "ticks": 5, "store": "memory", "blocks": []}"#;
    fs::write(folder.path().join("nobody.json"), scenario).unwrap();
    let s = json(folder.path(), &["run", "nobody.json", "--out", "run"], 0);
    assert_eq!(number(&s, "entities"), 0.0);
    let mut without = nulls(&s, "");
    without.retain(|key| !key.starts_with(".systems") && !key.starts_with(".snapshots"));
    without.sort();
    let expected = [
        ".bytes_per_entity",
        ".detector",
        ".error",
        ".fitness_end",
        ".fitness_start",
        ".interrupted_by",
        ".pr_auc",
        ".restored_at",
        ".roc_auc",
        ".table",
    ];
    assert_eq!(without, expected);
    assert!(number(&s, "ticks_per_second") > 0.0 && number(&s, "entity_updates_per_second") == 0.0);
    for arguments in [&["run", "nobody.json"][..], &["replay", "run"], &["runs"], &["inspect", "run"]] {
        let text = String::from_utf8(corec(folder.path(), arguments).stdout).unwrap();
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
        assert!(!words.contains(&"NaN") && !words.contains(&"inf") && !text.contains("an entity"), "{text}");
    }
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
