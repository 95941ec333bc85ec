//! `corec top` and `corec watch`: a run that is shown, in a terminal, and its alerts as they come.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

#[path = "http/client.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod client;
#[allow(dead_code, reason = "a part of it is used here")]
#[path = "http/shown.rs"]
mod shown;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use shown::Shown;
use support::{command, corec, signal, start, wait_until};

const ENDLESS: [&str; 6] = ["--entities", "20k", "--ticks", "1G", "--tick-rate", "200"];
/// Alerts come and go in it.
const RESTLESS: &str = r#"{"name": "restless", "seed": 3, "ticks": 1000000000, "sync_interval": 5,
    "alerts": [{"name": "low", "signal": "fitness", "enter": 0.5, "leave": 0.505}],
    "blocks": [{"id": "a", "kind": "cell", "channel": 1, "entities": 4000, "entities_per_block": 200,
        "dynamics": {"fault_rate": 0.02}}]}"#;

fn said(output: &std::process::Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into(), String::from_utf8_lossy(&output.stderr).into())
}

#[test]
fn a_picture_of_a_run_is_printed_by_its_folder_and_by_its_url() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let shown = Shown::start(at, "runs/0001", &ENDLESS);
    wait_until("http.json", || at.join("runs/0001/http.json").exists());
    for run in [&["runs/0001"][..], &[&shown.address], &[]] {
        let (out, err) = said(&corec(at, &[&["top", "--once"], run].concat()));
        for wanted in [
            "ecosystem",
            "seed 42",
            "20,000 entities",
            "swarm",
            "ticks/s of 200",
            "deadlines missed",
            "store sqlite",
        ] {
            assert!(out.contains(wanted), "{run:?}: {wanted}: {out}{err}");
        }
    }
    let (out, _) = said(&corec(at, &["top", "--once", "--json", "runs/0001"]));
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["entities"], json!(20_000));
    drop(shown);
    // Killed, its folder still says where it was; somebody else may be there by now.
    let output = corec(at, &["top", "--once", "runs/0001"]);
    let (_, err) = said(&output);
    assert!(output.status.code() == Some(2) && err.contains("corec run --restore"), "{err}");
    let output = corec(at, &["top"]);
    assert!(output.status.code() == Some(2) && said(&output).1.contains("--once"), "{:?}", said(&output));
}

/// A program in a terminal of its own.
fn in_terminal(at: &Path, arguments: &str) -> Child {
    let program = format!("stty rows 40 cols 120; exec {} {arguments}", env!("CARGO_BIN_EXE_corec"));
    let mut script = Command::new("script");
    script
        .args(["-qec", &program, "/dev/null"])
        .current_dir(at)
        .env("TERM", "xterm-256color")
        .env("COREC_HTTP_TOKEN", shown::TOKEN);
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script, of bsdutils, is there")
}

#[test]
fn keys_go_down_to_the_rows_of_a_block_pause_a_plugin_and_end_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let plugins = concat!(env!("CARGO_MANIFEST_DIR"), "/plugins");
    let shown = Shown::start(at, "r", &[&ENDLESS[..], &["--plugins", plugins]].concat());
    wait_until("http.json", || at.join("r/http.json").exists());
    let mut top = in_terminal(at, "top r");
    let mut keys = top.stdin.take().unwrap();
    let mut press = |text: &str| {
        keys.write_all(text.as_bytes()).unwrap();
        keys.flush().unwrap();
        std::thread::sleep(Duration::from_millis(1500));
    };
    std::thread::sleep(Duration::from_millis(1500));
    // Blocks, one to the right, its rows; back; the first plugin is paused.
    for key in ["2", "\u{1b}[C", "\r", "\u{1b}", "4", "s"] {
        press(key);
    }
    let plugins = client::get(&shown.address, "/api/v1/plugins").json();
    assert_eq!(plugins["plugins"][0]["state"], "paused", "{plugins}");
    press("q");
    let mut drawn = Vec::new();
    top.stdout.take().unwrap().read_to_end(&mut drawn).unwrap();
    assert_eq!(top.wait().unwrap().code(), Some(0));
    let drawn = String::from_utf8_lossy(&drawn);
    for wanted in ["ecosystem", "swarm/1", "failures", "analyzer"] {
        assert!(drawn.contains(wanted), "{wanted}: {drawn:?}");
    }
    // The terminal is as it was: the screen beside it is left, the cursor is shown.
    assert!(drawn.trim_end().ends_with("\u{1b}[?1049l") || drawn.contains("\u{1b}[?1049l"), "{drawn:?}");
    assert!(drawn.contains("\u{1b}[?25h"), "{drawn:?}");
}

