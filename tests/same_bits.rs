//! The same bits from the same seed: at any thread count, run to run, at any vector width, debug and release.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use support::skip::pass_over;
use support::{command, json};

/// Entities: few enough for a debug build, and all phases have work.
const ENTITIES: &str = "60k";

/// The digest after 120 ticks at load 0.7 under seed 7. One number for debug and release builds: this file is run in
/// both. A change here needs a line in CHANGELOG.md.
const GOLDEN: &str = "880622426f676660";

fn run(folder: &std::path::Path, more: &[&str]) -> Value {
    let arguments = ["run", "--entities", ENTITIES, "--ticks", "120", "--load", "0.7", "--seed", "7"];
    json(folder, &[&arguments, more].concat(), 0)
}

fn rows(folder: &std::path::Path, out: &Value) -> Vec<String> {
    let path = folder.join(out["out"].as_str().unwrap()).join("store.db");
    let db = rusqlite::Connection::open(path).unwrap();
    let sql = "SELECT tick || ' ' || block || ' ' || active || ' ' || hex(mean) || ' ' || hex(deviation) || ' ' \
               || hex(fitness) || ' ' || hex(threshold) FROM block_states ORDER BY tick, block";
    let mut statement = db.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn no_thread_count_changes_a_digest_a_sum_or_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(folder.path(), &["--threads", "1"]);
    assert_eq!(first["state_digest"], GOLDEN, "or the build, or the rules, changed");
    let first_rows = rows(folder.path(), &first);
    assert!(first_rows.len() > 12 * 50, "{} rows", first_rows.len());
    for threads in ["2", "3", "8"] {
        let other = run(folder.path(), &["--threads", threads]);
        for key in
            ["state_digest", "fitness_start", "fitness_end", "faults", "repairs", "entity_updates", "alerts"]
        {
            assert!(!first[key].is_null(), "{key} is missing");
            assert_eq!(first[key], other[key], "{key} at {threads} threads");
        }
        assert_eq!(first_rows, rows(folder.path(), &other), "{threads} threads");
    }
}

#[test]
fn no_vector_width_changes_the_digest() {
    let folder = tempfile::tempdir().unwrap();
    let mut used = Vec::new();
    for simd in ["portable", "sse2", "avx2", "avx512"] {
        let arguments =
            ["run", "--entities", ENTITIES, "--ticks", "120", "--load", "0.7", "--seed", "7", "--json"];
        let output = command(folder.path(), &arguments).env("COREC_SIMD", simd).output().unwrap();
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(summary["state_digest"], GOLDEN, "{simd}");
        let manifest = folder.path().join(summary["out"].as_str().unwrap()).join("manifest.json");
        let manifest: Value = serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
        let (host, err) = (&manifest["host"]["simd"], String::from_utf8_lossy(&output.stderr));
        // A run with a narrower width than was asked for proves nothing of that one, and says so.
        let lacks = format!(
            "COREC_SIMD: found '{simd}', which this machine lacks; kernels run with {}",
            host.as_str().unwrap()
        );
        assert_eq!(err.contains(&lacks), *host != simd, "{simd}, in use {host}: {err}");
        if *host == simd {
            used.push(simd);
        } else {
            pass_over(&format!("vector width {simd}: this machine lacks it"));
        }
    }
    let always: &[&str] = if cfg!(target_arch = "x86_64") { &["portable", "sse2"] } else { &["portable"] };
    assert!(used.starts_with(always), "{used:?}");
}

#[test]
fn pace_and_store_change_nothing_and_the_seed_everything() {
    let folder = tempfile::tempdir().unwrap();
    let paced = run(folder.path(), &["--tick-rate", "1000", "--store", "memory"]);
    assert_eq!(paced["state_digest"], GOLDEN);
    assert!(paced["seconds"].as_f64().unwrap() >= 0.119, "120 ticks at 1000 a second");
    let arguments = ["run", "--entities", ENTITIES, "--ticks", "120", "--load", "0.7", "--seed", "8"];
    assert_ne!(json(folder.path(), &arguments, 0)["state_digest"], GOLDEN);
}
