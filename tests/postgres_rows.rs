//! PostgreSQL: every kind of row comes back as it was written, once, however often it is sent.
#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use corec_bridges::store::PostgresStore;
use corec_core::store::{Batch, Metric, Store};
use support::postgres::{Postgres, every_kind, record};

const TABLES: [&str; 5] = ["block_states", "alerts", "metrics", "plugin_rows", "repairs"];

fn open(server: &Postgres) -> PostgresStore {
    PostgresStore::open(&server.url(), Duration::from_secs(20)).unwrap()
}

fn counts(server: &Postgres) -> [i64; 5] {
    TABLES.map(|table| server.count(&format!("SELECT count(*) FROM {table}")))
}

#[test]
fn every_kind_of_row_comes_back_as_it_was() {
    let Some(server) = Postgres::start() else { return };
    let mut store = open(&server);
    store.begin(&record(7, false)).unwrap();
    store.write(&every_kind(4)).unwrap();
    let mut odd = every_kind(5);
    odd.blocks[0].mean = f32::NAN;
    odd.metrics[0].value = f64::NAN;
    odd.metrics[1].value = f64::INFINITY;
    store.write(&odd).unwrap();
    store.sync().unwrap();
    store.end(6).unwrap();
    let run = server.sql("SELECT id, scenario, instance, seed, entities, settings, last_tick FROM runs");
    assert_eq!(run, format!("{:032x}|cells|corec1|{}|5000|{{}}|6", 7, u64::MAX));
    let of = |table: &str, tick: u64| {
        let columns = server.sql(&format!(
            "SELECT string_agg(column_name, ', ' ORDER BY ordinal_position) FROM information_schema.columns \
             WHERE table_name = '{table}' AND column_name NOT IN ('run', 'written_at')"
        ));
        server.sql(&format!("SELECT {columns} FROM {table} WHERE tick = {tick} ORDER BY 1, 2, 3 LIMIT 2"))
    };
    let states = "4|0|sensors|-3|1000|990|0.1|0.25|0.5|0.4\n4|1|sensors|-3|1000|990|0.1|0.25|0.5|0.4";
    assert_eq!(of("block_states", 4), states);
    assert_eq!(of("alerts", 4), "0|4|4|corec1|low_fitness|sensors/0|0.1|2|raised|mean +9.1, ñ");
    assert_eq!(of("alerts", 5), "0|5|5|corec1|low_fitness|sensors/0|0.1|2|cleared|");
    assert_eq!(of("repairs", 4), "4|3|flag|[104, 4]|[3, null]|[null, 7]");
    assert_eq!(of("metrics", 4), "4|entities|1.3333333333333333\n4|fitness|1.3333333333333333");
    assert_eq!(
        of("plugin_rows", 4),
        "4|forest|it's|{\"b\": 4, \"a\":[1.50, \"ñ\"]}\n4|forest|x|{\"b\": 4, \"a\":[1.50, \"ñ\"]}"
    );
    // What a run could not tell is NULL, as in SQLite.
    assert!(of("block_states", 5).starts_with("5|0|sensors|-3|1000|990||0.25|"), "{}", of("block_states", 5));
    assert_eq!(of("metrics", 5), "5|entities|Infinity\n5|fitness|");
    assert_eq!(server.count("SELECT count(*) FROM metrics WHERE written_at > now() - interval '1 hour'"), 4);
    assert_eq!(server.sql("SELECT DISTINCT application_name FROM pg_stat_activity WHERE query LIKE '%cursors%' AND application_name LIKE 'corec'"), "corec");
}

#[test]
fn a_repeated_batch_changes_nothing() {
    let Some(server) = Postgres::start() else { return };
    let mut store = open(&server);
    store.begin(&record(1, false)).unwrap();
    for tick in [0, 1, 1, 0, 2, 2, 1] {
        store.write(&every_kind(tick)).unwrap();
    }
    assert_eq!(counts(&server), [18, 3, 6, 6, 3]);
    // Several batches of one tick, and a key that is there twice in one: the first counts, as in SQLite.
    let metric = |name: &'static str, value| Metric { tick: 2, name: name.into(), value };
    let metrics = vec![metric("b", 1.0), metric("a", 2.0), metric("b", 3.0), metric("fitness", 9.0)];
    store.write(&Batch { metrics, ..Batch::default() }).unwrap();
    let metrics =
        "SELECT string_agg(name || round(value::numeric, 1), ' ' ORDER BY name) FROM metrics WHERE tick = 2";
    assert_eq!(server.sql(metrics), "a2.0 b1.0 entities0.7 fitness0.7");
    store.write(&Batch::default()).unwrap();
}

