//! What repairs did, and why alerts were raised, is on the streams and in the store alike: each once, across a kill and a restore.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use corec::prelude::*;
use corec_bridges::publish::{ALERT_STREAM, REPAIR_STREAM};
use corec_bridges::store::{SqliteStore, StoreLane};
use corec_core::alert::Alert;
use corec_core::bus::{OutputId, RunBus};
use corec_core::config::Scenario;
use corec_core::journal::Journal;
use corec_core::outputs::Outputs;
use corec_core::repairs::{RepairCause, RepairRecord, RepairedEntity, Repairs};
use corec_core::snapshot::{About, Snapshot, SnapshotFolder, write_in_place};
use corec_core::store::{Batch, RunRecord, Store};
use corec_core::units::RunId;
use corec_run::testing::{TestApp, TestBus, TestRun};
use serde_json::Value;

const RUN: RunId = RunId(1);
const TICKS: u64 = 16;

/// Flags a block in turn, and says that it was repaired.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
struct Eye {}

impl Plugin for Eye {
    fn build(&self, app: &mut App) {
        app.add_systems(Update, mend.in_set(Phase::Repair));
    }
}
corec::plugin!(Eye, name = "eye");

/// What is repaired in a tick: in two of three something, in a block or two.
fn repaired(tick: u64) -> Vec<RepairRecord> {
    let record = |block: u32, cause| {
        let entity = |n: u64| RepairedEntity {
            entity: 10_000 * tick + n,
            replaced: n.is_multiple_of(2).then_some(n),
            parent: (!n.is_multiple_of(2)).then_some(tick),
        };
        RepairRecord { tick, block, cause, entities: (0..=tick % 5).map(entity).collect() }
    };
    match tick % 3 {
        0 => vec![
            record(0, RepairCause::Faults),
            record(0, RepairCause::Flag),
            record(2, RepairCause::Fitness),
        ],
        1 => vec![record(1, RepairCause::Faults)],
        _ => Vec::new(),
    }
}

fn mend(tick: Res<Tick>, mut repairs: ResMut<Repairs>) {
    repairs.0.extend(repaired(tick.0));
}

/// Of the flags one is up for some ticks; said after the engine has sent what there is, so it goes out a tick later.
fn look(tick: Res<Tick>, mut out: Outbox<Eye>) {
    let block = BlockId((tick.0 / 4 % 3) as u32);
    match tick.0 % 4 {
        1 => out.flag(block, 0.5, &format!("mean +{}.5, over \"3\"", tick.0)),
        3 => out.lower_flag(block, 0.25),
        _ => {}
    }
}

fn scenario() -> Scenario {
    let text = r#"{"name": "t", "store": "memory", "threads": 1, "blocks": [{"id": "a", "entities": 3000, "repair": false}]}"#;
    corec_core::config::load("t.json", text, &|_| None).unwrap().scenario
}

