//! A run on a Redis server: what it keeps of the server's password, what it says of an outage, and a start without a server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::json;
use support::redis::{Acl, Options, Redis, free_port};
use support::{command, corec, json, number, start, wait_until};

const PASSWORD: &str = "s3cret:of/the@tests";

/// A scenario that has its password from the environment.
fn write_scenario(folder: &Path, redis: &Redis) {
    let bus = format!("redis://corec_user:${{REDIS_PASSWORD}}@127.0.0.1:{}", redis.port());
    let scenario = json!({
        "name": "s", "bus": bus, "publish_interval": 1, "input_stream": "in",
        "blocks": [{"id": "a", "entities": 200}],
    });
    fs::write(folder.join("s.json"), scenario.to_string()).unwrap();
}

fn run(folder: &Path, arguments: &[&str], password: Option<&str>) -> Output {
    let mut command = command(folder, arguments);
    password.iter().for_each(|password| _ = command.env("REDIS_PASSWORD", password));
    command.output().expect("the program starts")
}

/// Every file below `folder`, as text.
fn all_text(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &all_text(&path);
        } else {
            text += &String::from_utf8_lossy(&fs::read(path).unwrap());
        }
    }
    text
}

#[test]
fn a_password_is_in_no_file_and_no_output_and_a_restore_has_it_from_where_it_was() {
    let acl = Acl { password: PASSWORD.into(), ..Acl::default() };
    let Some(redis) = Redis::start(Options { acl: Some(acl), ..Options::default() }) else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_scenario(folder, &redis);
    let asked =
        ["run", "s.json", "--out", "r", "--snapshot-interval", "20", "--ticks", "50", "--log", "trace"];
    let first = run(folder, &asked, Some(PASSWORD));
    let again = run(folder, &["run", "--restore", "r", "--ticks", "80"], Some(PASSWORD));
    let unset = run(folder, &["run", "--restore", "r", "--ticks", "90"], None);
    let wrong = run(folder, &["run", "--restore", "r", "--ticks", "90"], Some("wrong-s3cret"));
    let status = [&first, &again, &unset, &wrong].map(|output| output.status.code());
    let said: Vec<String> = [&first, &again, &unset, &wrong]
        .map(|output| {
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        })
        .to_vec();
    assert_eq!(status, [Some(0), Some(0), Some(2), Some(2)], "{said:?}");
    assert!(said[2].contains("REDIS_PASSWORD") && said[3].contains("user or the password"), "{said:?}");
    for text in said.iter().chain([&all_text(folder)]) {
        assert!(!text.contains("s3cret"), "{text}");
    }
    assert_eq!(redis.ledger().entries("bloque_data_stream").len(), 80, "each frame once");
}

#[test]
fn a_server_that_is_away_is_waited_for_and_then_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let bus = format!("redis://ana:{PASSWORD}@127.0.0.1:{}", free_port());
    let run = corec(folder.path(), &["run", "--bus", &bus, "--connect-timeout", "0.3", "--out", "r"]);
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.contains("tried for 0.3 s") && said.contains("--connect-timeout"), "{said}");
    assert!(!said.contains("s3cret") && said.lines().count() == 1, "{said}");
    assert!(!folder.path().join("r").exists());
}

#[test]
fn an_outage_is_in_the_summary_and_what_was_said_meanwhile_arrives() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let scenario = json!({"name": "s", "bus": redis.url(), "publish_interval": 1, "blocks": [{"id": "a", "entities": 200}]});
    fs::write(folder.path().join("s.json"), scenario.to_string()).unwrap();
    let asked = ["run", "s.json", "--out", "r", "--ticks", "400", "--tick-rate", "100", "--quiet"];
    let mut child = start(folder.path(), &asked);
    wait_until("frames", || redis.cli(&["XLEN", "bloque_data_stream"]).trim() != "0");
    redis.kill();
    std::thread::sleep(Duration::from_millis(1500));
    redis.restart();
    assert!(child.wait().unwrap().success());
    let summary = support::read_json(&folder.path().join("r/summary.json"));
    let bus = &summary["lanes"]["bus"];
    assert!(number(bus, "outages") >= 1.0 && number(bus, "away_seconds") >= 1.0, "{bus}");
    assert_eq!(
        (number(bus, "sent"), number(bus, "lost"), number(bus, "dropped")),
        (400.0, 0.0, 0.0),
        "{bus}"
    );
    assert_eq!(redis.ledger().entries("bloque_data_stream").len(), 400);
    // One that is still away at the end keeps what it could not be told, for who goes on.
    let mut child =
        start(folder.path(), &["run", "s.json", "--out", "q", "--ticks", "300", "--tick-rate", "100"]);
    wait_until("frames", || redis.cli(&["XLEN", "bloque_data_stream"]).trim() != "400");
    redis.kill();
    assert!(child.wait().unwrap().success());
    let left = number(&support::read_json(&folder.path().join("q/summary.json"))["lanes"]["bus"], "spooled");
    assert!(left > 100.0, "{left}");
    redis.restart();
    json(folder.path(), &["run", "--restore", "q", "--ticks", "310"], 0);
    assert_eq!(redis.ledger().entries("bloque_data_stream").len(), 710);
}
