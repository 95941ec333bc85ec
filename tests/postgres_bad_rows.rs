//! PostgreSQL: a row that the database does not take is set aside with its cause, and every other row is written.
#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use corec_bridges::store::PostgresStore;
use corec_core::store::{Batch, KeyValue, Metric, Store};
use support::postgres::{Postgres, every_kind, record};

fn metrics(tick: u64, names: std::ops::Range<u32>) -> Batch {
    let metric = |n: u32| Metric { tick, name: format!("m{n}").into(), value: n.into() };
    Batch { metrics: names.map(metric).collect(), ..Batch::default() }
}

#[test]
fn a_bad_row_is_set_aside_and_the_rest_is_written() {
    let Some(server) = Postgres::start() else { return };
    let mut store = PostgresStore::open(&server.url(), Duration::from_secs(20)).unwrap();
    store.begin(&record(1, false)).unwrap();
    server.sql("ALTER TABLE metrics ADD CHECK (value NOT IN (13, 500, 999))");
    // What the server refuses is found by halving, straight into the table and, sent again, by the detour.
    for _ in 0..2 {
        store.write(&metrics(0, 0..1000)).unwrap();
        assert_eq!(server.count("SELECT count(*) FROM metrics"), 997);
        let letters = "SELECT string_agg(content::json ->> 'name', ' ' ORDER BY content) FROM dead_letters";
        assert_eq!(server.sql(letters), "m13 m500 m999");
    }
    assert!(server.sql("SELECT min(cause) FROM dead_letters").contains("check constraint"));
    // What PostgreSQL has no form for is seen before it is sent, in every kind of row.
    let mut odd = every_kind(1);
    odd.blocks[1].group = "nul\0".into();
    odd.blocks[2].entities = u32::MAX;
    odd.alerts[0].subject = "a\0ñ".into();
    odd.metrics[0].tick = u64::MAX;
    odd.rows[0].key = "\0".into();
    odd.repairs[0].block = u32::MAX;
    let value = |key: &str, value: &str| KeyValue {
        tick: 1,
        plugin: "p".into(),
        key: key.into(),
        value: value.into(),
    };
    odd.rows.extend([value("no json", "{"), value("json", r#""\u0000""#)]);
    store.write(&odd).unwrap();
    let kinds = "SELECT kind || count(*) FROM dead_letters GROUP BY kind ORDER BY 1";
    assert_eq!(server.sql(kinds), "alerts1\nblock_states2\nmetrics4\nplugin_rows2\nrepairs1");
    assert_eq!(
        server
            .sql("SELECT content::json ->> 'subject' ~ 'x' FROM dead_letters WHERE kind = 'metrics' LIMIT 1"),
        ""
    );
    let left = ["block_states", "alerts", "metrics", "plugin_rows", "repairs"]
        .map(|table| server.count(&format!("SELECT count(*) FROM {table} WHERE tick = 1")));
    assert_eq!(left, [4, 0, 1, 2, 0]);
    // The cursor has moved: what comes after it is written, what came before is not again.
    store.write(&odd).unwrap();
    store.write(&every_kind(2)).unwrap();
    assert_eq!(server.count("SELECT count(*) FROM block_states"), 10);
    assert_eq!(server.count("SELECT count(*) FROM dead_letters"), 10);
}

/// A table that takes no row at all has been changed by somebody, and is no matter of rows.
#[test]
fn a_table_that_takes_nothing_ends_the_run_with_the_cause() {
    let Some(server) = Postgres::start() else { return };
    let mut store = PostgresStore::open(&server.url(), Duration::from_secs(20)).unwrap();
    store.begin(&record(1, false)).unwrap();
    server.sql("ALTER TABLE metrics ADD CONSTRAINT nothing CHECK (value < 0)");
    let error = store.write(&metrics(0, 0..3000)).unwrap_err();
    assert!(!error.is_away && error.to_string().contains("nothing"), "{error}");
    assert!(error.to_string().contains("more than 1000 rows"), "{error}");
    assert_eq!(server.count("SELECT count(*) FROM dead_letters"), 0, "nothing of the batch is there");
}

/// A database of another encoding has no form for most letters.
#[test]
fn letters_that_a_database_does_not_know_are_set_aside() {
    let Some(server) = Postgres::start() else { return };
    server.sql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
    let url = server.url_of("postgres", support::postgres::PASSWORD, "latin");
    let mut store = PostgresStore::open(&url, Duration::from_secs(20)).unwrap();
    store.begin(&record(1, false)).unwrap();
    let mut batch = metrics(0, 0..10);
    batch.metrics[3].name = "温度".into();
    batch.metrics[4].name = "señal".into();
    store.write(&batch).unwrap();
    drop(store);
    let url = format!("dbname=latin user=postgres host={} port={}", server.folder().display(), server.port());
    let ask = "SELECT (SELECT count(*) FROM metrics), (SELECT content FROM dead_letters)";
    let said = std::process::Command::new("psql").args(["-X", "-A", "-t", "-c", ask, &url]).output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).trim().to_string();
    assert_eq!(said, r#"9|{"tick":0,"name":"\u6e29\u5ea6","value":3.0}"#);
}
