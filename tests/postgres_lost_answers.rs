//! PostgreSQL: a connection that is cut around the COMMIT. Whether it was done or not, the batch is there once.
#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use corec_bridges::store::PostgresStore;
use corec_core::store::Store;
use support::postgres::{Postgres, every_kind, record};

/// What becomes of the next COMMIT.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cut {
    /// It never arrives.
    Before,
    /// It is done, and its answer is lost.
    After,
    /// The connection is gone at once, and the server hears of the COMMIT a second later.
    Late,
}

/// Something between client and server that cuts as it is told, once. Gives its port.
fn between(server: u16, cut: Arc<Mutex<Option<Cut>>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", server)).unwrap());
            let cut = cut.clone();
            thread::spawn(move || carry(client, server, &cut));
        }
    });
    port
}

fn carry(mut client: TcpStream, mut server: TcpStream, cut: &Mutex<Option<Cut>>) {
    let (mut back, mut from) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let answers = thread::spawn(move || {
        _ = std::io::copy(&mut from, &mut back);
        _ = back.shutdown(Shutdown::Both);
    });
    let mut bytes = vec![0; 1 << 16];
    while let Ok(n @ 1..) = client.read(&mut bytes) {
        let is_commit = bytes[..n].windows(7).any(|word| word == b"COMMIT\0");
        match is_commit.then(|| cut.lock().unwrap().take()).flatten() {
            None => _ = server.write_all(&bytes[..n]),
            Some(Cut::Before) => break,
            Some(Cut::After) => {
                // No answer gets through.
                client.shutdown(Shutdown::Write).unwrap();
                server.write_all(&bytes[..n]).unwrap();
                thread::sleep(Duration::from_millis(300));
                break;
            }
            Some(Cut::Late) => {
                client.shutdown(Shutdown::Both).unwrap();
                thread::sleep(Duration::from_secs(1));
                server.write_all(&bytes[..n]).unwrap();
                thread::sleep(Duration::from_millis(300));
                break;
            }
        }
    }
    _ = server.shutdown(Shutdown::Both);
    _ = client.shutdown(Shutdown::Both);
    _ = answers.join();
}

#[test]
fn a_commit_whose_answer_is_lost_is_done_once() {
    let Some(server) = Postgres::start() else { return };
    let cut = Arc::new(Mutex::new(None));
    let port = between(server.port(), cut.clone());
    let url = server.url().replace(&format!(":{}/", server.port()), &format!(":{port}/"));
    let mut store = PostgresStore::open(&url, Duration::from_secs(20)).unwrap();
    store.begin(&record(1, false)).unwrap();
    let (mut tick, mut away) = (0, 0);
    for kind in [Cut::Before, Cut::After, Cut::Late, Cut::After, Cut::Late, Cut::Before] {
        *cut.lock().unwrap() = Some(kind);
        while let Err(error) = store.write(&every_kind(tick)) {
            assert!(error.is_away, "{kind:?}: {error}");
            away += 1;
        }
        assert_eq!(*cut.lock().unwrap(), None, "it was cut");
        // Another batch than the one that was cut, without it being sent again.
        *cut.lock().unwrap() = Some(kind);
        store.write(&every_kind(tick + 1)).unwrap_err();
        while store.write(&every_kind(tick + 2)).is_err() {
            away += 1;
        }
        store.write(&every_kind(tick + 1)).unwrap();
        tick += 3;
    }
    assert!(away >= 6, "{away}");
    store.end(tick).unwrap();
    for (table, rows) in
        [("block_states", 6), ("alerts", 1), ("metrics", 2), ("plugin_rows", 2), ("repairs", 1)]
    {
        let wrong = format!(
            "SELECT count(*) FROM (SELECT tick FROM {table} GROUP BY tick HAVING count(*) <> {rows}) AS wrong"
        );
        assert_eq!(server.count(&wrong), 0, "{table}");
        assert_eq!(
            server.count(&format!("SELECT count(DISTINCT tick) FROM {table}")),
            tick as i64,
            "{table}"
        );
    }
}
