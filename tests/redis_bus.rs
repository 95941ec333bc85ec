//! The bus on a real Redis server: what is read and what is sent, each once, also when the server or the way to it fails.

#![allow(clippy::disallowed_methods, reason = "limits of waiting; no result depends on it")]

mod support;

use std::time::{Duration, Instant};

use corec_core::bus::{Bus, Cursor};
use corec_core::units::RunId;
use support::bus::{PATIENCE, bus, id, sent, take, texts, wait_until};
use support::proxy::{Mode, Proxy};
use support::redis::{Appendonly, Options, Redis};

#[test]
fn entries_are_read_from_the_cursor_on_and_what_is_sent_says_who_sent_it() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let at = redis.ledger().add_all("in", texts(0..3000));
    let mut one = bus(&redis.url(), 1);
    one.subscribe("in", Cursor::START).unwrap();
    let (first, lost) = take(&mut *one, "in", 1500);
    assert_eq!((lost, first[1499].cursor.to_string()), (0, at[1499].clone()));
    let mut other = bus(&redis.url(), 2);
    other.subscribe("in", first[999].cursor).unwrap();
    let (rest, _) = take(&mut *other, "in", 2000);
    let numbers: Vec<String> = rest.iter().map(|e| String::from_utf8_lossy(&e.data).into_owned()).collect();
    assert_eq!(numbers, texts(1000..3000));
    for n in 0..5000 {
        one.publish(if n % 2 == 0 { "even" } else { "odd" }, id(n / 10, n % 10), n.to_string().as_bytes())
            .unwrap();
    }
    one.close(PATIENCE).unwrap();
    let even = redis.ledger().entries("even");
    assert_eq!((even.len(), sent(&redis, "odd").len()), (2500, 2500));
    let run = RunId(1);
    assert_eq!(even[7].id.as_deref(), Some(&*format!("corec1/{run}/0.1.4")));
    assert_eq!(even[7].data, b"14");
}

#[test]
fn what_a_restored_run_sends_again_is_there_once_and_an_older_process_of_it_is_fenced() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let publish = |bus: &mut dyn Bus, from: u64, to: u64| {
        (from..to).try_for_each(|n| bus.publish("out", id(n, 0), n.to_string().as_bytes()))
    };
    let mut old = bus(&redis.url(), 7);
    publish(&mut *old, 0, 100).unwrap();
    old.keep()().unwrap();
    // A process that goes on from a snapshot at 60 says all from there again.
    let mut new = bus(&redis.url(), 7);
    publish(&mut *new, 60, 160).unwrap();
    new.keep()().unwrap();
    assert_eq!(sent(&redis, "out"), texts(0..160));
    // The old one comes to itself.
    publish(&mut *old, 100, 130).unwrap();
    let error = old.keep()().unwrap_err();
    assert!(error.contains("another process goes on with the run"), "{error}");
    publish(&mut *new, 160, 170).unwrap();
    new.close(PATIENCE).unwrap();
    assert_eq!(sent(&redis, "out"), texts(0..170));
    // Another run of the same instance has numbers of its own.
    let mut other = bus(&redis.url(), 8);
    publish(&mut *other, 0, 10).unwrap();
    other.close(PATIENCE).unwrap();
    assert_eq!(sent(&redis, "out").len(), 180);
}

#[test]
fn a_server_that_is_killed_and_comes_back_has_everything_once() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let mut one = bus(&redis.url(), 1);
    one.subscribe("in", Cursor::START).unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..4u64 {
        let of_round = texts(round * 100..round * 100 + 100);
        redis.ledger().add_all("in", &of_round);
        acknowledged.extend(of_round);
        for n in round * 1000..round * 1000 + 1000 {
            one.publish("out", id(n, 0), n.to_string().as_bytes()).unwrap();
            if n == round * 1000 + 500 {
                redis.restart();
            }
        }
    }
    let (entries, lost) = take(&mut *one, "in", 400);
    let got: Vec<String> = entries.iter().map(|e| String::from_utf8_lossy(&e.data).into_owned()).collect();
    assert_eq!((got, lost), (acknowledged, 0));
    one.keep()().unwrap();
    // Reading is told apart from sending: it may come back a moment later.
    let health = wait_until(&*one, "both are back", |health| health.away.is_none());
    assert!(health.outages >= 1 && health.away_seconds > 0.0, "{health:?}");
    one.close(PATIENCE).unwrap();
    assert_eq!(sent(&redis, "out"), texts(0..4000));
}

