//! Blocks that are fused, split and grown in a run, and what the run says of it; at any number of threads, and over kills.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::json;

/// Weak blocks beside fit ones of the same channel, crowded ones and idle ones.
fn scenario(at: &Path) {
    let group = |id: &str, channel: i8, load: f64, more: Value| {
        let mut group = json!({"id": id, "kind": "colony", "channel": channel, "entities": 3000, "entities_per_block": 600, "load": load});
        group.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        group
    };
    let scenario = json!({
        "name": "colonies", "seed": 3, "ticks": 120, "sync_interval": 20,
        "alerts": [{"name": "block_fitness", "signal": "fitness", "enter": 0.3, "leave": 0.35}],
        "blocks": [
            group("weak", 1, 0.5, json!({"dynamics": {"fault_rate": 0.05}, "repair": false})),
            group("fit", 1, 0.5, json!({"dynamics": {"fault_rate": 0.0}, "reshape": {"host_fitness_min": 0.4}})),
            group("crowded", 2, 0.9, json!({})),
            group("idle", 3, 0.1, json!({"entities": 2500})),
            group("still", 3, 0.1, json!({"reshape": false})),
            group("cells", 4, 0.9, json!({"kind": "cell"})),
        ],
    });
    fs::write(at.join("colonies.json"), scenario.to_string()).unwrap();
}

