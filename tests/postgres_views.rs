//! PostgreSQL: views answer the common questions, days are made ahead and detached, and an old table is left alone.
#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use corec_bridges::store::PostgresStore;
use corec_core::store::Store;
use support::postgres::{Postgres, every_kind, record};

fn open(url: &str) -> PostgresStore {
    PostgresStore::open(url, Duration::from_secs(20)).unwrap()
}

#[test]
fn views_answer_the_common_questions() {
    let Some(server) = Postgres::start() else { return };
    let mut store = open(&server.url());
    store.begin(&record(1, false)).unwrap();
    for tick in 0..3 {
        store.write(&every_kind(tick)).unwrap();
    }
    assert_eq!(server.sql("SELECT count(*), min(tick), max(tick) FROM latest_blocks"), "6|2|2");
    assert_eq!(server.sql("SELECT sequence, name, subject FROM alerts_open"), "2|low_fitness|sensors/0");
    store.write(&every_kind(3)).unwrap();
    assert_eq!(server.sql("SELECT count(*) FROM alerts_open"), "0", "it was cleared");
    let hours =
        "SELECT block_group, sum(states), min(fitness_mean) FROM fitness_by_hour GROUP BY 1 ORDER BY 1";
    assert_eq!(server.sql(hours), "safety|12|1\nsensors|12|0.5");
    // As the old program's readers ask.
    let old = "SELECT id, canal, num_entidades, fitness, instance_id FROM bloques \
        WHERE id = 'sensors' AND timestamp > now() - interval '1 day' ORDER BY timestamp DESC LIMIT 1";
    assert_eq!(server.sql(old), "sensors|-3|3000|0.5|corec1");
}

#[test]
fn a_table_bloques_of_the_old_program_stays_as_it_is() {
    let Some(server) = Postgres::start() else { return };
    server.sql("CREATE TABLE bloques (id text, canal int, num_entidades int, fitness real)");
    server.sql("INSERT INTO bloques VALUES ('old', 1, 2, 0.5)");
    let mut store = open(&server.url());
    store.begin(&record(1, false)).unwrap();
    store.write(&every_kind(0)).unwrap();
    assert_eq!(server.sql("SELECT * FROM bloques"), "old|1|2|0.5");
    assert_eq!(server.sql("SELECT count(*) FROM bloques_corec"), "2");
}

#[test]
fn days_are_made_ahead_and_detached_when_asked() {
    let Some(server) = Postgres::start() else { return };
    let mut store = open(&server.url());
    store.begin(&record(1, false)).unwrap();
    store.write(&every_kind(0)).unwrap();
    let days = |table: &str| {
        let days = format!("SELECT count(*) FROM pg_inherits WHERE inhparent = '{table}'::regclass");
        server.count(&days)
    };
    assert_eq!(
        ["block_states", "alerts", "metrics", "plugin_rows"].map(days),
        [5; 4],
        "4 days and the default"
    );
    assert_eq!(server.count("SELECT count(*) FROM block_states_default"), 0, "the day at hand has its own");
    server.sql("CREATE TABLE metrics_p20200102 PARTITION OF metrics FOR VALUES FROM ('2020-01-02 00:00+00') TO ('2020-01-03 00:00+00')");
    server.sql("INSERT INTO metrics VALUES (1, 9, 'old', 1, '2020-01-02 12:00+00'), (1, 9, 'older', 1, '2019-01-01')");
    drop(open(&server.url()));
    assert_eq!(server.sql("SELECT count(*) FROM metrics WHERE name LIKE 'old%'"), "2", "nobody has asked");
    drop(open(&format!("{}?retention_days=30", server.url())));
    assert_eq!(server.sql("SELECT name FROM metrics WHERE name LIKE 'old%'"), "older", "the default stays");
    assert_eq!(server.sql("SELECT name FROM metrics_p20200102"), "old", "it is a table of its own");
    assert_eq!(days("metrics"), 5);
}
