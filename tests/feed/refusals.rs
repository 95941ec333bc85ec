//! Refusals: what keeps a table from a stream is said in one line, and never a password.

use std::fs;

use super::common::{arguments, begin, end, length, refusal, rows, table};
use super::support::redis::{Acl, Options, Redis, Tls, free_port};
use super::support::{corec, wait_until};

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
fn numbers_that_do_not_grow_end_a_feed_before_a_row_is_left_out_in_silence() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    for (numbers, line, found) in [(&[5, 3, 9][..], 3, "found 3 after 5"), (&[5, 7, 7], 4, "found 7 after 7")]
    {
        redis.cli(&["DEL", "rows"]);
        let rows: String = numbers.iter().map(|n| format!("{n},{n}.5\n")).collect();
        fs::write(folder.path().join("t.csv"), format!("sequence,value\n{rows}")).unwrap();
        for _ in 0..2 {
            let err = refusal(folder.path(), &arguments(&redis.url(), &[]), 1);
            assert!(err.contains(&format!("line {line}, column 'sequence': {found}, must be more")), "{err}");
        }
        assert_eq!(length(&redis) as usize, line - 2, "what was right before it");
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
    let err = refusal(folder.path(), &arguments(&redis.url(), &[]), 2);
    assert!(err.contains("ACL SETUSER corec_user +xadd"), "{err}");
    assert_eq!(rows(&redis, "rows").len(), 100);
}
