//! `corec feed`: every row of a table is on the stream once and in order, whatever happens to the feed, the server, or both.
#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod common;
mod refusals;

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use common::{arguments, begin, end, length, refusal, rows, table};
use support::redis::{Appendonly, Options, Redis};
use support::{json, number, signal, wait_until};

#[test]
fn a_row_is_a_json_object_under_its_own_number() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut table =
        Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let text = b"time,cpu,host,sequence,label\n1,0.50,\"a\nb\",7,0\n2,,c,9,1\n";
    table.stdin.take().unwrap().write_all(text).unwrap();
    fs::write(folder.path().join("t.csv"), table.wait_with_output().unwrap().stdout).unwrap();
    let done = json(folder.path(), &arguments(&redis.url(), &[]), 0);
    let entries = redis.ledger().entries("rows");
    let found: Vec<(&str, &str)> =
        entries.iter().map(|e| (&*e.at, std::str::from_utf8(&e.data).unwrap())).collect();
    let expected = [
        ("7-0", r#"{"time":"1","cpu":0.50,"host":"a\nb","sequence":7,"label":0}"#),
        ("9-0", r#"{"time":"2","cpu":null,"host":"c","sequence":9,"label":1}"#),
    ];
    assert_eq!(found, expected);
    let keys = ["rows", "sent", "already_there", "lost", "last_sequence", "outages"];
    assert_eq!(keys.map(|key| number(&done, key)), [2.0, 2.0, 0.0, 0.0, 9.0, 0.0], "{done}");
    assert!(number(&done, "seconds") > 0.0 && done["error"].is_null() && done["interrupted_by"].is_null());
}

#[test]
fn a_run_that_takes_the_stream_has_the_bits_of_one_that_takes_the_file() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("date,load,host,label,temp\n");
    for n in 1..=300 {
        let gap = if n % 7 == 0 { "NA".into() } else { format!("{:.3}", f64::from(n * 37 % 101) / 9.0) };
        text += &format!("{n},{gap},h{},{},{}e-1\n", n % 3, u32::from(n > 290), n * n % 97);
    }
    fs::write(folder.path().join("t.csv"), text).unwrap();
    let of_file = json(folder.path(), &["run", "telemetry", "--input", "t.csv"], 0);
    json(folder.path(), &["feed", "t.csv", "--to", &redis.url(), "--stream", "telemetry"], 0);
    let of_stream = json(folder.path(), &["run", "telemetry", "--bus", &redis.url(), "--ticks", "300"], 0);
    assert_eq!((&of_stream["state_digest"], number(&of_stream, "tick")), (&of_file["state_digest"], 300.0));
}

#[test]
fn a_feed_that_was_killed_goes_on_after_the_last_row() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), 30_000);
    for least in [1, 5000, 11_000] {
        let mut feed = begin(folder.path(), &redis.url(), &["--rate", "20000"]);
        wait_until("rows on the stream", || length(&redis) >= least);
        feed.kill().unwrap();
        feed.wait().unwrap();
    }
    let there = length(&redis);
    let done = json(folder.path(), &arguments(&redis.url(), &[]), 0);
    assert_eq!(
        (number(&done, "already_there"), number(&done, "sent")),
        (there as f64, (30_000 - there) as f64)
    );
    assert_eq!(rows(&redis, "rows"), (1..=30_000).collect::<Vec<_>>());
    let done = json(folder.path(), &arguments(&redis.url(), &[]), 0);
    assert_eq!((number(&done, "already_there"), number(&done, "sent")), (30_000.0, 0.0));
}

#[test]
fn a_server_that_is_killed_in_the_middle_gets_every_row_once() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), 80_000);
    let feed = begin(folder.path(), &redis.url(), &["--rate", "20000", "--connect-timeout", "60"]);
    for least in [2000, 12_000] {
        wait_until("rows on the stream", || length(&redis) >= least);
        redis.restart();
    }
    let (done, err) = end(feed, 0);
    assert_eq!(rows(&redis, "rows"), (1..=80_000).collect::<Vec<_>>());
    assert_eq!((number(&done, "sent"), number(&done, "lost")), (80_000.0, 0.0), "{done}");
    assert!(number(&done, "outages") >= 1.0 && err.contains("tried again"), "{done} {err}");
}

