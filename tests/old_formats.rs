//! Runs of every version whose formats were others: they are replayed, verified, restored and gone on with.
//!
//! `fixtures/version-N` has a run of cells, one of a table (`telemetry`, of `table.csv`), and one (`streams`) with an input stream, a
//! plugin that was asked, frames and alerts: their journals hold every sort of record.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::json;

/// The fixtures of a version, copied to a folder of their own.
fn runs_of(version: u32, at: &Path) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/version-{version}"));
    let old = at.join("old");
    assert!(Command::new("cp").arg("-r").arg(fixtures).arg(&old).status().unwrap().success());
    fs::copy(old.join("table.csv"), at.join("t.csv")).unwrap();
    old
}

/// What a version's runs have come to: recorded digests, and the digest of 80 cells' ticks.
struct Expected {
    version: u32,
    telemetry_digests: u64,
    telemetry_restored_at: u64,
    streams_restored_at: u64,
    /// Messages that its run with a stream has taken by tick 90.
    streams_messages: u64,
    cells_at_80: &'static str,
    /// Whether its runs have ids.
    has_ids: bool,
}

const VERSIONS: [Expected; 3] = [
    Expected {
        version: 1,
        telemetry_digests: 20,
        telemetry_restored_at: 200,
        streams_restored_at: 60,
        streams_messages: 180,
        cells_at_80: "fcf0e3a492110bb0",
        has_ids: false,
    },
    Expected {
        version: 2,
        telemetry_digests: 60,
        telemetry_restored_at: 600,
        streams_restored_at: 60,
        streams_messages: 180,
        cells_at_80: "fcf0e3a492110bb0",
        has_ids: true,
    },
    Expected {
        version: 3,
        telemetry_digests: 60,
        telemetry_restored_at: 554,
        streams_restored_at: 50,
        streams_messages: 75,
        cells_at_80: "fcf0e3a492110bb0",
        has_ids: true,
    },
];

#[test]
fn a_run_of_an_older_version_is_replayed_and_verified() {
    for expected in VERSIONS {
        let folder = tempfile::tempdir().unwrap();
        let old = runs_of(expected.version, folder.path());
        for (run, digests) in [("cells", 5), ("telemetry", expected.telemetry_digests), ("streams", 6)] {
            let replayed = json(&old, &["replay", run], 0);
            let found = (&replayed["same"], &replayed["differs"]);
            assert_eq!(found, (&digests.into(), &Value::Null), "{run} of version {}", expected.version);
            json(&old, &["verify", run, "--threads", "1,2"], 0);
        }
    }
}

#[test]
fn a_run_of_an_older_version_goes_on_in_its_folder_and_elsewhere() {
    for expected in VERSIONS {
        let Expected { version, telemetry_restored_at, streams_restored_at, streams_messages, .. } = expected;
        let cells_at_80 = expected.cells_at_80;
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let old = runs_of(version, at);
        let s = json(&old, &["run", "--restore", "cells", "--ticks", "80"], 0);
        assert_eq!((&s["restored_at"], &s["state_digest"]), (&50.into(), &cells_at_80.into()), "{version}");
        let s = json(at, &["run", "--restore", "old/telemetry", "--ticks", "600", "--input", "t.csv"], 0);
        assert_eq!((&s["restored_at"], &s["tick"]), (&telemetry_restored_at.into(), &600.into()));
        let s = json(&old, &["run", "--restore", "streams", "--ticks", "90"], 0);
        let found = (&s["restored_at"], &s["tick"], &s["messages"]);
        assert_eq!(found, (&streams_restored_at.into(), &90.into(), &streams_messages.into()), "{version}");
        // A run that goes on elsewhere keeps the format of the digests it takes along.
        for (run, to, input) in
            [("cells", "c", &[][..]), ("telemetry", "t", &["--input", "../t.csv"]), ("streams", "s", &[])]
        {
            json(&old, &["replay", run], 0);
            json(&old, &["verify", run, "--threads", "1", "--kill", "2"], 0);
            json(&old, &[&["run", "--restore", run, "--out", to], input].concat(), 0);
            json(&old, &["replay", to], 0);
        }
        let list = json(&old, &["runs", "."], 0);
        assert!(
            list.as_array().unwrap().iter().all(|run| run["status"] == "done" && run["id"].is_string()),
            "{list}"
        );
    }
}

/// Its database too: one run, which has an id now and the rows it had.
#[test]
fn the_store_of_an_older_version_is_gone_on_with() {
    for Expected { version, has_ids, .. } in VERSIONS {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let old = runs_of(version, at);
        json(at, &["run", "--restore", "old/telemetry", "--ticks", "600", "--input", "t.csv"], 0);
        let db = rusqlite::Connection::open(old.join("telemetry/store.db")).unwrap();
        let (runs, last): (i64, i64) = db
            .query_row("SELECT count(id), max(last_tick) FROM runs", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        let count = "SELECT count(*) FROM metrics WHERE name = 'row_score'";
        let scores: i64 = db.query_row(count, [], |row| row.get(0)).unwrap();
        assert_eq!((runs, last, scores), (1, 600, 600), "version {version}, with ids: {has_ids}");
    }
}
