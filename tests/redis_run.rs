//! A run on a Redis server: what it keeps of the server's password, what it says of an outage, and a start without a server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
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

/// Frames out, messages in.
fn both_ways(folder: &Path, redis: &Redis) {
    let scenario = json!({"name": "s", "bus": redis.url(), "publish_interval": 1, "input_stream": "in",
        "blocks": [{"id": "a", "entities": 200, "dynamics": {"fault_rate": 0}}]});
    fs::write(folder.join("s.json"), scenario.to_string()).unwrap();
}

#[test]
fn a_user_who_may_not_read_or_write_starts_no_run() {
    for missing in ["xread", "xadd"] {
        let rules = format!("{} -{missing}", Acl::default().rules);
        let acl = Acl { rules, ..Acl::default() };
        let Some(redis) = Redis::start(Options { acl: Some(acl), ..Options::default() }) else { return };
        let folder = tempfile::tempdir().unwrap();
        both_ways(folder.path(), &redis);
        let mut starts = vec![vec!["run", "s.json"]];
        let url = redis.url();
        if missing == "xread" {
            starts.push(vec!["run", "telemetry", "--bus", &url]);
        }
        for asked in starts {
            let run = corec(folder.path(), &asked);
            let said = String::from_utf8_lossy(&run.stderr);
            assert_eq!(run.status.code(), Some(2), "{asked:?}: {said}");
            assert!(said.contains(&format!("ACL SETUSER corec_user +{missing}")), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(!folder.path().join("runs/0001").exists());
        }
    }
}

#[test]
fn rights_that_are_taken_away_are_an_outage_told_with_growing_pauses_and_named_at_the_end() {
    for right in ["xread", "xadd"] {
        let Some(redis) = Redis::start(Options { acl: Some(Acl::default()), ..Options::default() }) else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        both_ways(folder.path(), &redis);
        let asked = ["run", "s.json", "--out", "r", "--ticks", "600", "--tick-rate", "100"];
        let child =
            command(folder.path(), &asked).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("frames", || redis.cli(&["XLEN", "bloque_data_stream"]).trim() != "0");
        redis.cli(&["ACL", "SETUSER", "corec_user", &format!("-{right}")]);
        let output = child.wait_with_output().unwrap();
        let [out, err] =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(output.status.success(), "{err}");
        let told = err.matches("NOPERM").count();
        assert!((1..12).contains(&told), "{told} times in 5 s: {err}");
        assert!(
            out.contains("away 1 time,") && out.contains("still away") && out.contains("NOPERM"),
            "{out}"
        );
        let bus = support::read_json(&folder.path().join("r/summary.json"))["lanes"]["bus"].clone();
        assert!(number(&bus, "outages") == 1.0 && number(&bus, "away_seconds") > 2.0, "{bus}");
    }
}

#[test]
fn a_server_that_stands_still_is_away_from_the_first_question_that_it_does_not_answer() {
    for (seconds, input) in [(5, "null"), (12, "null"), (5, "\"in\"")] {
        let Some(redis) = Redis::start(Options::default()) else { return };
        let folder = tempfile::tempdir().unwrap();
        let scenario = format!(
            r#"{{"name": "s", "bus": "{}", "publish_interval": 1, "input_stream": {input}, "blocks": [{{"id": "a", "entities": 200, "dynamics": {{"fault_rate": 0}}}}]}}"#,
            redis.url()
        );
        fs::write(folder.path().join("s.json"), scenario).unwrap();
        let ticks = (100 * (seconds + 4)).to_string();
        let mut child =
            start(folder.path(), &["run", "s.json", "--out", "r", "--ticks", &ticks, "--tick-rate", "100"]);
        wait_until("frames", || redis.cli(&["XLEN", "bloque_data_stream"]).trim() != "0");
        redis.stop_signal();
        std::thread::sleep(Duration::from_secs(seconds));
        redis.continue_signal();
        assert!(child.wait().unwrap().success());
        let bus = support::read_json(&folder.path().join("r/summary.json"))["lanes"]["bus"].clone();
        let away = number(&bus, "away_seconds");
        let about = seconds as f64 - 0.6..seconds as f64 + 4.0;
        assert!(number(&bus, "outages") == 1.0 && about.contains(&away), "{seconds} s: {bus}");
        assert_eq!(number(&bus, "sent").to_string(), ticks);
    }
}

#[test]
fn a_run_that_was_ended_while_it_waited_for_its_server_had_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let bus = format!("redis://127.0.0.1:{}", free_port());
    let asked = ["run", "--entities", "1k", "--bus", &bus, "--snapshot-interval", "10", "--out", "r"];
    let mut child = start(folder.path(), &[&asked[..], &["--connect-timeout", "60"]].concat());
    wait_until("its folder", || folder.path().join("r/journal").exists());
    std::thread::sleep(Duration::from_millis(200));
    child.kill().unwrap();
    child.wait().unwrap();
    support::refused(folder.path(), &["run", "--restore", "r"], "the run had not begun");
}

#[test]
fn a_run_in_use_is_refused_before_anything_is_said_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), &["run", "--entities", "1k", "--tick-rate", "20", "--out", "r"]);
    wait_until("its manifest", || folder.path().join("r/manifest.json").exists());
    let (status, said) = support::said(folder.path(), &["run", "--restore", "r"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(status == Some(2) && said.lines().count() == 1 && !said.contains("begins again"), "{said}");
}

#[test]
fn an_outage_is_in_the_summary_and_what_was_said_meanwhile_arrives() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let scenario = json!({"name": "s", "bus": redis.url(), "publish_interval": 1, "blocks": [{"id": "a", "entities": 200, "dynamics": {"fault_rate": 0}}]});
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
