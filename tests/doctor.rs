//! `corec doctor`: what would hurt a run is named with what to change, and what it says helps.
#![cfg(all(feature = "postgres", feature = "redis"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::postgres::{PASSWORD, Postgres};
use support::redis::{Acl, Appendonly, Options, Redis, Tls, free_port};
use support::{corec, said};

/// What it says: what of each thing, whether that is well, and what else. No word of `secrets` is in it.
fn examine(arguments: &[&str], secrets: &[&str]) -> Vec<(String, bool, String)> {
    let folder = tempfile::tempdir().unwrap();
    let output = corec(folder.path(), &[&["doctor", "--json"], arguments].concat());
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(secrets.iter().all(|secret| !out.contains(secret) && !err.contains(secret)), "{out}{err}");
    let found: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    let of = |finding: &Value| {
        let text = |key: &str| finding[key].as_str().unwrap().to_string();
        (text("what"), finding["is_ok"].as_bool().unwrap(), text("text"))
    };
    let found: Vec<_> = found["findings"].as_array().unwrap().iter().map(of).collect();
    let is_well = found.iter().all(|(_, is_ok, _)| *is_ok);
    assert_eq!(output.status.code(), Some(i32::from(!is_well)), "{found:#?}");
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "something is left behind");
    found
}

/// The one thing that is to be changed.
fn the_fix(arguments: &[&str], secrets: &[&str]) -> (String, String) {
    let found = examine(arguments, secrets);
    let mut fixes: Vec<_> = found.iter().filter(|(_, is_ok, _)| !is_ok).collect();
    assert_eq!(fixes.len(), 1, "{found:#?}");
    let (what, _, text) = fixes.remove(0).clone();
    (what, text)
}

fn assert_fix(arguments: &[&str], secrets: &[&str], what: &str, wanted: &str) -> String {
    let (found, text) = the_fix(arguments, secrets);
    assert!(found == what && text.contains(wanted), "{found}: {text}, not {what}: {wanted}");
    text
}

fn assert_well(arguments: &[&str], secrets: &[&str]) -> Vec<(String, bool, String)> {
    let found = examine(arguments, secrets);
    assert!(found.iter().all(|(_, is_ok, _)| *is_ok), "{found:#?}");
    found
}