#[test]
fn blocks_are_fused_split_and_grown_by_the_rules_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    scenario(at);
    let s = json(at, &["run", "colonies.json", "--out", "r"], 0);
    let done = &s["reshapes"];
    // Four of the five weak blocks find a host and their group keeps one; 5 crowded ones become 10 of 300; 5 idle ones grow to 1000.
    assert_eq!((&done["fused"], &done["split"], &done["grown"]), (&json!(4), &json!(5), &json!(5)), "{done}");
    assert_eq!(done["born"], 2500);
    // A host of 600 takes the fittest of 1200.
    assert_eq!(done["died"], 4 * 600);
    assert_eq!(
        (&s["blocks"], &s["entities"]),
        (&json!(1 + 5 + 10 + 5 + 5 + 5), &json!(3000 * 6 - 500 - 2400 + 2500))
    );
    let db = rusqlite::Connection::open(at.join("r/store.db")).unwrap();
    let blocks = |group: &str, tick: u32| -> Vec<(u32, u32)> {
        let query =
            "SELECT block, entities FROM block_states WHERE block_group = ? AND tick = ? ORDER BY block";
        let mut query = db.prepare(query).unwrap();
        let rows =
            query.query_map(rusqlite::params![group, tick], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    assert_eq!(blocks("crowded", 9).len(), 5);
    let crowded = blocks("crowded", 119);
    assert_eq!(crowded.len(), 10);
    assert!(crowded.iter().all(|(_, entities)| *entities == 300), "{crowded:?}");
    assert!(
        crowded.iter().filter(|(block, _)| *block >= 30).count() == 5,
        "new blocks have new ids: {crowded:?}"
    );
    assert!(blocks("idle", 119).iter().all(|(_, entities)| *entities == 1000));
    assert!(blocks("still", 119).iter().all(|(_, entities)| *entities == 600));
    assert_eq!(blocks("weak", 119).len(), 1);
    assert_eq!(blocks("cells", 119), blocks("cells", 9));
    // What was said of a block that has retired has an end.
    let open: Vec<String> = {
        let mut query = db.prepare("SELECT subject FROM alerts_open ORDER BY subject").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let raised: u32 = db
        .query_row(
            "SELECT count(*) FROM alerts WHERE state = 'raised' AND subject LIKE 'weak/%'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(raised, 5);
    assert!(open.len() == 1 && open[0].starts_with("weak/"), "{open:?}");
}

#[test]
fn a_run_whose_blocks_are_reshaped_has_the_same_bits_at_any_number_of_threads_and_over_kills() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    scenario(at);
    let (status, said) = support::said(at, &["verify", "colonies.json", "--threads", "1,2,8", "--kill", "4"]);
    assert_eq!(status, Some(0), "{said}");
    // From a snapshot on either side of a reshaping, and from one that was made right after it.
    let whole = json(at, &["run", "colonies.json", "--out", "w"], 0);
    for ticks in ["19", "20", "21", "40", "75"] {
        let stopped = format!("until-{ticks}");
        json(at, &["run", "colonies.json", "--ticks", ticks, "--out", &stopped], 0);
        let from = format!("from-{ticks}");
        let s = json(at, &["run", "--restore", &stopped, "--ticks", "120", "--out", &from], 0);
        assert_eq!(s["state_digest"], whole["state_digest"], "from tick {ticks}");
        let said = |s: &Value| (s["output_digest"].clone(), s["reshapes"].clone());
        assert_eq!(said(&s), said(&whole), "from tick {ticks}");
    }
}

#[test]
fn what_reshaping_changes_is_no_anomaly() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    scenario(at);
    let mut audited: Value = serde_json::from_slice(&fs::read(at.join("colonies.json")).unwrap()).unwrap();
    audited["audit_interval"] = json!(2);
    fs::write(at.join("colonies.json"), audited.to_string()).unwrap();
    let s = json(at, &["run", "colonies.json", "--out", "r"], 0);
    assert_eq!(s["reshapes"]["split"], 5);
    let db = rusqlite::Connection::open(at.join("r/store.db")).unwrap();
    let query = "SELECT subject FROM alerts WHERE name = 'anomalia_bloque' AND subject NOT LIKE 'weak/%'";
    let mut query = db.prepare(query).unwrap();
    let flagged: Vec<String> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(flagged.is_empty(), "{flagged:?}");
}

#[test]
fn settings_that_make_no_sense_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let refused = |keys: Value, of_group: Value| {
        let mut group = json!({"id": "a", "kind": "colony", "entities": 100});
        group.as_object_mut().unwrap().extend(of_group.as_object().unwrap().clone());
        let mut scenario = json!({"name": "s", "ticks": 1, "blocks": [group]});
        scenario.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        fs::write(at.join("s.json"), scenario.to_string()).unwrap();
        support::said(at, &["run", "s.json"])
    };
    for (keys, of_group, said) in [
        (json!({"sync_interval": -1}), json!({}), "sync_interval: found -1"),
        (json!({"sync_interval": "often"}), json!({}), "sync_interval"),
        (json!({"sync_interval": true}), json!({}), "sync_interval"),
        (
            json!({}),
            json!({"reshape": {"split_load": 1.5}}),
            "blocks[0].reshape.split_load: found 1.5, must be within 0..=1",
        ),
        (json!({}), json!({"reshape": {"grow_entities": 0}}), "blocks[0].reshape.grow_entities: found 0"),
        (json!({}), json!({"reshape": {"fitness_min": 0.6}}), "host_fitness_min"),
        (json!({}), json!({"reshape": "yes"}), "true, false, null or an object of limits"),
        (json!({}), json!({"reshape": {"split": 1}}), "split_load"),
    ] {
        let (status, error) = refused(keys.clone(), of_group.clone());
        assert!(status == Some(2) && error.contains(said), "{keys} {of_group}: {error}");
    }
    for (keys, of_group) in [
        (json!({"sync_interval": 0}), json!({"reshape": true})),
        (json!({"sync_interval": 2.5}), json!({"reshape": null})),
    ] {
        let mut group = json!({"id": "a", "kind": "colony", "entities": 100});
        group.as_object_mut().unwrap().extend(of_group.as_object().unwrap().clone());
        let mut scenario = json!({"name": "s", "ticks": 3, "blocks": [group]});
        scenario.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        fs::write(at.join("s.json"), scenario.to_string()).unwrap();
        json(at, &["run", "s.json"], 0);
    }
}
