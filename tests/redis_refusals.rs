//! What keeps a run from its Redis server is told in one clear line, and a poisoned entry keeps nobody from the others.
#![allow(clippy::disallowed_methods, reason = "limits of waiting; no result depends on it")]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use corec_bridges::bus::{BusOptions, OpenError, open, parse};
use corec_core::bus::Cursor;
use support::bus::{PATIENCE, bus, id, options, sent, take};
use support::redis::{Acl, Options, Redis, Tls};

fn refusal(url: &str) -> String {
    let error =
        parse(url).and_then(|parsed| open(&parsed, &options(1)).map(|_| ()).map_err(|e| e.to_string()));
    let error = error.expect_err("it is refused");
    assert!(!error.contains("p@ss") && !error.contains("p%40ss") && !error.contains('\n'), "{error}");
    error
}

#[test]
fn what_keeps_a_run_from_its_server_is_one_clear_line() {
    let Some(redis) = Redis::start(Options { acl: Some(Acl::default()), ..Options::default() }) else {
        return;
    };
    let mut one = bus(&redis.url(), 1);
    one.subscribe("in", Cursor::START).unwrap();
    redis.ledger().add("in", b"x");
    assert_eq!(take(&mut *one, "in", 1).0.len(), 1, "the user may do all that is needed");
    one.publish("out", id(0, 0), b"y").unwrap();
    one.close(PATIENCE).unwrap();
    let port = redis.port();
    let wrong = refusal(&format!("redis://corec_user:p%40ss-no@127.0.0.1:{port}"));
    assert!(wrong.contains("user or the password"), "{wrong}");
    assert!(refusal(&format!("redis://127.0.0.1:{port}")).contains("user or the password"));
    let nobody = refusal(&format!("redis://u:p%40ss@127.0.0.1:{}", support::redis::free_port()));
    assert!(nobody.contains("--connect-timeout") && nobody.contains("refused"), "{nobody}");
    let start = Instant::now();
    let host = refusal("redis://u:p%40ss@no-such-host.invalid:6379");
    assert!(host.contains("must be one that is known here"), "{host}");
    let number = refusal(&redis.url().replace("/0", "/99"));
    assert!(number.contains("has no such database"), "{number}");
    let nameless = refusal(&format!("redis://corec_user@127.0.0.1:{port}"));
    assert!(nameless.contains("must be USER:PASSWORD@"), "{nameless}");
    assert!(start.elapsed() < Duration::from_secs(2), "at once: {:?}", start.elapsed());
    redis.cli(&["ACL", "SETUSER", "corec_user", "-hincrby"]);
    assert!(refusal(&redis.url()).contains("ACL SETUSER"));
    let lru =
        Redis::start(Options { maxmemory: Some((50 << 20, "allkeys-lru")), ..Options::default() }).unwrap();
    let evicts = refusal(&lru.url());
    assert!(evicts.contains("noeviction") && evicts.contains("eviction=accept"), "{evicts}");
    bus(&format!("{}?eviction=accept", lru.url()), 1);
}

#[test]
fn a_user_who_may_not_do_what_a_run_surely_asks_is_refused_at_its_start() {
    for missing in ["+xadd", "+xread", "+xinfo|stream", "+hincrby", "+multi"] {
        for told in ["", " -acl|dryrun"] {
            let denied = missing.replace('+', "-");
            let rules = format!("{} {denied}{told}", Acl::default().rules);
            let acl = Acl { rules, ..Acl::default() };
            let Some(redis) = Redis::start(Options { acl: Some(acl), ..Options::default() }) else { return };
            let options = BusOptions { read: Some("in".into()), written: vec!["out".into()], ..options(1) };
            let refused = open(&parse(&redis.url()).unwrap(), &options).err();
            let Some(OpenError::Usage(text)) = refused else { panic!("{missing}{told}: {refused:?}") };
            assert!(text.contains(&format!("ACL SETUSER corec_user {missing}")), "{text}");
            assert_eq!(redis.cli(&["DBSIZE"]), "0");
        }
    }
    let acl = Acl { rules: Acl::default().rules.replace("~*", "~corec:* ~out"), ..Acl::default() };
    let Some(redis) = Redis::start(Options { acl: Some(acl), ..Options::default() }) else { return };
    let with = |read: Option<&str>| BusOptions {
        read: read.map(Into::into),
        written: vec!["out".into()],
        ..options(1)
    };
    let refused = open(&parse(&redis.url()).unwrap(), &with(Some("in"))).err();
    assert!(refused.is_some_and(|e| e.to_string().contains("ACL SETUSER corec_user ~in")));
    assert!(open(&parse(&redis.url()).unwrap(), &with(None)).is_ok());
}

#[test]
fn one_who_speaks_tls_and_one_who_does_not_are_told_what_may_be_wrong_in_time() {
    let Some(plain) = Redis::start(Options::default()) else { return };
    let start = Instant::now();
    let tls = refusal(&format!("rediss://127.0.0.1:{}", plain.port()));
    assert!(tls.contains("must begin with redis://"), "{tls}");
    assert!(start.elapsed() < Duration::from_secs(4), "--connect-timeout is 2 s: {:?}", start.elapsed());
    let Some(redis) = Redis::start(Options { tls: Some(Tls::RightName), ..Options::default() }) else {
        return;
    };
    let plain = refusal(&format!("redis://127.0.0.1:{}", redis.port()));
    assert!(plain.contains("must begin with rediss://"), "{plain}");
}

#[test]
fn tls_wants_the_right_authority_and_the_right_name() {
    let Some(redis) = Redis::start(Options { tls: Some(Tls::RightName), ..Options::default() }) else {
        return;
    };
    let mut one = bus(&redis.url(), 1);
    one.publish("out", id(0, 0), b"x").unwrap();
    one.close(PATIENCE).unwrap();
    assert_eq!(sent(&redis, "out"), ["x"]);
    let unknown = refusal(&format!("rediss://localhost:{}", redis.port()));
    assert!(unknown.contains("certificate") && unknown.contains("ca=FILE"), "{unknown}");
    let other = Redis::start(Options { tls: Some(Tls::WrongName), ..Options::default() }).unwrap();
    let name = refusal(&other.url());
    assert!(name.contains("certificate") && name.contains("name"), "{name}");
}

#[test]
fn a_poisoned_entry_has_no_data_and_the_others_come() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let mut one = bus(&redis.url(), 1);
    one.subscribe("in", Cursor::START).unwrap();
    redis.cli(&["XADD", "in", "*", "something", "else"]);
    redis.ledger().add("in", &vec![0; 17 << 20]);
    redis.ledger().add("in", b"good");
    let (entries, _) = take(&mut *one, "in", 3);
    assert_eq!(entries.iter().map(|e| e.data.len()).collect::<Vec<_>>(), [0, 0, 4]);
    let cursors: BTreeSet<Cursor> = entries.iter().map(|e| e.cursor).collect();
    assert_eq!(cursors.len(), 3);
    redis.cli(&["SET", "text", "x"]);
    one.subscribe("text", Cursor::START).unwrap();
    let start = Instant::now();
    while one.poll("text", 1).is_ok() {
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
    let error = one.poll("text", 1).unwrap_err().to_string();
    assert!(error.contains("taken by something else"), "{error}");
}
