//! Crowds: clients that say nothing, read nothing or come by the thousand. The run goes on, and those who behave are served.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::client::{Viewer, ask, connect, get};
use super::shown::Shown;
use super::support::wait_until;

const ENDLESS: [&str; 6] = ["--entities", "20k", "--ticks", "1G", "--tick-rate", "500"];

/// Ticks of a second.
fn ticks(shown: &Shown) -> u64 {
    let before = shown.tick();
    std::thread::sleep(Duration::from_secs(1));
    shown.tick() - before
}

#[test]
fn thousands_of_connections_that_say_nothing_leave_room_for_one_that_does() {
    let folder = tempfile::tempdir().unwrap();
    let shown = Shown::start(folder.path(), "r", &ENDLESS);
    let memory = shown.memory();
    let mut viewer = Viewer::new(&shown.address, "10");
    // As many as this process may have; the others of ten thousand come and go.
    let mut silent: Vec<TcpStream> = Vec::new();
    for n in 0..10_000 {
        let Ok(stream) = TcpStream::connect(&shown.address) else { continue };
        if silent.len() < 500 {
            silent.push(stream);
        } else {
            silent[n % 500] = stream;
        }
    }
    assert_eq!(get(&shown.address, "/health").status, 200);
    assert!(ticks(&shown) > 50, "the run stands");
    // Who watched before them watches still.
    assert!(viewer.event().is_some());
    let grown = shown.memory().saturating_sub(memory);
    assert!(grown < 64 << 20, "{grown} bytes more");
    let text = get(&shown.address, "/metrics").text();
    let open = text.lines().find_map(|line| line.strip_prefix("corec_http_connections ")).unwrap();
    assert!(open.parse::<f64>().unwrap() <= 257.0, "{open} connections");
    drop(silent);
}

#[test]
fn a_viewer_that_stops_reading_is_dropped_and_one_that_sends_for_ever_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let shown = Shown::start(folder.path(), "r", &ENDLESS);
    let viewers = || get(&shown.address, "/api/v1/summary").json();
    let metric = |name: &str| -> f64 {
        let text = get(&shown.address, "/metrics").text();
        text.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).unwrap().parse().unwrap()
    };
    let stuck: Vec<Viewer> = (0..8).map(|_| Viewer::new(&shown.address, "10")).collect();
    wait_until("the viewers", || metric("corec_http_viewers") >= 8.0);
    // A head without an end: it is refused, and not kept.
    let mut endless = connect(&shown.address);
    endless.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n").unwrap();
    let line = [b"X-Y: ", &[b'z'; 60_000][..], b"\r\n"].concat();
    let sent = (0..1000).take_while(|_| endless.write_all(&line).is_ok()).count();
    assert!(sent < 1000, "60 MB of head were taken");
    // A body that nobody wants is not read into memory.
    let body = format!("Content-Length: {}\r\n", 1u64 << 30);
    assert_eq!(ask(&shown.address, "POST", "/api/v1/plugins/a/pause", &body).status, 401);
    let before = shown.memory();
    assert!(ticks(&shown) > 50 && viewers()["tick"].as_u64() > Some(1));
    drop(stuck);
    wait_until("that they are gone", || metric("corec_http_viewers") == 0.0);
    assert!(shown.memory() < before + (32 << 20));
}

#[test]
fn there_are_sixty_four_viewers_at_once_and_rows_of_sixteen_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let shown = Shown::start(folder.path(), "r", &ENDLESS);
    let mut viewers: Vec<Viewer> = (0..64).map(|_| Viewer::new(&shown.address, "10")).collect();
    let one_more = get(&shown.address, "/api/v1/stream");
    assert_eq!(one_more.status, 503);
    assert!(one_more.head.contains("retry-after"), "{}", one_more.head);
    assert!(viewers.iter_mut().all(|viewer| viewer.event().is_some()));
    let layout = get(&shown.address, "/api/v1/layout").json();
    let ids: Vec<u64> = layout["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
    let asked: Vec<u16> =
        ids.iter().take(17).map(|id| get(&shown.address, &format!("/api/v1/blocks/{id}")).status).collect();
    assert_eq!(asked[..16], [200; 16], "{asked:?}");
    assert!(ids.len() < 17 || asked[16] == 429, "{asked:?}");
}
