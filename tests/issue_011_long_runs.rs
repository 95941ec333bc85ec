//! Long runs: memory and manifest do not grow with ticks. Broke: a manifest had every digest, and one of 1.4 million was refused by its own
//! limit and not even listed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use corec_run::manifest::Manifest;
use support::{json, read_json, said};

const TINY: &str = r#"{"name": "tiny", "store": "memory", "blocks": [{"id": "a", "entities": 1}]}"#;

#[test]
fn a_manifest_has_the_last_digest_and_how_many_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("tiny.json"), TINY).unwrap();
    let run = |ticks: &str, out: &str| {
        let arguments =
            ["run", "tiny.json", "--threads", "1", "--digest-interval", "1", "--snapshot-interval", "4k"];
        json(at, &[&arguments[..], &["--ticks", ticks, "--out", out]].concat(), 0)
    };
    let (short, long) = (run("100", "short"), run("20k", "long"));
    let size = |out: &str| fs::metadata(at.join(out).join("manifest.json")).unwrap().len();
    assert!(size("long") < size("short") + 100, "{} and {} bytes", size("long"), size("short"));
    let manifest = read_json(&at.join("long/manifest.json"));
    assert_eq!(manifest["digest"], serde_json::json!([20_000, long["state_digest"]]));
    assert_eq!(manifest["digest_count"], 20_000);
    let grown =
        long["peak_rss_bytes"].as_u64().unwrap() as i64 - short["peak_rss_bytes"].as_u64().unwrap() as i64;
    assert!(grown < 8 << 20, "{grown} bytes more for 200 times the ticks");
    assert_eq!(json(at, &["replay", "long"], 0)["same"], 20_000);
    let on = json(at, &["run", "--restore", "long", "--ticks", "21k"], 0);
    assert_eq!(on["restored_at"], 20_000);
    assert_eq!(read_json(&at.join("long/manifest.json"))["digest_count"], 21_000);
}

#[test]
fn runs_are_in_the_order_of_their_numbers_and_what_cant_be_read_is_among_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("tiny.json"), TINY).unwrap();
    for name in ["0002", "0010", "11", "9", "named"] {
        json(at, &["run", "tiny.json", "--ticks", "3", "--out", &format!("runs/{name}")], 0);
    }
    fs::write(at.join("runs/9/manifest.json"), "{}").unwrap();
    fs::remove_file(at.join("runs/11/manifest.json")).unwrap();
    fs::create_dir(at.join("runs/no-run")).unwrap();
    let list = json(at, &["runs"], 0);
    let names: Vec<&str> = list.as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap()).collect();
    assert_eq!(names, ["runs/0002", "runs/9", "runs/0010", "runs/11", "runs/named"]);
    for at in [1, 3] {
        assert!(
            list[at]["status"] == "unreadable"
                && list[at]["error"].as_str().unwrap().contains("manifest.json")
        );
    }
    assert!(said(at, &["runs"]).0 == Some(0));
}

/// A manifest of an older version with as many digests as a run of 14 million ticks had.
#[test]
fn an_old_manifest_of_a_million_digests_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("tiny.json"), TINY).unwrap();
    json(at, &["run", "tiny.json", "--ticks", "3", "--out", "r"], 0);
    let mut old = read_json(&at.join("r/manifest.json"));
    let digests: Vec<(u64, &str)> = (1..=1_400_000).map(|tick| (tick * 10, "0123456789abcdef")).collect();
    let object = old.as_object_mut().unwrap();
    for key in ["id", "folder", "options", "digest", "digest_count"] {
        object.remove(key);
    }
    object.insert("digests".into(), serde_json::to_value(digests).unwrap());
    object["check"] = "0000000000000000".into();
    let text = serde_json::to_string_pretty(&old).unwrap();
    let check = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()));
    fs::write(at.join("r/manifest.json"), text.replacen("0000000000000000", &check, 1)).unwrap();
    let read = Manifest::read(&at.join("r")).unwrap();
    assert_eq!((read.digest_count, read.digest.unwrap().0), (1_400_000, 14_000_000));
}
