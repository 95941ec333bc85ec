//! PostgreSQL killed in the midst of a COPY, in three ways: no batch is there in part, none twice, and none is missing.
#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use corec_bridges::store::PostgresStore;
use corec_core::store::{Batch, Store};
use support::postgres::{Postgres, alert, record, states};

const BLOCKS: u32 = 20_000;

/// Writes ticks from 0 on until it is told to stop; gives how many.
fn write(url: &str, written: &AtomicU64, is_over: &AtomicBool) -> u64 {
    let mut store = PostgresStore::open(url, Duration::from_secs(60)).unwrap();
    store.begin(&record(1, false)).unwrap();
    let mut tick = 0;
    while !is_over.load(Ordering::SeqCst) {
        let batch = Batch { blocks: states(tick, BLOCKS), alerts: vec![alert(tick)], ..Batch::default() };
        while let Err(error) = store.write(&batch) {
            assert!(error.is_away, "{error}");
            thread::sleep(Duration::from_millis(20));
        }
        tick += 1;
        written.store(tick, Ordering::SeqCst);
    }
    store.end(tick).unwrap();
    tick
}

/// A server may answer once more before it notices what was done to it.
fn patiently(server: &Postgres, sql: &str) -> String {
    let mut found = Err(String::new());
    for _ in 0..600 {
        found = server.try_sql(sql);
        if found.is_ok() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    found.unwrap()
}

fn check(server: &Postgres) {
    let partial = format!(
        "SELECT count(*) FROM (SELECT tick FROM block_states GROUP BY tick HAVING count(*) <> {BLOCKS} OR count(DISTINCT block) <> {BLOCKS}) AS wrong"
    );
    assert_eq!(patiently(server, &partial), "0", "ticks in part or twice");
    let apart = "SELECT (SELECT count(DISTINCT tick) FROM block_states) - (SELECT count(*) FROM alerts)";
    assert_eq!(patiently(server, apart), "0", "states of blocks without their alert");
}

#[test]
fn a_server_killed_in_mid_copy_has_every_batch_once() {
    let Some(mut server) = Postgres::start() else { return };
    let (written, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writer = {
        let (url, written, is_over) = (server.url(), written.clone(), is_over.clone());
        thread::spawn(move || write(&url, &written, &is_over))
    };
    let mut kills = [0; 3];
    for round in 0..9 {
        let before = written.load(Ordering::SeqCst);
        support::wait_until("a batch more", || {
            written.load(Ordering::SeqCst) > before || writer.is_finished()
        });
        // Somewhere in a batch, which takes some tens of milliseconds.
        thread::sleep(Duration::from_millis(7 * round));
        match round % 3 {
            0 => kills[0] += server.kill_backends(),
            1 => {
                server.kill_postmaster();
                kills[1] += 1;
                server.restart();
            }
            _ => {
                server.kill_all();
                kills[2] += 1;
                server.restart();
            }
        }
        check(&server);
    }
    is_over.store(true, Ordering::SeqCst);
    let ticks = writer.join().unwrap();
    check(&server);
    assert_eq!(
        server.count("SELECT count(DISTINCT tick) FROM block_states"),
        ticks as i64,
        "batches that are missing"
    );
    assert_eq!(server.count("SELECT last_tick FROM runs"), ticks as i64);
    assert!(kills.iter().all(|n| *n > 0), "{kills:?}");
}