#[test]
fn alerts_are_followed_by_folder_and_by_url_until_the_run_ends() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("s.json"), RESTLESS).unwrap();
    let shown = Shown::start(at, "r", &["s.json", "--tick-rate", "200"]);
    let url = format!("http://{}", shown.address);
    let by_url = command(at, &["watch", &url, "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let by_folder =
        command(at, &["watch", "r", "--json", "--from", "start"]).stdout(Stdio::piped()).spawn().unwrap();
    wait_until("alerts", || {
        client::get(&shown.address, "/api/v1/alerts").json()["raised"].as_u64() > Some(9)
    });
    std::thread::sleep(Duration::from_secs(1));
    let ended = shown.end();
    let of = |output: &std::process::Output| -> Vec<Value> {
        said(output).0.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (by_url, by_folder) = (by_url.wait_with_output().unwrap(), by_folder.wait_with_output().unwrap());
    assert!(by_url.status.success() && by_folder.status.success());
    assert!(
        said(&by_url).1.contains("the run has ended: interrupted") || said(&by_url).1.contains("tried again")
    );
    let all = of(&by_folder);
    let sequences: Vec<u64> = all.iter().map(|alert| alert["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.iter().copied().eq(0..sequences.len() as u64), "{sequences:?}");
    let raised = all.iter().filter(|alert| alert["state"] == "raised").count();
    assert_eq!(Some(raised as u64), ended["alerts"].as_u64());
    let seen = of(&by_url);
    assert!(
        seen.len() > 5
            && seen.iter().all(|alert| all.iter().any(|other| other["sequence"] == alert["sequence"]))
    );
    assert!(said(&by_folder).1.is_empty() || said(&by_folder).1.contains("interrupted"));
    let output = corec(at, &["watch", "r", "--json"]);
    let up = of(&output);
    assert!(
        output.status.success() && said(&output).1.contains("the run has ended: interrupted"),
        "{:?}",
        said(&output)
    );
    assert!(up.iter().all(|alert| alert["state"] == "raised" && all.contains(alert)), "{up:?}");
    // What was told is told again of a run that has ended, for people, and as many as are wanted.
    let (out, _) = said(&corec(at, &["watch", "r", "--from", "start", "--count", "3"]));
    assert_eq!(out.lines().count(), 3, "{out}");
    assert!(out.lines().all(|line| line.starts_with("tick ") && line.contains("severity")), "{out}");
}

#[test]
fn what_can_not_be_followed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut run = start(
        at,
        &["run", "--entities", "1k", "--ticks", "1G", "--tick-rate", "50", "--store", "memory", "--out", "r"],
    );
    wait_until("a manifest", || at.join("r/manifest.json").exists());
    for (arguments, wanted) in [
        (&["watch", "r"][..], "--http"),
        (&["watch", "r", "--from", "start"], "whose store is a file"),
        (&["watch", "nowhere"], "HOST:PORT"),
        (&["watch", "."], "manifest"),
    ] {
        let output = corec(at, arguments);
        let (_, err) = said(&output);
        assert!(output.status.code() == Some(2) && err.contains(wanted), "{arguments:?}: {err}");
    }
    signal(&run, "TERM");
    run.wait().unwrap();
    let mut watch = start(at, &["watch", "http://127.0.0.1:9"]);
    std::thread::sleep(Duration::from_millis(300));
    signal(&watch, "INT");
    assert_eq!(watch.wait().unwrap().code(), Some(130));
}
