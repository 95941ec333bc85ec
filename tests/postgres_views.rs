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
    let open = server.sql("SELECT sequence, name, subject, why FROM alerts_open");
    assert_eq!(open, "2|low_fitness|sensors/0|mean +9.1, ñ");
    let repairs = "SELECT tick, block, entity, cause, replaced, parent FROM repairs_by_entity WHERE tick < 2 ORDER BY 1, 3";
    assert_eq!(server.sql(repairs), "0|3|4|flag||7\n0|3|100|flag|3|\n1|3|4|flag||7\n1|3|101|flag|3|");
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

/// Tables of version 2: alerts that do not say why, no repairs.
#[test]
fn tables_of_the_version_before_keep_their_rows_and_get_what_they_lack() {
    let Some(server) = Postgres::start() else { return };
    let mut store = open(&server.url());
    store.begin(&record(1, false)).unwrap();
    store.write(&every_kind(0)).unwrap();
    drop(store);
    server.sql(
        "DROP VIEW repairs_by_entity; DROP TABLE repairs; DROP VIEW alerts_open; ALTER TABLE alerts DROP COLUMN why; \
         ALTER TABLE cursors DROP COLUMN repairs_tick; DELETE FROM corec_schema_history WHERE version = 3; \
         CREATE VIEW alerts_open AS SELECT runs.id AS run_id, last.run, last.epoch, last.sequence, last.tick, last.instance, last.name, \
         last.subject, last.value, last.severity, last.written_at FROM (SELECT alerts.*, row_number() OVER (PARTITION BY run, name, \
         subject ORDER BY epoch DESC, sequence DESC) AS nth FROM alerts) AS last JOIN runs ON runs.run = last.run \
         WHERE last.nth = 1 AND last.state = 'raised'",
    );
    let mut store = open(&server.url());
    store.begin(&record(1, true)).unwrap();
    // The tick that is there already brings the repairs that nobody has kept.
    (0..3).for_each(|tick| store.write(&every_kind(tick)).unwrap());
    let counts = "SELECT (SELECT count(*) FROM alerts), (SELECT count(why) FROM alerts), (SELECT count(*) FROM repairs_by_entity), \
        (SELECT why FROM alerts_open), (SELECT repairs_tick FROM cursors)";
    assert_eq!(server.sql(counts), "3|1|6|mean +9.1, ñ|2");
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
        ["block_states", "alerts", "metrics", "plugin_rows", "repairs"].map(days),
        [5; 5],
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