#[test]
fn a_server_of_redis_that_is_fit_is_well_and_nothing_is_left_on_it() {
    let Some(redis) = Redis::start(Options { acl: Some(Acl::default()), ..Options::default() }) else {
        return;
    };
    let secrets = ["p@ss", "p%40ss"];
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("s.json");
    fs::write(&scenario, r#"{"input_stream": "in", "blocks": [{"id": "a", "entities": 10}]}"#).unwrap();
    let arguments = [scenario.to_str().unwrap(), "--bus", &redis.url()];
    let found = assert_well(&arguments, &secrets);
    let says = |what: &str, wanted: &str| {
        let (_, _, text) = found.iter().find(|(found, ..)| found == what).unwrap_or_else(|| panic!("{what}"));
        assert!(text.contains(wanted), "{what}: {text} lacks {wanted}");
    };
    says("redis: permissions", "'corec_user' may all that a run asks");
    says("redis: reachable", "corec_user:***@127.0.0.1");
    says("redis: input", "stream 'in' is not there yet");
    says("redis: clock", "s from ours");
    says("redis: role", "master");
    says("sqlite: file", "in the run's folder");
    says("machine: memory", "MB needed");
    assert_eq!(redis.cli(&["DBSIZE"]), "0");
    redis.ledger().add_all("in", ["a", "b", "c"]);
    redis.cli(&["HSET", "corec:read:in", "corec1/x", "1-0 1"]);
    let found = assert_well(&arguments, &secrets);
    let (_, _, text) = found.iter().find(|(what, ..)| what == "redis: input").unwrap();
    assert!(text.contains("has 3 entries") && text.contains("the slowest of 1 run is 2 behind"), "{text}");
    let text = String::from_utf8(corec(folder.path(), &["doctor", "--bus", &redis.url()]).stdout).unwrap();
    assert!(text.lines().all(|line| line.starts_with("ok   ")) && text.lines().count() > 8, "{text}");
}

#[test]
fn what_a_user_of_redis_may_not_is_what_the_line_it_prints_allows() {
    let least = Acl::default();
    // One whose rights are told, and one who may not ask for them.
    for told in ["+acl|dryrun", ""] {
        let rules = format!("resetchannels ~corec:* -@all +xread +hget +multi +info +acl|whoami {told}");
        let acl = Acl { rules, ..least.clone() };
        let Some(redis) = Redis::start(Options { acl: Some(acl), ..Options::default() }) else { return };
        let arguments = ["--bus", &redis.url()];
        let text = assert_fix(&arguments, &["p@ss"], "redis: permissions", "ACL SETUSER corec_user ");
        for rule in ["+xadd", "+xtrim", "+hset", "+expire", "+watch", "+exec", "+client|setname"] {
            assert!(text.contains(rule), "{text} lacks {rule}");
        }
        for rule in ["+xread", "+hget ", "+multi"] {
            assert!(!text.contains(rule), "{text} has {rule}, which it may");
        }
        assert_eq!(redis.cli(&["DBSIZE"]), "0", "what was tried has had no effect");
        redis.cli(&line_of(&text));
        assert_well(&arguments, &[]);
    }
}

/// The command that a finding proposes.
fn line_of(text: &str) -> Vec<&str> {
    text[text.find("ACL SETUSER").unwrap()..].split(' ').collect()
}

#[test]
fn one_line_allows_all_that_a_user_of_redis_may_not_whatever_that_is() {
    for rules in
        ["~* -@all +@read +@connection", "~* -@all +ping +info", "~in -@all +xread", "-@all", "~x* +@all"]
    {
        for told in ["+acl|whoami +acl|dryrun", ""] {
            let acl = Acl { rules: format!("{rules} {told}"), ..Acl::default() };
            let Some(redis) = Redis::start(Options { acl: Some(acl), ..Options::default() }) else { return };
            let arguments = ["--bus", &redis.url()];
            let found = examine(&arguments, &["p@ss"]);
            let is_it = |what: &str| what == "redis: permissions";
            let (_, is_ok, text) = found.iter().find(|(what, ..)| is_it(what)).unwrap();
            assert!(!is_ok && text.contains("ACL SETUSER corec_user "), "{rules}, {told}: {text}");
            redis.cli(&line_of(text));
            let found = examine(&arguments, &["p@ss"]);
            let (_, is_ok, text) = found.iter().find(|(what, ..)| is_it(what)).unwrap();
            assert!(*is_ok, "{rules}, {told}: {text}");
            assert_eq!(redis.cli(&["DBSIZE"]), "0", "what was tried has had no effect");
        }
    }
}

#[test]
fn a_server_of_redis_that_would_lose_streams_is_named() {
    let options = Options {
        appendonly: Appendonly::No,
        maxmemory: Some((100 << 20, "allkeys-lru")),
        ..Options::default()
    };
    let Some(redis) = Redis::start(options) else { return };
    let url = redis.url();
    let found = examine(&["--bus", &url], &[]);
    let fixes: Vec<&str> = found.iter().filter(|(_, is_ok, _)| !is_ok).map(|(what, ..)| &**what).collect();
    assert_eq!(fixes, ["redis: maxmemory-policy", "redis: aof"]);
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    redis.cli(&["CONFIG", "SET", "appendonly", "yes"]);
    assert_well(&["--bus", &url], &[]);
    redis.cli(&["CONFIG", "SET", "appendfsync", "no"]);
    assert_fix(&["--bus", &url], &[], "redis: aof", "must be everysec or always");
    redis.cli(&["CONFIG", "SET", "appendfsync", "everysec"]);
    redis.cli(&["CONFIG", "SET", "maxmemory", "1mb"]);
    assert_fix(&["--bus", &url], &[], "redis: memory", "raise maxmemory");
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    redis.cli(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
    assert_fix(&["--bus", &url], &[], "redis: role", "must be the master");
}

#[test]
fn a_server_of_redis_that_does_not_let_us_in_is_one_line() {
    let away = format!("redis://ana:s3cret@127.0.0.1:{}", free_port());
    assert_fix(&["--bus", &away], &["s3cret"], "redis: reachable", "refused");
    let options = Options { acl: Some(Acl::default()), tls: Some(Tls::RightName), ..Options::default() };
    let Some(redis) = Redis::start(options) else { return };
    let secrets = ["p@ss", "p%40ss", "wr0ng"];
    let wrong = redis.url().replace("p%40ss", "wr0ng");
    assert_fix(&["--bus", &wrong], &secrets, "redis: reachable", "refuses the user or the password");
    let no_ca = redis.url().replace("ca.pem", "none.pem");
    assert_fix(&["--bus", &no_ca], &secrets, "redis: url", "none.pem");
    assert_well(&["--bus", &redis.url()], &secrets);
    let options = Options { tls: Some(Tls::WrongName), ..Options::default() };
    let Some(other) = Redis::start(options) else { return };
    assert_fix(&["--bus", &other.url()], &[], "redis: reachable", "must be those of the certificate");
    // Nobody is there, and the password would not have been sent in the open.
    let remote = examine(&["--bus", "redis://ana:s3cret@192.0.2.1:1"], &["s3cret"]);
    assert!(
        remote.iter().any(|(what, is_ok, text)| what == "redis: tls" && !is_ok && text.contains("rediss://"))
    );
}

#[test]
fn what_a_user_of_postgresql_may_not_is_what_the_line_it_prints_allows() {
    let Some(server) = Postgres::start() else { return };
    let found = assert_well(&["--store", &server.url()], &[PASSWORD]);
    let says = |what: &str, wanted: &str| {
        let (_, _, text) = found.iter().find(|(found, ..)| found == what).unwrap_or_else(|| panic!("{what}"));
        assert!(text.contains(wanted), "{what}: {text} lacks {wanted}");
    };
    says("postgresql: tables", "the start of a run makes what is missing");
    says("postgresql: connections", "of 20 free");
    says("postgresql: synchronous_commit", "on");
    says("postgresql: size", "MB");
    says("postgresql: tls", "nothing leaves the machine");
    assert_eq!(server.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    server.sql("CREATE ROLE ana LOGIN PASSWORD 'hunter2'");
    let ana = server.url_of("ana", PASSWORD, "postgres");
    let text = assert_fix(&["--store", &ana], &[PASSWORD], "postgresql: tables", "may make no tables");
    server.sql(&text[text.find("GRANT").unwrap()..]);
    assert_well(&["--store", &ana], &[PASSWORD]);
    // Tables of another user.
    let folder = tempfile::tempdir().unwrap();
    let run = ["run", "--entities", "1k", "--ticks", "2", "--store", &server.url()];
    assert!(corec(folder.path(), &run).status.success());
    let text =
        assert_fix(&["--store", &ana], &[PASSWORD], "postgresql: permissions", "GRANT INSERT ON public.runs");
    server.sql(&text[text.find("GRANT").unwrap()..]);
    let found = assert_well(&["--store", &ana], &[PASSWORD]);
    assert!(
        found.iter().any(|(what, _, text)| what == "postgresql: permissions" && text.contains("may write"))
    );
    server.sql("UPDATE corec_schema_history SET version = 900 WHERE version = (SELECT max(version) FROM corec_schema_history)");
    assert_fix(&["--store", &server.url()], &[PASSWORD], "postgresql: tables", "a newer corec made them");
}

#[test]
fn a_database_that_a_run_can_not_use_is_told_before_and_by_the_run() {
    let Some(server) = Postgres::start() else { return };
    server.sql("CREATE TABLE runs (n int)");
    let taken = "found runs in the schema 'public'";
    assert_fix(&["--store", &server.url()], &[PASSWORD], "postgresql: names", taken);
    let folder = tempfile::tempdir().unwrap();
    let run = ["run", "--entities", "1k", "--ticks", "2", "--connect-timeout", "1", "--store", &server.url()];
    let refused = corec(folder.path(), &run);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains(taken), "{said}");
    server.sql("DROP TABLE runs");
    server.sql("ALTER ROLE postgres SET default_transaction_read_only = on");
    let only_reads = "default_transaction_read_only";
    assert_fix(&["--store", &server.url()], &[PASSWORD], "postgresql: writes", only_reads);
    let waited = corec(folder.path(), &run);
    let said = String::from_utf8_lossy(&waited.stderr);
    assert!(waited.status.code() == Some(1) && said.contains(only_reads), "{said}");
}

#[test]
fn a_database_that_does_not_let_us_in_is_one_line() {
    let Some(mut server) = Postgres::start() else { return };
    let secrets = [PASSWORD, "s3cret"];
    for (url, wanted) in [
        (server.url_of("postgres", "s3cret", "postgres"), "user and password in the URL"),
        (server.url_of("postgres", PASSWORD, "nowhere"), "create it"),
        (format!("{}?sslmode=require", server.url()), "does not support TLS"),
    ] {
        assert_fix(&["--store", &url], &secrets, "postgresql: reachable", wanted);
    }
    server.stop();
    assert_fix(&["--store", &server.url()], &secrets, "postgresql: reachable", "refused");
}

#[test]
fn a_file_that_can_not_be_made_and_a_scenario_that_is_none_are_named() {
    assert_fix(&["--store", "sqlite:///nowhere/x.db"], &[], "sqlite: folder", "/nowhere");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.db");
    assert_well(&["--store", &format!("sqlite://{}", file.display())], &[]);
    assert!(!file.exists());
    assert_fix(
        &["--store", &format!("sqlite://{}", folder.path().display())],
        &[],
        "sqlite: file",
        "must be a file",
    );
    let (status, _) = said(folder.path(), &["doctor"]);
    assert_eq!(status, Some(0));
    assert_well(&["telemetry"], &[]);
    fs::write(&file, r#"{"memory_max": "1MB", "blocks": [{"id": "a", "entities": 1000000}]}"#).unwrap();
    let scenario = folder.path().join("big.json");
    fs::rename(&file, &scenario).unwrap();
    assert_fix(
        &[scenario.to_str().unwrap()],
        &[],
        "machine: memory",
        "fewer entities, or a higher memory_max",
    );
    for arguments in [&["none"][..], &["--bus", "kafka://a:s3cret@x"], &["--store", "oracle://a:s3cret@x"]] {
        let (status, err) = said(Path::new("/"), &[&["doctor"], arguments].concat());
        assert!(status == Some(2) && !err.contains("s3cret"), "{status:?} {err}");
    }
}
