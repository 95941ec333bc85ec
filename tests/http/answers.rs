//! What is asked for is answered; what is not there, is taken, or must not be asked, is told.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::client::{ask, get};
use super::shown::Shown;
use super::support::{read_json, refused};

const ENDLESS: [&str; 6] = ["--entities", "20k", "--ticks", "1G", "--tick-rate", "200"];

#[test]
fn what_a_run_is_doing_is_told_to_whoever_asks() {
    let folder = tempfile::tempdir().unwrap();
    let shown = Shown::start(folder.path(), "r", &ENDLESS);
    let of = |path: &str| {
        let answer = get(&shown.address, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(
            answer.head.contains("nosniff") && !answer.head.contains("access-control"),
            "{}",
            answer.head
        );
        answer.json()
    };
    assert_eq!(of("/health"), json!({"status": "alive"}));
    assert_eq!(of("/ready"), json!({"status": "ready"}));
    let s = of("/api/v1/summary");
    let manifest = read_json(&shown.run.join("manifest.json"));
    assert_eq!((&s["run"]["id"], &s["run"]["scenario"]), (&manifest["id"], &json!("ecosystem")));
    assert_eq!((&s["entities"], &s["tick_rate"], &s["ended"]), (&json!(20_000), &json!(200.0), &Value::Null));
    assert!(s["tick_ms"]["p99"].as_f64() >= s["tick_ms"]["p50"].as_f64(), "{s}");
    assert!(s["memory"]["rss_bytes"].as_u64() > Some(1 << 20), "{s}");
    let layout = of("/api/v1/layout");
    let blocks = s["blocks"].as_u64().unwrap();
    assert_eq!(layout["ids"].as_array().unwrap().len() as u64, blocks);
    let systems = of("/api/v1/systems");
    assert!(systems["systems"].as_array().unwrap().iter().any(|system| system["phase"] == "process"));
    assert!(of("/api/v1/alerts")["open"].is_array() && of("/api/v1/plugins")["plugins"].is_array());
    // Sorted, from either end, a page at a time.
    let worst = of("/api/v1/blocks?sort=fitness&limit=3");
    let fitness: Vec<f64> =
        worst["blocks"].as_array().unwrap().iter().map(|block| block["fitness"].as_f64().unwrap()).collect();
    assert!(fitness.len() == 3 && fitness.is_sorted(), "{fitness:?}");
    assert_eq!(worst["total"].as_u64(), Some(blocks));
    let rest = of("/api/v1/blocks?sort=fitness&order=desc&offset=1&limit=1000");
    assert_eq!(rest["blocks"].as_array().unwrap().len() as u64, blocks - 1);
    // A block's rows, as many as it has.
    let id = worst["blocks"][0]["id"].as_u64().unwrap();
    let rows = of(&format!("/api/v1/blocks/{id}"));
    assert_eq!((&rows["columns"][0], &rows["columns"][1]), (&json!("id"), &json!("value")));
    assert_eq!(rows["rows"].as_array().unwrap().len() as u64, rows["block"]["live"].as_u64().unwrap());
    // The page, and whether it has changed.
    let page = get(&shown.address, "/");
    assert!(
        page.head.contains("text/html") && page.head.contains("content-security-policy"),
        "{}",
        page.head
    );
    let tag = page.head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    assert_eq!(ask(&shown.address, "GET", "/", &format!("If-None-Match: {tag}\r\n")).status, 304);
    let small = ask(&shown.address, "GET", "/assets/app.js", "Accept-Encoding: gzip\r\n");
    assert!(small.head.contains("content-encoding: gzip") && small.body.starts_with(&[0x1f, 0x8b]));
}

#[test]
fn what_is_not_there_or_not_ours_has_a_status_and_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let shown = Shown::start(folder.path(), "r", &ENDLESS);
    for (status, method, path) in [
        (404, "GET", "/api"),
        (404, "GET", "/assets/../../../../etc/passwd"),
        (404, "GET", "/assets/..%2f..%2fCargo.toml"),
        (404, "GET", "//etc/passwd"),
        (404, "GET", "/assets/README.md"),
        (404, "GET", "/api/v1/blocks/4000000000"),
        (400, "GET", "/api/v1/blocks/-1"),
        (400, "GET", "/api/v1/blocks/1%00"),
        (400, "GET", "/api/v1/blocks?sort=colour"),
        (400, "GET", "/api/v1/blocks?limit=-1"),
        (400, "GET", "/api/v1/blocks?limi=1"),
        (404, "GET", "/api/v1/blocks?group=none"),
        (400, "GET", "/api/v1/stream?hz=0"),
        (400, "GET", "/api/v1/stream?hz=NaN"),
        (405, "POST", "/api/v1/summary"),
        (405, "DELETE", "/metrics"),
        (405, "GET", "/api/v1/plugins/analyzer/pause"),
        (401, "POST", "/api/v1/plugins/analyzer/pause"),
    ] {
        let answer = ask(&shown.address, method, path, "");
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert!(answer.json()["error"].as_str().is_some_and(|error| !error.is_empty()), "{path}");
    }
    let long = format!("X: {}\r\n", "x".repeat(1 << 20));
    assert_eq!(ask(&shown.address, "GET", "/health", &long).status, 431);
    let many: String = (0..200).map(|n| format!("X-{n}: x\r\n")).collect();
    assert_eq!(ask(&shown.address, "GET", "/health", &many).status, 431);
    // Another page's name that was made to lead to this machine.
    let request = b"GET /api/v1/summary HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(super::client::raw(&shown.address, request).unwrap().status, 421);
    for nonsense in
        [&b"\x16\x03\x01\x02\0\x01\0"[..], b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", &[0xff; 4096]]
    {
        let answer = super::client::raw(&shown.address, nonsense);
        assert!(answer.is_none_or(|answer| (400..600).contains(&answer.status)), "{nonsense:?}");
    }
    assert!(shown.tick() > 1);
}

#[test]
fn an_address_that_can_not_be_had_is_told_before_the_run_begins() {
    let folder = tempfile::tempdir().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    for (address, wanted) in
        [(&port[..], "--http"), (&port[..], "another process has this port"), ("corec", "127.0.0.1:8000")]
    {
        refused(folder.path(), &["run", "--entities", "1k", "--http", address], wanted);
    }
    std::fs::write(folder.path().join("s.json"), r#"{"name": "s", "http": "x", "blocks": [{"id": "a", "kind": "colony", "channel": 1, "entities": 9}]}"#).unwrap();
    refused(folder.path(), &["run", "s.json"], "http: found x, must be an address");
}

#[test]
fn a_run_that_goes_on_is_shown_where_it_was_and_says_so_in_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let begin =
        ["run", "--entities", "2k", "--ticks", "1G", "--tick-rate", "200", "--http", &free, "--out", "r"];
    let shown = Shown::begin(at, "r", &begin);
    let file = at.join("r/http.json");
    super::support::wait_until("http.json", || file.exists());
    let told = read_json(&file);
    assert_eq!((&told["url"], &told["token"]), (&json!(format!("http://{free}")), &Value::Null));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let ended = shown.end();
    assert!(!file.exists(), "it is shown no more");
    let again = Shown::begin(at, "r", &["run", "--restore", "r"]);
    assert_eq!(again.address, free);
    super::support::wait_until("ticks", || again.tick() > ended["tick"].as_u64().unwrap());
    again.end();
}
