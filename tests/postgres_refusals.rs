//! PostgreSQL: what keeps a run from its store is said in one line that names what to change, and never the password.
#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::thread;
use std::time::{Duration, Instant};

use corec_bridges::store::PostgresStore;
use corec_core::store::Store;
use support::postgres::{PASSWORD, Postgres, every_kind, record};

/// What a store that can't be opened says.
fn refusal(url: &str, patience: u64) -> String {
    let error = PostgresStore::open(url, Duration::from_secs(patience)).err().unwrap();
    let said = error.to_string();
    assert!(!said.contains(PASSWORD) && !said.contains("s3cret") && !said.contains('\n'), "{said}");
    said
}

#[expect(clippy::disallowed_methods, reason = "a refusal is not tried again")]
fn at_once(url: &str, wanted: &str) {
    let start = Instant::now();
    let said = refusal(url, 60);
    assert!(said.contains(wanted), "{said} lacks {wanted}");
    assert!(start.elapsed() < Duration::from_secs(30), "{said}: tried again");
}

#[test]
fn what_will_not_pass_is_refused_at_once() {
    let Some(server) = Postgres::start() else { return };
    server.sql("CREATE ROLE ana LOGIN PASSWORD 'hunter2'");
    at_once(&server.url_of("postgres", "s3cret", "postgres"), "user and password in the URL");
    at_once(&server.url_of("nobody", "s3cret", "postgres"), "user and password in the URL");
    at_once(
        &server.url_of("postgres", PASSWORD, "nowhere"),
        "database \"nowhere\" does not exist: create it",
    );
    at_once(&server.url_of("ana", PASSWORD, "postgres"), "permission denied for schema public: ");
    at_once(&server.url().replace(&format!(":{PASSWORD}@"), "@"), "found no password");
    at_once(&format!("{}?sslmode=require", server.url()), "does not support TLS");
    at_once(&format!("{}?ca=/nowhere.pem", server.url()), "ca: /nowhere.pem");
    // The name server may be away too, which passes: then it is told after the patience.
    let said = refusal(&server.url().replace("127.0.0.1", "nowhere.invalid"), 1);
    assert!(said.contains("host") && said.contains("lookup"), "{said}");
    // Tables that are there, and a user who may not write them.
    let mut store = PostgresStore::open(&server.url(), Duration::from_secs(20)).unwrap();
    let url = server.url_of("ana", PASSWORD, "postgres");
    at_once(&url, "permission denied for table corec_schema_history");
    server.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO ana");
    let mut ana = PostgresStore::open(&url, Duration::from_secs(20)).unwrap();
    let error = ana.begin(&record(1, false)).unwrap_err();
    assert!(error.to_string().contains("permission denied for table runs: "), "{error}");
    // One who may only write can go on with what others have made.
    server.sql("GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO ana");
    let mut ana = PostgresStore::open(&url, Duration::from_secs(20)).unwrap();
    ana.begin(&record(1, false)).unwrap();
    ana.write(&every_kind(0)).unwrap();
    ana.write(&every_kind(0)).unwrap();
    assert_eq!(server.count("SELECT count(*) FROM block_states"), 6);
    store.begin(&record(2, false)).unwrap();
    server.sql("UPDATE corec_schema_history SET version = 900 WHERE version = (SELECT max(version) FROM corec_schema_history)");
    at_once(&server.url(), "found tables of version 900, must be at most");
    server.sql("ALTER ROLE ana SET search_path = nowhere");
    at_once(&url, "search_path must begin with one that is there");
}

#[test]
fn a_server_that_is_away_at_the_start_is_waited_for() {
    let Some(mut server) = Postgres::start() else { return };
    server.stop();
    let said = refusal(&server.url(), 1);
    assert!(said.contains("away for 1 s") && said.contains("must be up and reachable"), "{said}");
    let url = server.url();
    let opened = thread::spawn(move || {
        let mut store = PostgresStore::open(&url, Duration::from_secs(60)).unwrap();
        store.begin(&record(1, false)).unwrap();
        store.write(&every_kind(0)).unwrap();
    });
    thread::sleep(Duration::from_millis(1500));
    assert!(!opened.is_finished());
    server.restart();
    opened.join().unwrap();
    assert_eq!(server.count("SELECT count(*) FROM block_states"), 6);
}

#[test]
fn a_server_with_no_connection_to_spare_is_waited_for() {
    let Some(server) = Postgres::start() else { return };
    server.sql("CREATE ROLE ana LOGIN PASSWORD 'hunter2' CONNECTION LIMIT 1");
    server.sql("GRANT CREATE ON SCHEMA public TO ana");
    let url = server.url_of("ana", PASSWORD, "postgres");
    let first = PostgresStore::open(&url, Duration::from_secs(20)).unwrap();
    let said = refusal(&url, 1);
    assert!(said.contains("too many connections"), "{said}");
    let second = thread::spawn(move || PostgresStore::open(&url, Duration::from_secs(60)).map(|_| ()));
    thread::sleep(Duration::from_millis(500));
    drop(first);
    second.join().unwrap().unwrap();
}

#[test]
fn many_that_start_at_once_make_the_tables_once() {
    let Some(server) = Postgres::start() else { return };
    let threads: Vec<_> = (0..6)
        .map(|id| {
            let url = server.url();
            thread::spawn(move || {
                let mut store = PostgresStore::open(&url, Duration::from_secs(60)).unwrap();
                store.begin(&record(id, false)).unwrap();
                store.write(&every_kind(0)).unwrap();
                store.end(1).unwrap();
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(server.sql("SELECT count(*), count(DISTINCT run), min(last_tick) FROM runs"), "6|6|1");
    assert_eq!(server.count("SELECT count(*) FROM block_states"), 36);
}
