//! `corec tail`: what is on a stream is shown as it comes, in plain text whatever it holds, also across a server that is away.
#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use corec_core::message::{Frame, FrameColumn, Record};
use corec_core::units::ChannelId;
use serde_json::Value;
use support::redis::{Acl, Options, Redis, Tls, free_port};
use support::{command, corec, said, signal};

/// A tail that goes on, and its lines.
fn follow(arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = command(&std::env::temp_dir(), &[&["tail"], arguments].concat());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

/// `count` entries of a stream, from its start on unless `more` says otherwise.
fn all(url: &str, stream: &str, count: usize, more: &[&str]) -> Vec<String> {
    let count = count.to_string();
    let from: &[&str] = if more.contains(&"--from") { &[] } else { &["--from", "start"] };
    let arguments = [&["tail", stream, "--bus", url, "--count", &count], from, more].concat();
    let output = corec(&std::env::temp_dir(), &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(String::from).collect()
}

#[test]
fn every_form_is_shown_on_a_line_of_plain_text() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let column = FrameColumn { name: "value".into(), size: 4, bytes: 0.25f32.to_le_bytes().repeat(3) };
    let frame = Frame {
        instance: "corec\u{1b}[31m1".into(),
        kind: "cell".into(),
        first_block: 3,
        blocks: 2,
        epoch: 0,
        tick: 5,
        sequence: 1,
        count: 3,
        columns: vec![column],
    };
    let record = Record { id: 7, channel: ChannelId(-2), value: 0.5, is_active: true };
    let alert = br#"{"instance":"c","epoch":0,"tick":12,"sequence":3,"name":"h\u001bot","subject":"s\n7","value":null,"severity":2,"state":"raised"}"#;
    let data: [&[u8]; 6] = [
        &record.encode(),
        &frame.encode(),
        alert,
        b"{\"a\": 1.50,\n\"b\": \"\xc2\x9b\"}",
        b"\x1b]0;x\x07",
        b"",
    ];
    redis.ledger().add_all("s", data);
    redis.cli(&["XADD", "s", "*", "other", "x"]);
    redis.cli(&["XADD", "s", "*", "data", "[1]", "id", "corec1/ab\u{1b}[2J\nx/0.5.1"]);
    let lines = all(&redis.url(), "s", 8, &[]);
    let ids: Vec<String> = redis.ledger().entries("s").into_iter().map(|entry| entry.at).collect();
    assert!(lines.iter().zip(&ids).all(|(line, id)| line.starts_with(&format!("{id}  "))), "{lines:#?}");
    let wanted = [
        "-  record: id 7, channel -2, value 0.5, active",
        "-  frame: corec\\u001b[31m1, kind cell, blocks 3..=4, tick 5, 3 entities, columns value, mean of value 0.250000",
        "-  alert raised: h\\u001bot of s\\n7, value null, severity 2, tick 12",
        "-  {\"a\":1.50,\"b\":\"\\u009b\"}",
        "-  6 bytes: 1b 5d 30 3b 78 07 (record: found 6 bytes, must be 10)",
        "-  0 bytes:  (record: found 0 bytes, must be 10)",
        "-  no data (no field `data`, or more than 16 MiB)",
        "corec1/ab\\u001b[2J\\nx/0.5.1  [1]",
    ];
    for (line, wanted) in lines.iter().zip(wanted) {
        assert!(line.ends_with(wanted), "{line} is not {wanted}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    let objects = all(&redis.url(), "s", 8, &["--json"]);
    let objects: Vec<Value> = objects.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let forms: Vec<&str> = objects.iter().map(|object| object["data"]["form"].as_str().unwrap()).collect();
    assert_eq!(forms, ["record", "frame", "alert", "json", "bytes", "bytes", "nothing", "json"]);
    assert_eq!(
        (&objects[1]["data"]["value_mean"], &objects[7]["at"]),
        (&0.25.into(), &ids[7].as_str().into())
    );
    assert_eq!((&objects[0]["by"], &objects[7]["by"]), (&Value::Null, &"corec1/ab\u{1b}[2J\nx/0.5.1".into()));
    let from = all(&redis.url(), "s", 1, &["--from", &ids[3]]);
    assert!(from[0].starts_with(&ids[3]), "{from:?}");
}

#[test]
fn what_comes_is_shown_and_a_server_that_was_away_is_told() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    redis.ledger().add("s", b"\"old\"");
    let (mut tail, mut lines) = follow(&["s", "--bus", &redis.url(), "--from", "start"]);
    assert!(lines.next().unwrap().unwrap().ends_with("\"old\""));
    redis.ledger().add("s", b"\"new\"");
    assert!(lines.next().unwrap().unwrap().ends_with("\"new\""));
    redis.restart();
    redis.ledger().add("s", b"\"after\"");
    assert!(lines.next().unwrap().unwrap().ends_with("\"after\""), "what was read is not read again");
    redis.cli(&["DEL", "s"]);
    redis.cli(&["XADD", "s", "1-1", "data", "\"anew\""]);
    assert!(lines.next().unwrap().unwrap().ends_with("1-1  -  \"anew\""), "a stream that was emptied");
    signal(&tail, "INT");
    assert_eq!(tail.wait().unwrap().code(), Some(130));
    let err = std::io::read_to_string(tail.stderr.take().unwrap()).unwrap();
    for wanted in ["tried again until it answers", "is back", "it was emptied or set back"] {
        assert!(err.contains(wanted), "{err} lacks {wanted}");
    }
}

#[test]
fn it_begins_at_the_end_and_waits_for_a_stream_that_is_not_there() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    redis.ledger().add("s", b"\"old\"");
    for stream in ["s", "none"] {
        let (mut tail, mut lines) = follow(&[stream, "--bus", &redis.url(), "--count", "1"]);
        // It has looked where the end is once it waits for more.
        support::wait_until("it waits", || redis.cli(&["CLIENT", "LIST"]).contains("cmd=xread"));
        redis.ledger().add(stream, b"\"new\"");
        assert!(lines.next().unwrap().unwrap().ends_with("\"new\""));
        assert_eq!(tail.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_reader_that_has_gone_ends_it() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    redis.ledger().add_all("s", (0..2000).map(|n: u32| n.to_string()));
    let (mut tail, mut lines) = follow(&["s", "--bus", &redis.url(), "--from", "start"]);
    lines.next().unwrap().unwrap();
    drop(lines);
    redis.ledger().add_all("s", (0..20_000).map(|n: u32| n.to_string()));
    assert_eq!(tail.wait().unwrap().code(), Some(0));
}

#[test]
fn who_is_not_let_in_is_told_why_and_never_the_password() {
    let folder = std::env::temp_dir();
    let options = Options { acl: Some(Acl::default()), tls: Some(Tls::RightName), ..Options::default() };
    let Some(redis) = Redis::start(options) else { return };
    redis.ledger().add("s", b"[]");
    assert!(all(&redis.url(), "s", 1, &[])[0].ends_with("-  []"), "the least user may");
    let refused = |url: &str, more: &[&str], wanted: &str| {
        let (status, err) = said(&folder, &[&["tail", "s", "--bus", url], more].concat());
        assert!(status == Some(2) && err.contains(wanted), "{status:?} {err} lacks {wanted}");
        assert!(!err.contains("p@ss") && !err.contains("p%40ss") && !err.contains("wr0ng"), "{err}");
    };
    refused(&redis.url().replace("p%40ss", "wr0ng"), &[], "refuses the user or the password");
    let Some(other) = Redis::start(Options { tls: Some(Tls::WrongName), ..Options::default() }) else {
        return;
    };
    refused(&other.url(), &[], "must be those of the certificate");
    refused(&redis.url(), &["--from", "yesterday"], "must be start, end or an entry's id");
    refused("kafka://x", &[], "must be redis://");
    redis.cli(&["ACL", "SETUSER", "corec_user", "-xread"]);
    refused(&redis.url(), &[], "ACL SETUSER");
    let url = format!("redis://ana:wr0ng@127.0.0.1:{}", free_port());
    let (mut tail, _lines) = follow(&["s", "--bus", &url]);
    let mut err = BufReader::new(tail.stderr.take().unwrap());
    let mut line = String::new();
    err.read_line(&mut line).unwrap();
    assert!(line.contains("refused") && line.contains("tried again") && !line.contains("wr0ng"), "{line}");
    signal(&tail, "TERM");
    assert_eq!(tail.wait().unwrap().code(), Some(143));
}