fn app() -> TestApp {
    let look = |app: &mut App| _ = app.add_systems(Update, look.after(Phase::Publish));
    TestApp::default().scenario(scenario()).plugin::<Eye>(r#"{"name": "eye"}"#).unwrap().with(look)
}

/// The entries of a stream by their ids. What is there twice must be the same.
fn entries(bus: &TestBus, stream: &str) -> BTreeMap<(u32, u64, u64), String> {
    let mut all = BTreeMap::new();
    for (OutputId { epoch, tick, sequence }, data) in bus.ids(stream).into_iter().zip(bus.published(stream)) {
        let text = String::from_utf8(data).unwrap();
        let before = all.insert((epoch, tick, sequence), text.clone());
        assert!(before.is_none_or(|before| before == text), "{text}");
    }
    all
}

/// Rows of the table as the stream has them.
fn rows_of(entries: &BTreeMap<(u32, u64, u64), String>) -> Vec<String> {
    let mut rows = Vec::new();
    for entry in entries.values() {
        let entry: Value = serde_json::from_str(entry).unwrap();
        assert_eq!(entry["instance"], "corec1");
        for record in entry["repairs"].as_array().unwrap() {
            assert_eq!(record["name"], format!("a/{}", record["block"]));
            let columns =
                [&entry["tick"], &record["block"], &record["cause"]].map(Value::to_string).join("|");
            let lists = ["entities", "replaced", "parents"].map(|key| record[key].to_string()).join("|");
            rows.push(format!("{}|{lists}", columns.replace('"', "")));
        }
    }
    rows
}

/// Rows of the table as they must be.
fn rows() -> Vec<String> {
    let list = |ids: Vec<Option<u64>>| serde_json::to_string(&ids).unwrap();
    let row = |record: RepairRecord| {
        let of = |id: fn(&RepairedEntity) -> Option<u64>| list(record.entities.iter().map(id).collect());
        let lists =
            [of(|each| Some(each.entity)), of(|each| each.replaced), of(|each| each.parent)].join("|");
        format!("{}|{}|{}|{lists}", record.tick, record.block, record.cause.as_str())
    };
    (0..TICKS).flat_map(repaired).map(row).collect()
}

fn outputs(run: &TestRun) -> u64 {
    run.simulation.world().resource::<Outputs>().value()
}

#[test]
fn streams_have_every_repair_and_every_reason_once_after_a_kill_and_a_restore() {
    let mut whole = app().start().unwrap();
    whole.tick(TICKS).unwrap();
    let mut run = app().start().unwrap();
    // In tick 5 a flag is raised, and waits; it is in the snapshot.
    run.tick(6).unwrap();
    run.snapshot().unwrap();
    run.tick(4).unwrap();
    let mut run = app().restore(run.kill()).unwrap();
    run.tick(TICKS - 6).unwrap();
    for stream in [REPAIR_STREAM, ALERT_STREAM] {
        assert_eq!(entries(&run.bus, stream), entries(&whole.bus, stream), "{stream}");
    }
    assert_eq!((run.digest(), outputs(&run)), (whole.digest(), outputs(&whole)));
    assert_eq!(rows_of(&entries(&run.bus, REPAIR_STREAM)), rows());
    let why: Vec<String> = whole.alerts().into_iter().map(|alert| alert.why).collect();
    assert_eq!(why[..3], ["mean +1.5, over \"3\"", "", "mean +5.5, over \"3\""]);
    // Who reads the stream and does not know reasons finds what was there before.
    let alerts = entries(&whole.bus, ALERT_STREAM);
    let keys = |at: usize| alerts.values().nth(at).map(|json| json.contains("why")).unwrap();
    assert!(keys(0) && !keys(1), "{alerts:?}");
}

#[test]
fn a_run_that_tells_of_no_repairs_has_the_same_state() {
    let mut told = app().start().unwrap();
    let mut silent = app().scenario(Scenario { repair_record: false, ..scenario() }).start().unwrap();
    told.tick(TICKS).unwrap();
    silent.tick(TICKS).unwrap();
    assert!(
        silent.bus.published(REPAIR_STREAM).is_empty() && silent.world().resource::<Repairs>().0.is_empty()
    );
    assert_eq!(told.digest(), silent.digest());
    let said = |run: &TestRun| {
        let outputs = run.simulation.world().resource::<Outputs>().to_hex();
        (outputs["corec"].get(REPAIR_STREAM).cloned(), outputs["eye"].clone())
    };
    let (told_repairs, told_alerts) = said(&told);
    assert!(told_repairs.is_some());
    assert_eq!(said(&silent), (None, told_alerts));
    silent.shut_down().unwrap();
    assert!(silent.stored().repairs.is_empty());
}

/// A run over a store of its own, killed between two ticks and gone on with: as a process does it.
fn killed_run(open: &dyn Fn() -> Box<dyn Store>) -> TestBus {
    let folder = tempfile::tempdir().unwrap();
    let bus = TestBus::default();
    let record =
        |continues| RunRecord { id: Some(RUN), continues, instance: "corec1".into(), ..RunRecord::default() };
    let make = |continues: bool, journal: Journal| {
        let mut app = App::new();
        app.add_plugins((CorecPlugin, Eye {})).add_systems(Update, look.after(Phase::Publish));
        app.insert_resource(RunBus::new(Box::new(bus.clone()))).insert_resource(journal);
        app.insert_resource(StoreLane::start(open(), &record(continues), None).unwrap());
        app
    };
    let journal = folder.path().join("journal");
    let mut run =
        Simulation::new(make(false, Journal::record_in(&journal, RUN, false).unwrap()), scenario()).unwrap();
    run.run(6).unwrap();
    let sequence = run.world().resource::<Journal>().sequence();
    run.world_mut().resource_scope(|world, mut lane: Mut<StoreLane>| {
        lane.send_safely(&mut world.resource_mut::<Batch>()).wait().unwrap();
    });
    let about = About { id: Some(RUN), journal_sequence: sequence, ..About::default() };
    let place = SnapshotFolder::own(folder.path().join("snapshots"), 1);
    let written = run.in_pool_mut(|world| write_in_place(world, &about, &place, 1)).unwrap();
    run.run(5).unwrap();
    drop(run);
    let (journal, _) = Journal::go_on_in(&journal, RUN, sequence, false).unwrap();
    let snapshot = Snapshot::open(&written.path).unwrap();
    let mut run = Simulation::restore(make(true, journal), scenario(), &snapshot).unwrap();
    run.run(TICKS - 6).unwrap();
    run.shut_down().unwrap();
    bus
}

/// What was said of alerts, as the table has it: sequence and why.
fn reasons_of(bus: &TestBus) -> Vec<String> {
    let alerts = entries(bus, ALERT_STREAM);
    let mut said: Vec<_> = alerts.values().map(|json| Alert::from_json(json.as_bytes()).unwrap()).collect();
    said.sort_by_key(|alert| alert.sequence);
    said.iter().map(|alert| format!("{}|{}", alert.sequence, alert.why)).collect()
}

fn sqlite(path: &Path) -> Box<dyn Store> {
    Box::new(SqliteStore::open("sqlite://s.db", path).unwrap())
}

#[test]
fn a_killed_run_has_every_repair_once_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let bus = killed_run(&|| sqlite(&path));
    let db = rusqlite::Connection::open(&path).unwrap();
    let ask = |sql: &str| -> Vec<String> {
        let mut query = db.prepare(sql).unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let columns =
        "tick || '|' || block || '|' || cause || '|' || entities || '|' || replaced || '|' || parents";
    let found = ask(&format!("SELECT {columns} FROM repairs ORDER BY run, tick, block, cause"));
    assert_eq!((&found, rows_of(&entries(&bus, REPAIR_STREAM))), (&rows(), rows()));
    let why = ask("SELECT sequence || '|' || ifnull(why, '') FROM alerts ORDER BY sequence");
    assert_eq!(why, reasons_of(&bus));
    assert!(why.iter().any(|why| why.contains("mean")), "{why:?}");
    let each = ask(
        "SELECT count(*) || '|' || count(DISTINCT entity || cause || block) || '|' || count(replaced) || '|' || count(parent) \
        FROM repairs_by_entity",
    );
    let all = || (0..TICKS).flat_map(repaired).flat_map(|record| record.entities);
    let (replaced, born) = (all().filter(|e| e.replaced.is_some()), all().filter(|e| e.parent.is_some()));
    assert_eq!(each, [format!("{0}|{0}|{1}|{2}", all().count(), replaced.count(), born.count())]);
}

#[cfg(feature = "postgres")]
#[test]
fn a_killed_run_has_every_repair_once_in_postgresql() {
    use std::time::Duration;
    let Some(server) = support::postgres::Postgres::start() else { return };
    let url = server.url();
    let open = || corec_bridges::store::PostgresStore::open(&url, Duration::from_secs(20)).unwrap();
    let bus = killed_run(&|| Box::new(open()));
    let columns = "tick, block, cause, replace(entities::text, ' ', ''), replace(replaced::text, ' ', ''), replace(parents::text, ' ', '')";
    let found =
        server.sql(&format!("SELECT {columns} FROM repairs ORDER BY tick, block, cause COLLATE \"C\""));
    assert_eq!(found.lines().collect::<Vec<_>>(), rows());
    assert_eq!(rows_of(&entries(&bus, REPAIR_STREAM)), rows());
    let why = server.sql("SELECT sequence, coalesce(why, '') FROM alerts ORDER BY sequence");
    assert_eq!(why.lines().collect::<Vec<_>>(), reasons_of(&bus));
    let each = server.sql("SELECT count(*), count(replaced), count(parent) FROM repairs_by_entity");
    let all = || (0..TICKS).flat_map(repaired).flat_map(|record| record.entities);
    let (replaced, born) = (all().filter(|e| e.replaced.is_some()), all().filter(|e| e.parent.is_some()));
    assert_eq!(each, format!("{}|{}|{}", all().count(), replaced.count(), born.count()));
}