#[test]
fn what_a_server_loses_is_counted_and_nobody_starves() {
    let Some(redis) = Redis::start(Options { appendonly: Appendonly::No, ..Options::default() }) else {
        return;
    };
    let mut one = bus(&redis.url(), 1);
    one.subscribe("in", Cursor::START).unwrap();
    redis.ledger().add_all("in", texts(0..50));
    let (entries, _) = take(&mut *one, "in", 50);
    assert_eq!(entries.len(), 50);
    // Trimmed past the reader, which is stopped meanwhile.
    let cursor = entries[49].cursor;
    wait_until(&*one, "the server knows how far it is", |_| {
        redis.cli(&["HVALS", "corec:read:in"]).contains(&format!("{cursor} 50"))
    });
    one.close(PATIENCE).unwrap();
    redis.ledger().add_all("in", texts(50..150));
    redis.cli(&["XTRIM", "in", "MAXLEN", "=", "30"]);
    let mut one = bus(&redis.url(), 1);
    one.subscribe("in", cursor).unwrap();
    let (entries, lost) = take(&mut *one, "in", 30);
    assert_eq!((entries.len(), lost, one.health().lost), (30, 70, 70));
    // Flushed: there are new entries, and they come.
    redis.cli(&["FLUSHALL"]);
    redis.ledger().add_all("in", texts(0..10));
    assert_eq!(take(&mut *one, "in", 10).0.len(), 10);
    // A server that forgets all at a restart.
    redis.restart();
    redis.ledger().add_all("in", texts(0..10));
    assert_eq!(take(&mut *one, "in", 10).0.len(), 10);
    // One with ids that are far behind the cursor, as a clock that went back gives them.
    redis.cli(&["DEL", "in", "corec:read:in"]);
    redis.cli(&["XADD", "in", "5-1", "data", "x"]);
    assert_eq!(take(&mut *one, "in", 1).0[0].cursor, Cursor(5, 1));
}

#[test]
fn outputs_that_a_server_had_and_lost_are_counted() {
    let Some(redis) = Redis::start(Options { appendonly: Appendonly::No, ..Options::default() }) else {
        return;
    };
    let mut one = bus(&redis.url(), 1);
    (0..40).for_each(|n| one.publish("out", id(n, 0), b"x").unwrap());
    one.keep()().unwrap();
    redis.restart();
    one.publish("out", id(40, 0), b"y").unwrap();
    one.keep()().unwrap();
    assert_eq!((sent(&redis, "out"), one.health().lost), (vec!["y".to_string()], 40));
}

/// It took its own record's absence for another process, and ended the run.
#[test]
fn a_server_that_is_flushed_while_a_run_writes_to_it_is_written_on_and_an_older_process_stays_fenced() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let mut old = bus(&redis.url(), 7);
    old.publish("out", id(0, 0), b"a").unwrap();
    old.keep()().unwrap();
    let mut new = bus(&redis.url(), 7);
    for tick in 1..5 {
        new.publish("out", id(tick, 0), b"b").unwrap();
        new.keep()().unwrap();
        redis.cli(&["FLUSHALL"]);
    }
    new.publish("out", id(5, 0), b"c").unwrap();
    new.keep()().unwrap();
    assert_eq!((sent(&redis, "out"), new.health().lost), (vec!["c".to_string()], 5));
    // As a server has it that has lost the last of what it was told, with its connections.
    redis.cli(&["HSET", &format!("corec:sent:{}", RunId(7)), "fence", "1"]);
    redis.restart();
    new.publish("out", id(6, 0), b"d").unwrap();
    new.keep()().unwrap();
    assert_eq!(sent(&redis, "out"), ["c", "d"]);
    old.publish("out", id(7, 0), b"e").unwrap();
    assert!(old.keep()().unwrap_err().contains("another process goes on with the run"));
}

