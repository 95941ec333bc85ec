//! Metrics: as Prometheus asks for them, and as its own programs read them.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use super::client::{ask, get};
use super::shown::Shown;
use super::support::{skip::skip, wait_until};

const PLUGINS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/plugins");

fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        skip(&format!("no {program}: apt-get install prometheus"));
    }
    there
}

fn shown(at: &std::path::Path) -> Shown {
    Shown::start(at, "r", &["--entities", "20k", "--ticks", "1G", "--tick-rate", "200", "--plugins", PLUGINS])
}

#[test]
fn promtool_finds_nothing_to_say_about_them() {
    if !has("promtool") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shown = shown(folder.path());
    let text = get(&shown.address, "/metrics");
    assert!(text.head.contains("text/plain; version=0.0.4"), "{}", text.head);
    let mut lint = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    lint.stdin.take().unwrap().write_all(&text.body).unwrap();
    let lint = lint.wait_with_output().unwrap();
    let said = [lint.stdout, lint.stderr].concat();
    assert!(lint.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
    let open =
        ask(&shown.address, "GET", "/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n");
    assert!(open.head.contains("application/openmetrics-text; version=1.0.0"), "{}", open.head);
    assert!(open.text().ends_with("# EOF\n"));
    assert!(open.body.len() < 100 << 10, "{} bytes", open.body.len());
}

#[test]
fn prometheus_scrapes_them() {
    if !has("prometheus") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shown = shown(folder.path());
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: corec, static_configs: [{{targets: ['{}']}}]}}]\n",
        shown.address
    );
    let file = folder.path().join("prometheus.yml");
    fs::write(&file, config).unwrap();
    let own = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut server = Command::new("prometheus")
        .args([format!("--config.file={}", file.display()), format!("--web.listen-address={own}")])
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let has_scraped = || {
        if std::net::TcpStream::connect(&own).is_err() {
            return false;
        }
        let path = "/api/v1/query?query=corec_ticks_total%20and%20on(instance)%20up%20==%201";
        let request = format!("GET {path} HTTP/1.0\r\nHost: {own}\r\n\r\n");
        let answer = super::client::raw(&own, request.as_bytes());
        answer.is_some_and(|answer| {
            answer.text().contains(&shown.address) && answer.text().contains("corec_ticks_total")
        })
    };
    let scraped =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| wait_until("a scrape", has_scraped)));
    _ = server.kill();
    _ = server.wait();
    scraped.unwrap();
}

#[test]
fn counters_of_a_run_that_goes_on_begin_anew_and_its_tick_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let values = |shown: &Shown| -> [f64; 3] {
        let text = get(&shown.address, "/metrics").text();
        ["corec_tick", "corec_ticks_total", "corec_entity_updates_total"].map(|name| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
            line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
        })
    };
    let first = Shown::start(at, "r", &["--entities", "20k", "--ticks", "1G", "--tick-rate", "500"]);
    wait_until("ticks", || first.tick() > 300);
    let [tick, ticks, updates] = values(&first);
    assert!(tick == ticks && updates > 0.0);
    let ended = first.end()["tick"].as_f64().unwrap();
    let second = Shown::begin(at, "r", &["run", "--restore", "r"]);
    wait_until("ticks", || second.tick() as f64 > ended);
    let [tick, ticks, updates] = values(&second);
    assert!(tick > ended && ticks < ended && updates < ended * 20_000.0, "{tick} {ticks} {updates}");
}