/// The ticks go back after a kill and a restore; what is there already stays, what is missing comes.
#[test]
fn a_restored_run_writes_only_what_is_missing() {
    let Some(server) = Postgres::start() else { return };
    let mut store = open(&server);
    store.begin(&record(1, false)).unwrap();
    for tick in 0..8 {
        store.write(&every_kind(tick)).unwrap();
    }
    drop(store);
    let mut store = open(&server);
    store.begin(&record(1, true)).unwrap();
    for ticks in [3..6, 6..11, 11..12] {
        let mut batch = Batch::default();
        for tick in ticks {
            batch.extend(&every_kind(tick));
        }
        store.write(&batch).unwrap();
    }
    store.end(12).unwrap();
    assert_eq!(counts(&server), [72, 12, 24, 24, 12]);
    assert_eq!(server.sql("SELECT count(*), max(last_tick) FROM runs"), "1|12");
    // A run of its own begins anew.
    store.begin(&record(2, false)).unwrap();
    store.write(&every_kind(0)).unwrap();
    assert_eq!(counts(&server), [78, 13, 26, 26, 13]);
    assert_eq!(server.count("SELECT count(*) FROM runs"), 2);
}

/// Another process that begins the run takes it over; the one before writes nothing more, whatever it sends.
#[test]
fn of_two_processes_the_later_one_writes_the_run() {
    let Some(server) = Postgres::start() else { return };
    let mut first = open(&server);
    first.begin(&record(1, false)).unwrap();
    first.write(&every_kind(0)).unwrap();
    let mut second = open(&server);
    second.begin(&record(1, true)).unwrap();
    second.write(&every_kind(1)).unwrap();
    for tick in [0, 1, 2] {
        let error = first.write(&every_kind(tick)).unwrap_err();
        assert!(!error.is_away, "{error}");
        let said = error.to_string();
        assert!(said.contains("written by process") && said.contains("127.0.0.1"), "{said}");
        assert!(!said.contains(support::postgres::PASSWORD), "{said}");
    }
    assert!(first.end(3).is_err());
    second.write(&every_kind(2)).unwrap();
    second.end(3).unwrap();
    assert_eq!(counts(&server), [18, 3, 6, 6, 3]);
}

/// One that is stopped in the midst of a flush holds the cursor, and nobody waits for it.
#[test]
fn a_process_that_holds_the_cursor_is_not_waited_for() {
    let Some(server) = Postgres::start() else { return };
    let mut store = open(&server);
    store.begin(&record(1, false)).unwrap();
    store.write(&every_kind(0)).unwrap();
    std::thread::scope(|scope| {
        let hold = "BEGIN; UPDATE cursors SET version = version + 1; SELECT pg_sleep(60)";
        let holder = scope.spawn(|| server.try_sql(hold));
        let is_held = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        support::wait_until("the holder", || server.count(is_held) == 1);
        let mut second = open(&server);
        second.begin(&record(1, true)).unwrap();
        second.write(&every_kind(1)).unwrap();
        assert!(holder.join().unwrap().unwrap_err().contains("terminating connection"));
    });
    assert!(!store.write(&every_kind(1)).unwrap_err().is_away);
    assert_eq!(counts(&server), [12, 2, 4, 4, 2]);
}

#[test]
fn a_database_that_does_not_wait_for_its_disk_is_made_to_at_a_sync() {
    let Some(server) = Postgres::start_with(&["synchronous_commit=off", "wal_writer_delay=10s"]) else {
        return;
    };
    let mut store = open(&server);
    store.begin(&record(1, false)).unwrap();
    store.write(&every_kind(0)).unwrap();
    let written = server.sql("SELECT pg_current_wal_insert_lsn()");
    store.sync().unwrap();
    let is_kept = format!("SELECT pg_current_wal_flush_lsn() >= '{written}'");
    assert_eq!(server.sql(&is_kept), "t");
}
