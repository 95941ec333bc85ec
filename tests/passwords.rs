//! No part of a password is said, whatever is in it and however wrongly it is written.
#![cfg(all(feature = "postgres", feature = "redis"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use support::corec;

/// Parts of passwords: none may be seen.
const SECRETS: [&str; 3] = ["SeCr3tX", "SeCr3t-pg", "f%g"];

const REDIS: [&str; 8] = [
    "redis://odd:a@b/c:d?SeCr3tX#f%g@127.0.0.1:6379",
    "redis://odd:a@b?SeCr3tX@127.0.0.1:6379",
    "redis://odd:a@b?keep=SeCr3tX@127.0.0.1",
    "rediss://odd:a@b?ca=SeCr3tX@127.0.0.1",
    "redis://SeCr3tX@127.0.0.1:6379",
    "redis://a?SeCr3tX@127.0.0.1:6379",
    "redis:/odd:a@b?SeCr3tX@127.0.0.1",
    "host=127.0.0.1 password=SeCr3t-pg",
];

const POSTGRES: [&str; 7] = [
    "postgres://odd:a@b/c:d?SeCr3tX#f%g@127.0.0.1:5432/d",
    "postgres://odd:a@b?SeCr3tX@127.0.0.1/d",
    "postgres://odd:a@b?sslmode=SeCr3tX#f%g@127.0.0.1/d",
    "postgres://odd:a@b?ca=SeCr3tX@127.0.0.1/d",
    "postgres://a?sslmode=SeCr3tX@127.0.0.1/d",
    "postgres://127.0.0.1/d?user=odd&password=a&SeCr3tX=f%g",
    "host=127.0.0.1 user=odd password=SeCr3t-pg",
];

#[test]
fn no_part_of_a_password_is_said_wherever_its_url_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("t.csv"), "a\n1\n").unwrap();
    let refused = |arguments: &[&str], url: &str| {
        let output = corec(folder, &[arguments, &[url]].concat());
        let said = [&output.stdout[..], &output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {url}: {said}");
        assert!(said.contains("must be"), "{arguments:?} {url}: {said}");
        assert!(!SECRETS.iter().any(|secret| said.contains(secret)), "{arguments:?} {url}: {said}");
    };
    for url in REDIS {
        refused(&["run", "--bus"], url);
        refused(&["run", "--json", "--bus"], url);
        refused(&["feed", "t.csv", "--stream", "s", "--to"], url);
        refused(&["tail", "s", "--bus"], url);
        refused(&["doctor", "--bus"], url);
        let scenario = serde_json::json!({"bus": url, "blocks": [{"id": "a", "entities": 1}]});
        fs::write(folder.join("s.json"), scenario.to_string()).unwrap();
        refused(&["run"], "s.json");
    }
    for url in POSTGRES {
        refused(&["run", "--store"], url);
        refused(&["run", "--json", "--store"], url);
        refused(&["doctor", "--store"], url);
    }
    assert!(!folder.join("runs").exists());
}
