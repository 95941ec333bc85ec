//! A run whose rows come over Redis, killed many times with its server, ends as one that nobody has touched.
#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use std::time::Duration;

use support::redis::{Options, Redis};
use support::{json, number, read_json, start};

const ROWS: u64 = 1200;
/// Of the run and of the server each.
const KILLS: u64 = 20;

/// A row depends on its number alone.
fn row(number: u64) -> String {
    let wave = (number * 37 % 101) as f64 / 10.0 + if number.is_multiple_of(397) { 900.0 } else { 0.0 };
    format!("{{\"wave\":{wave},\"step\":{}}}", number / 10)
}

fn add(redis: &Redis, rows: std::ops::Range<u64>) {
    let mut ledger = redis.ledger();
    for number in rows {
        ledger.ask::<String>(&["XADD", "rows", &format!("{number}-0"), "data", &row(number)]);
    }
}

fn arguments<'a>(url: &'a str, out: &'a str, ticks: &'a str) -> Vec<&'a str> {
    let feed = ["run", "telemetry", "--bus", url, "--input-stream", "rows", "--ticks", ticks, "--out", out];
    [&feed[..], &["--snapshot-interval", "50", "--connect-timeout", "60"]].concat()
}

fn wait_for_manifest(run: &Path) {
    support::wait_until("the run has begun", || run.join("manifest.json").is_file());
}

#[test]
fn a_run_killed_twenty_times_with_its_server_has_the_digest_of_one_that_was_not() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (url, ticks, run) = (redis.url(), ROWS.to_string(), folder.path().join("killed"));
    let restore = ["run", "--restore", "killed", "--bus", &url, "--connect-timeout", "60"];
    add(&redis, 1..50);
    let mut child = start(folder.path(), &arguments(&url, "killed", &ticks));
    wait_for_manifest(&run);
    let rows_a_kill = (ROWS - 50) / KILLS;
    for kill in 0..KILLS {
        let first = 50 + kill * rows_a_kill;
        add(&redis, first..first + rows_a_kill / 2);
        // At another moment of its work each time; which one changes nothing.
        std::thread::sleep(Duration::from_millis(kill * 37 % 150));
        child.kill().unwrap();
        child.wait().unwrap();
        if kill.is_multiple_of(2) {
            redis.restart();
        }
        child = start(folder.path(), &restore);
        add(&redis, first + rows_a_kill / 2..first + rows_a_kill);
        std::thread::sleep(Duration::from_millis(kill * 53 % 150));
        redis.restart();
    }
    add(&redis, 50 + KILLS * rows_a_kill..ROWS + 1);
    assert!(child.wait().unwrap().success(), "it comes to its end");
    let killed = read_json(&run.join("summary.json"));
    let whole = json(folder.path(), &arguments(&url, "whole", &ticks), 0);
    for key in ["tick", "state_digest", "output_digest", "alerts"] {
        assert_eq!(killed[key], whole[key], "{key}");
    }
    assert_eq!(number(&whole, "tick"), ROWS as f64);
    assert!(number(&whole, "alerts") > 0.0, "{}", whole["alerts"]);
    let replayed = json(folder.path(), &["replay", "killed"], 0);
    assert_eq!(replayed["digest"], whole["state_digest"]);
    // What each of the two has said is on the server once.
    let entries = redis.ledger().entries("alertas");
    let ids: std::collections::BTreeSet<_> = entries.iter().map(|entry| &entry.id).collect();
    assert_eq!(ids.len(), entries.len());
    let id = read_json(&run.join("manifest.json"))["id"].as_str().unwrap().to_string();
    let of_killed = entries.iter().filter(|entry| entry.id.as_ref().is_some_and(|text| text.contains(&id)));
    assert_eq!(2 * of_killed.count(), entries.len(), "as many of both");
}
