//! `corec feed`: every row of a table is on the stream once and in order, whatever happens to the feed, the server, or both.
#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use support::redis::{Acl, Appendonly, Options, Redis, Tls, free_port};
use support::{command, corec, json, number, signal, wait_until};

/// A table of rows `time, value, host`, numbered from 1.
fn table(folder: &Path, rows: u64) -> PathBuf {
    let mut text = String::from("time;value;host\n");
    for n in 1..=rows {
        text += &format!("2026-01-01T00:00:00Z;{}.5;h{}\n", n, n % 3);
    }
    let path = folder.join("t.csv");
    fs::write(&path, text).unwrap();
    path
}

/// The numbers of a stream's rows, each with the data that it must have.
fn rows(redis: &Redis, stream: &str) -> Vec<u64> {
    let row = |entry: support::ledger::Written| {
        let sequence: u64 = entry.at.strip_suffix("-0").unwrap().parse().unwrap();
        let data: Value = serde_json::from_slice(&entry.data).unwrap();
        assert_eq!(data["value"].as_f64(), Some(sequence as f64 + 0.5), "{data}");
        sequence
    };
    redis.ledger().entries(stream).into_iter().map(row).collect()
}

fn length(redis: &Redis) -> u64 {
    redis.try_cli(&["XLEN", "rows"]).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn arguments<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["feed", "t.csv", "--to", url, "--stream", "rows"], more].concat()
}

/// A feed that goes on by itself.
fn begin(folder: &Path, url: &str, more: &[&str]) -> Child {
    let mut command = command(folder, &arguments(url, more));
    command.arg("--json").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn end(child: Child, status: i32) -> (Value, String) {
    let Output { status: found, stdout, stderr } = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(found.code(), Some(status), "{err}");
    (serde_json::from_slice(&stdout).unwrap(), err)
}

fn refusal(folder: &Path, arguments: &[&str], status: i32) -> String {
    let output = corec(folder, arguments);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{err}");
    err
}

#[test]
fn a_row_is_a_json_object_under_its_own_number() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut table =
        Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let text = b"time,cpu,host,sequence,label\n1,0.50,\"a\nb\",7,0\n2,,c,9,1\n3,nan,d,9,1\n";
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
    assert_eq!(keys.map(|key| number(&done, key)), [3.0, 2.0, 1.0, 0.0, 9.0, 0.0], "{done}");
    assert!(number(&done, "seconds") > 0.0 && done["error"].is_null() && done["interrupted_by"].is_null());
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
fn a_stream_of_others_is_refused() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), 50);
    let refused = |prepare: &[&str]| {
        redis.cli(&["DEL", "rows"]);
        redis.cli(prepare);
        let err = refusal(folder.path(), &arguments(&redis.url(), &[]), 1);
        assert!(err.contains("take another name"), "{err}");
    };
    refused(&["XADD", "rows", "*", "data", "{}"]);
    refused(&["XADD", "rows", "20-0", "data", "{}"]);
    refused(&["XADD", "rows", "90-0", "data", "{}"]);
    redis.cli(&["DEL", "rows"]);
    redis.cli(&["XADD", "rows", "20-1", "data", "{}"]);
    assert!(refusal(folder.path(), &arguments(&redis.url(), &[]), 2).contains("take another name"));
    redis.cli(&["DEL", "rows"]);
    redis.cli(&["SET", "rows", "x"]);
    assert!(refusal(folder.path(), &arguments(&redis.url(), &[]), 2).contains("taken by something else"));
    // One that begins to write while the feed goes on.
    redis.cli(&["DEL", "rows"]);
    table(folder.path(), 20_000);
    let feed = begin(folder.path(), &redis.url(), &["--rate", "5000"]);
    wait_until("rows on the stream", || length(&redis) >= 1000);
    redis.cli(&["XADD", "rows", "*", "data", "{}"]);
    let (done, _) = end(feed, 1);
    assert!(done["error"].as_str().unwrap().contains("take another name"), "{done}");
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

#[test]
fn a_server_that_stays_away_is_told_and_so_is_a_broken_row() {
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), 10);
    let url = format!("redis://ana:s3cret@127.0.0.1:{}", free_port());
    let err = refusal(folder.path(), &arguments(&url, &["--connect-timeout", "0.3"]), 1);
    assert!(err.contains("tried for 0.3 s: start it") && !err.contains("s3cret"), "{err}");
    let Some(redis) = Redis::start(Options::default()) else { return };
    fs::write(folder.path().join("t.csv"), "value\n1.5\n2.5\noops\n4.5\n").unwrap();
    let err = refusal(folder.path(), &arguments(&redis.url(), &[]), 1);
    assert!(err.contains("line 4, column 'value': found 'oops'"), "{err}");
    assert_eq!(rows(&redis, "rows"), [1, 2], "what was right before it");
    for (more, wanted) in [
        (&["--rate", "0"][..], "rows a second"),
        (&["--connect-timeout", "-1"], "must be seconds"),
        (&["--to", "kafka://x"], "must be redis://"),
        (&["--stream", ""], "1 to 512 bytes"),
    ] {
        let of = arguments(&redis.url(), &[]).into_iter().map(String::from).collect::<Vec<_>>();
        let mut of: Vec<&str> = of.iter().map(String::as_str).collect();
        if let Some(at) = of.iter().position(|word| *word == more[0]) {
            of[at + 1] = more[1];
        } else {
            of.extend(more);
        }
        let err = refusal(folder.path(), &of, 2);
        assert!(err.contains(wanted), "{err}");
    }
}

#[test]
fn the_least_user_may_feed_over_tls_and_no_password_is_said() {
    let options = Options { acl: Some(Acl::default()), tls: Some(Tls::RightName), ..Options::default() };
    let Some(redis) = Redis::start(options) else { return };
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), 100);
    let output = corec(folder.path(), &arguments(&redis.url(), &[]));
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("100 rows sent"), "{said}");
    let wrong = redis.url().replace("p%40ss", "wr0ng");
    for said in [said.into_owned(), refusal(folder.path(), &arguments(&wrong, &[]), 2)] {
        assert!(!said.contains("p%40ss") && !said.contains("p@ss") && !said.contains("wr0ng"), "{said}");
    }
    redis.cli(&["ACL", "SETUSER", "corec_user", "-xadd"]);
    table(folder.path(), 120);
    assert!(refusal(folder.path(), &arguments(&redis.url(), &[]), 1).contains("ACL SETUSER"));
    assert_eq!(json!(rows(&redis, "rows").len()), 100);
}