#[test]
fn what_a_server_has_lost_is_sent_again() {
    let Some(redis) = Redis::start(Options { appendonly: Appendonly::No, ..Options::default() }) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), 300_000);
    fs::write(folder.path().join("ack"), "1000\n").unwrap();
    let more = ["--rate", "20000", "--connect-timeout", "60", "--ack", "ack"];
    let feed = begin(folder.path(), &redis.url(), &more);
    wait_until("rows on the stream", || length(&redis) >= 3000);
    fs::write(folder.path().join("ack"), "2000\n").unwrap();
    redis.restart();
    wait_until("rows on the stream again", || length(&redis) >= 8000);
    signal(&feed, "INT");
    let (done, err) = end(feed, 130);
    let there = rows(&redis, "rows");
    let last = *there.last().unwrap();
    assert_eq!(there, (2001..=last).collect::<Vec<_>>(), "but for those that the engine has");
    let again = number(&done, "sent_again");
    assert_eq!(
        (number(&done, "acknowledged"), number(&done, "last_sequence")),
        (1000.0, last as f64),
        "{done}"
    );
    assert!(again >= 1000.0 && err.contains("the server has lost rows"), "{done} {err}");
}

#[test]
fn rows_that_are_gone_below_later_ones_are_told_as_lost() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), 100);
    json(folder.path(), &arguments(&redis.url(), &[]), 0);
    redis.cli(&["XTRIM", "rows", "MINID", "61-0"]);
    fs::write(folder.path().join("ack"), "40\n").unwrap();
    table(folder.path(), 120);
    let done = json(folder.path(), &arguments(&redis.url(), &["--ack", "ack"]), 1);
    let keys = ["acknowledged", "lost", "already_there", "sent"];
    assert_eq!(keys.map(|key| number(&done, key)), [40.0, 20.0, 40.0, 20.0], "{done}");
    let err = refusal(folder.path(), &arguments(&redis.url(), &["--ack", "ack"]), 1);
    assert!(err.contains("row 41 is gone and the engine has not had it"), "{err}");
    fs::write(folder.path().join("ack"), "60\n").unwrap();
    json(folder.path(), &arguments(&redis.url(), &["--ack", "ack"]), 0);
    fs::write(folder.path().join("ack"), "half a line").unwrap();
    assert!(
        refusal(folder.path(), &arguments(&redis.url(), &["--ack", "ack"]), 2).contains("no acknowledgement")
    );
}

#[test]
fn two_feeds_of_one_table_bring_every_row_once() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), 20_000);
    let feeds = [(); 2].map(|()| begin(folder.path(), &redis.url(), &["--rate", "20000"]));
    let done = feeds.map(|feed| end(feed, 0).0);
    assert_eq!(rows(&redis, "rows"), (1..=20_000).collect::<Vec<_>>());
    assert_eq!(done.iter().map(|done| number(done, "sent")).sum::<f64>(), 20_000.0, "{done:?}");
}

#[test]
fn a_table_goes_on_where_another_has_ended() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let part = |from: u64, to: u64| {
        let rows: String = (from..=to).map(|n| format!("{n},{n}.5\n")).collect();
        fs::write(folder.path().join("t.csv"), format!("sequence,value\n{rows}")).unwrap();
        json(folder.path(), &arguments(&redis.url(), &[]), 0)
    };
    part(1, 10);
    part(11, 30);
    assert_eq!(number(&part(5, 40), "sent"), 10.0);
    assert_eq!(number(&part(3, 8), "already_there"), 6.0, "the stream is further, with the same rows");
    assert_eq!(rows(&redis, "rows"), (1..=40).collect::<Vec<_>>());
}

#[test]
fn a_pipe_is_fed_as_its_rows_come() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    assert!(Command::new("mkfifo").arg(folder.path().join("t.csv")).status().unwrap().success());
    let feed = begin(folder.path(), &redis.url(), &[]);
    let mut pipe = fs::File::options().write(true).open(folder.path().join("t.csv")).unwrap();
    pipe.write_all(b"sequence,value\n4,4.5\n").unwrap();
    wait_until("a row", || length(&redis) == 1);
    pipe.write_all(b"5,5.5\n6,6.5\n").unwrap();
    wait_until("more rows", || length(&redis) == 3);
    drop(pipe);
    assert_eq!(number(&end(feed, 0).0, "sent"), 3.0);
    assert_eq!(rows(&redis, "rows"), [4, 5, 6]);
}

#[test]
fn an_interrupt_ends_it_with_what_was_sent() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), 100_000);
    for (name, status) in [("INT", 130), ("TERM", 143)] {
        let before = length(&redis);
        let feed = begin(folder.path(), &redis.url(), &["--rate", "500"]);
        wait_until("rows", || length(&redis) > before);
        signal(&feed, name);
        let (done, err) = end(feed, status);
        assert_eq!(number(&done, "sent"), (length(&redis) - before) as f64, "{err}");
    }
    // While nobody answers.
    redis.kill();
    let feed = begin(folder.path(), &redis.url(), &["--connect-timeout", "600"]);
    wait_until("signals are caught", || {
        let status = fs::read_to_string(format!("/proc/{}/status", feed.id())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
        u64::from_str_radix(caught.trim(), 16).unwrap_or(0) >> 1 & 1 == 1
    });
    signal(&feed, "INT");
    let output = feed.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
}
