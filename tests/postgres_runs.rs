//! PostgreSQL under whole runs: a run that is killed and restored has every row once, beside others in one database.
#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::thread;

use serde_json::Value;
use support::postgres::{PASSWORD, Postgres};
use support::{json, kill_with_a_snapshot, said, start};

/// A scenario that keeps the states of its blocks in every tick.
fn scenario(at: &std::path::Path) {
    let text = r#"{"name": "cells", "instance_id": "corec1", "seed": 7, "store_interval": 1, "tick_seconds": 1,
        "blocks": [{"id": "cells", "entities": 20000, "entities_per_block": 1000}]}"#;
    fs::write(at.join("cells.json"), text).unwrap();
}

#[test]
fn a_killed_and_restored_run_has_every_row_once() {
    let Some(server) = Postgres::start() else { return };
    let (folder, url) = (tempfile::tempdir().unwrap(), server.url());
    let at = folder.path();
    scenario(at);
    let endless = ["run", "cells.json", "--store", &url, "--ticks", "1M", "--tick-rate", "200", "--out", "r"];
    let child = start(at, &[&endless[..], &["--snapshot-interval", "40"]].concat());
    kill_with_a_snapshot(child, &at.join("r"));
    let manifest = fs::read_to_string(at.join("r/manifest.json")).unwrap();
    assert!(!manifest.contains(PASSWORD), "{manifest}");
    // The run's record has no password.
    let (status, told) = said(at, &["run", "--restore", "r", "--ticks", "300"]);
    assert!(
        status == Some(2) && told.contains("--store: found") && told.contains("give it again"),
        "{status:?}: {told}"
    );
    let end = server.count("SELECT max(tick) FROM block_states") + 100;
    let restored = json(at, &["run", "--restore", "r", "--store", &url, "--ticks", &end.to_string()], 0);
    assert!(restored["restored_at"].as_i64().is_some_and(|tick| tick > 0), "{restored}");
    let rows = "SELECT count(*), count(DISTINCT (tick, block)), count(DISTINCT tick) FROM block_states";
    assert_eq!(server.sql(rows), format!("{0}|{0}|{end}", 20 * end));
    let metrics = "SELECT count(*) - count(DISTINCT (tick, name)) FROM metrics";
    assert_eq!(server.sql(metrics), "0");
    assert_eq!(server.sql("SELECT count(*), max(last_tick) FROM runs"), format!("1|{end}"));
    // The same run into SQLite has the same states.
    json(at, &["run", "cells.json", "--ticks", &end.to_string(), "--out", "s"], 0);
    let db = rusqlite::Connection::open(at.join("s/store.db")).unwrap();
    let sums = "SELECT sum(active), sum(entities), max(block) FROM block_states";
    let of =
        |row: &rusqlite::Row| -> rusqlite::Result<[i64; 3]> { Ok([row.get(0)?, row.get(1)?, row.get(2)?]) };
    let [active, entities, block] = db.query_row(sums, [], of).unwrap();
    assert_eq!(server.sql(sums), format!("{active}|{entities}|{block}"));
}

#[test]
fn two_runs_may_make_the_tables_of_one_database_at_once() {
    let Some(server) = Postgres::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    scenario(folder.path());
    let run = |out: &str| -> Value {
        json(
            folder.path(),
            &["run", "cells.json", "--store", &server.url(), "--ticks", "50", "--out", out],
            0,
        )
    };
    thread::scope(|scope| {
        ["a", "b", "c"].map(|out| scope.spawn(move || run(out))).map(|run| run.join().unwrap())
    });
    assert_eq!(server.sql("SELECT count(*), min(last_tick), max(last_tick) FROM runs"), "3|50|50");
    assert_eq!(server.count("SELECT count(*) FROM block_states"), 3 * 50 * 20);
}