#[test]
fn a_bad_way_to_the_server_loses_nothing_and_holds_nobody() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let proxy = Proxy::start(redis.port());
    let mut one = bus(&redis.url_at(proxy.port()), 1);
    one.subscribe("in", Cursor::START).unwrap();
    let modes = [
        Mode::Latency(Duration::from_millis(50)),
        Mode::ResetInReply,
        Mode::Closed,
        Mode::ByteAtATime,
        Mode::Throttle(64 << 10),
        Mode::ResetInReply,
        Mode::Silent,
        Mode::Pass,
    ];
    let (mut got, mut n) = (Vec::new(), 0);
    for mode in modes {
        proxy.set(mode);
        redis.ledger().add_all("in", texts(n..n + 20));
        for of in n..n + 20 {
            let start = Instant::now();
            one.publish("out", id(of, 0), of.to_string().as_bytes()).unwrap();
            assert!(start.elapsed() < Duration::from_secs(2), "{mode:?} held a tick");
        }
        n += 20;
        let until = Instant::now() + Duration::from_millis(400);
        while Instant::now() < until {
            got.extend(one.poll("in", 100).unwrap().entries);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    got.extend(take(&mut *one, "in", n as usize - got.len()).0);
    let got: Vec<String> = got.iter().map(|e| String::from_utf8_lossy(&e.data).into_owned()).collect();
    assert_eq!(got, texts(0..n));
    one.close(PATIENCE).unwrap();
    assert_eq!(sent(&redis, "out"), texts(0..n));
    // No storm: a few connections for each time that it broke.
    assert!(proxy.connections() < 60, "{} connections", proxy.connections());
}

#[test]
fn a_stream_that_the_run_writes_stays_small_and_its_readers_lose_nothing() {
    let Some(redis) = Redis::start(Options { appendonly: Appendonly::No, ..Options::default() }) else {
        return;
    };
    let mut one = bus(&format!("{}?keep=1MiB", redis.url()), 1);
    let kilobyte = vec![b'x'; 1000];
    for n in 0..20_000u64 {
        one.publish("out", id(n, 0), &kilobyte).unwrap();
    }
    one.keep()().unwrap();
    let length: u64 = redis.cli(&["XLEN", "out"]).trim().parse().unwrap();
    assert!((900..3000).contains(&length), "{length} entries of a kilobyte");
    // A reader that is slow has what it has not read, and then the stream is short again.
    let mut reader = bus(&redis.url(), 2);
    let last = redis.ledger().entries("out").last().unwrap().at.clone();
    let (ms, sequence) = last.split_once('-').unwrap();
    reader.subscribe("out", Cursor(ms.parse().unwrap(), sequence.parse().unwrap())).unwrap();
    wait_until(&*reader, "it is known", |_| redis.cli(&["HLEN", "corec:read:out"]).trim() == "1");
    (20_000..23_000u64).for_each(|n| one.publish("out", id(n, 0), &kilobyte).unwrap());
    one.keep()().unwrap();
    let (entries, lost) = take(&mut *reader, "out", 3000);
    assert_eq!((entries.len(), lost), (3000, 0));
}

#[test]
fn a_server_that_is_full_is_away_until_there_is_room() {
    let options = Options { maxmemory: Some((6 << 20, "noeviction")), ..Options::default() };
    let Some(redis) = Redis::start(options) else { return };
    let mut one = bus(&redis.url(), 1);
    let big = vec![b'x'; 100_000];
    (0..100).for_each(|n| one.publish("out", id(n, 0), &big).unwrap());
    let health = wait_until(&*one, "it is full", |health| health.away.is_some());
    assert!(health.away.unwrap().contains("maxmemory"));
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    one.keep()().unwrap();
    assert_eq!(redis.cli(&["XLEN", "out"]).trim(), "100");
}

#[test]
fn who_subscribes_anew_gets_nothing_of_what_was_on_its_way() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    redis.ledger().add_all("in", texts(0..20_000));
    let mut one = bus(&redis.url(), 1);
    for _ in 0..30 {
        one.subscribe("in", Cursor::START).unwrap();
        let first = take(&mut *one, "in", 1).0;
        let cursor = first[0].cursor;
        one.subscribe("in", cursor).unwrap();
        let rest = take(&mut *one, "in", 10_000).0;
        assert_eq!(rest[0].data, b"1");
        assert!(rest.windows(2).all(|two| two[0].cursor < two[1].cursor));
    }
}
