//! Chaos by seed: what was injected is written down, told of and judged, and the same whatever the threads, the plugins and the kills.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use corec::prelude::*;
use corec_bridges::bus::MemoryBus;
use corec_bridges::publish::ALERT_STREAM;
use corec_core::bus::RunBus;
use corec_core::repairs::{RepairCause, RepairRecord, RepairedEntity, Repairs};
use corec_dynamics::chaos::{self, Chaos, Ledger};
use corec_dynamics::repair;
use serde_json::Value;
use support::{command, corec, json, number, read_json, refused};

/// Twenty blocks: enough for all events of the built-in scenario.
const SMALL: [&str; 4] = ["run", "chaos", "--entities", "20k"];

fn events(run: &Path) -> Vec<Value> {
    read_json(&run.join("chaos.json"))["events"].as_array().unwrap().clone()
}

fn count(kind: &Value, events: &[Value]) -> u64 {
    events.iter().filter(|event| event["kind"] == kind["kind"]).count() as u64
}

#[test]
fn a_run_writes_down_what_was_injected_and_what_became_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let summary = json(at, &[&SMALL[..], &["--plot", "chaos.svg", "--out", "a"]].concat(), 0);
    let report = &summary["chaos"];
    let truth = events(&at.join("a"));
    assert_eq!((truth.len(), number(&report["all"], "events"), number(report, "unjudged")), (28, 28.0, 0.0));
    assert!(truth.is_sorted_by_key(|event| event["first_tick"].as_u64()));
    for event in &truth {
        let (first, last) = (number(event, "first_tick"), number(event, "last_tick"));
        assert!((40.0..=last).contains(&first) && last < 580.0, "{event}");
        assert_eq!(
            event["block"].is_null(),
            ["plugin", "flood"].contains(&event["kind"].as_str().unwrap()),
            "{event}"
        );
    }
    // The parts add up to the whole.
    let kinds = report["kinds"].as_array().unwrap();
    assert!(kinds.iter().all(|kind| kind["events"] == count(kind, &truth)), "{kinds:?}");
    let sum = |key: &str| kinds.iter().map(|kind| kind[key].as_f64().unwrap_or(0.0)).sum::<f64>();
    for key in ["events", "hits", "healed", "fitness_lost", "fitness_lost_without_repair"] {
        assert!((sum(key) - number(&report["all"], key)).abs() < 1e-6, "{key}: {} in {report}", sum(key));
    }
    let kind = |name: &str| kinds.iter().find(|kind| kind["kind"] == name).unwrap();
    for name in ["dead", "plugin", "flood"] {
        assert_eq!(number(kind(name), "recall"), 1.0, "{name}: {report}");
        assert!(number(kind(name), "ticks_to_detect") <= 1.0, "{name}: {report}");
    }
    // What is dead works again by repair alone, and at once.
    assert!(
        number(kind("dead"), "ticks_to_heal") <= 1.0
            && kind("dead")["ticks_to_heal_without_repair"].is_null()
    );
    assert!(number(kind("dead"), "saved") > 0.9, "{report}");
    let (alerts, wrong) = (number(report, "alerts"), number(report, "alerts_false"));
    assert!((number(report, "precision") - (1.0 - wrong / alerts)).abs() < 1e-9);
    assert_eq!(report["is_same_run"], true, "looked at in memory, it is the run that was recorded");
    assert_eq!(read_json(&at.join("a/chaos.json"))["report"], *report);
    assert_eq!(read_json(&at.join("a/summary.json"))["chaos"], *report);
    let plot = fs::read_to_string(at.join("chaos.svg")).unwrap();
    let words = ["<svg", "mean fitness", "fault ratio", "without repair", "calm", "dead", "flood", "</svg>"];
    assert!(words.iter().all(|word| plot.contains(word)), "{} bytes", plot.len());
}

#[test]
fn the_events_are_the_seeds_whatever_plugins_and_threads_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir_all(at.join("more/alerts")).unwrap();
    let config = r#"{"name": "alerts", "entities": 3000}"#;
    fs::write(at.join("more/alerts/config.json"), config).unwrap();
    let run = |out: &str, more: &[&str]| {
        let short = ["--ticks", "60", "--quiet", "--out", out];
        let output = corec(at, &[&SMALL[..], &short, more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        events(&at.join(out))
    };
    let first = run("a", &["--threads", "1"]);
    assert_eq!(first, run("b", &["--threads", "8", "--plugins", "more"]));
    assert_ne!(first, run("c", &["--seed", "43"]));
}

#[test]
fn the_bits_are_the_same_at_any_thread_count_and_across_kills() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let verify = ["verify", "chaos", "--entities", "20k", "--threads", "1,2,8", "--kill", "4"];
    let output = corec(at, &verify);
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert_eq!(output.status.code(), Some(0), "{said}");
}

#[test]
fn a_kill_in_the_middle_of_a_flood_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let whole = json(at, &[&SMALL[..], &["--out", "whole"]].concat(), 0);
    let floods: Vec<u64> = events(&at.join("whole"))
        .iter()
        .filter(|event| event["kind"] == "flood")
        .map(|event| event["first_tick"].as_u64().unwrap())
        .collect();
    // The second one: what the stream had before is gone with the first process. Snapshots come before and within it.
    for (name, interval) in [("a", floods[1] - 1), ("b", floods[1] + 2)] {
        let (kill_at, interval) = ((floods[1] + 5).to_string(), interval.to_string());
        let killed = ["--snapshot-interval", &interval, "--kill-at", &kill_at, "--quiet", "--out", name];
        let output = corec(at, &[&SMALL[..], &killed].concat());
        assert!(!output.status.success(), "it was to be killed");
        let restored = json(at, &["run", "--restore", name], 0);
        for key in ["state_digest", "output_digest", "messages_refused", "chaos"] {
            assert_eq!(restored[key], whole[key], "{key}, killed at {kill_at} with a snapshot at {interval}");
        }
    }
}

#[test]
fn many_seeds_are_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let all = json(at, &["chaos", "--seeds", "2", "--entities", "20k", "--ticks", "200"], 0);
    assert_eq!(
        (number(&all, "seeds"), number(&all, "ticks"), number(&all, "entities")),
        (2.0, 200.0, 20000.0)
    );
    let runs = all["runs"].as_array().unwrap();
    assert_eq!((&runs[0]["seed"], &runs[1]["seed"]), (&0.into(), &1.into()));
    let recalls = [0, 1].map(|run| number(&runs[run]["report"]["all"], "recall"));
    let recall = &all["all"]["recall"];
    assert!((number(recall, "mean") - (recalls[0] + recalls[1]) / 2.0).abs() < 1e-9, "{recall}");
    assert_eq!(number(recall, "min"), recalls[0].min(recalls[1]));
    let alone = json(at, &[&SMALL[..], &["--ticks", "200", "--seed", "1"]].concat(), 0);
    assert_eq!(alone["chaos"], runs[1]["report"], "a seed by itself has the same report");
    assert_eq!(alone["state_digest"], runs[1]["state_digest"]);
    let text =
        command(at, &["chaos", "--seeds", "1", "--entities", "20k", "--ticks", "100"]).output().unwrap();
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("recall") && text.contains("dead") && text.contains("precision"), "{text}");
}

#[test]
fn chaos_that_can_not_be_had_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let group = r#""blocks": [{"id": "a", "entities": 100}]"#;
    let scenario = |name: &str, chaos: &str| {
        fs::write(at.join(name), format!(r#"{{"chaos": {chaos}, {group}}}"#)).unwrap();
    };
    scenario("flood.json", r#"{"flood": 1}"#);
    scenario("groups.json", r#"{"groups": ["b"]}"#);
    scenario("dead.json", r#"{"dead": 1001}"#);
    scenario("span.json", r#"{"calm": 100, "span": 120}"#);
    for (name, wanted) in [
        ("flood.json", "chaos.flood: found 1, must be 0 without an input_stream on the bus in memory"),
        ("groups.json", "chaos.groups: found 'b', must be of: a"),
        ("dead.json", "chaos.dead: found 1001, must be within 0..=1000"),
        ("span.json", "chaos.span: found 120, must be at least calm and two durations"),
    ] {
        refused(at, &["run", name], wanted);
        refused(at, &["chaos", name], wanted);
    }
    refused(at, &["run", "--plot", "a.svg"], "--plot: found a scenario without a section `chaos`");
    refused(at, &["chaos", "ecosystem"], "chaos: found none");
}

#[test]
fn a_flood_of_refused_messages_is_one_alert_until_it_is_calm() {
    let bus = MemoryBus::default();
    let group = BlockGroup { id: "a".into(), entities: 100, ..BlockGroup::default() };
    let scenario = Scenario { input_stream: Some("in".into()), blocks: vec![group], ..Scenario::default() };
    let mut app = App::new();
    app.add_plugins(CorecPlugin).insert_resource(RunBus::new(Box::new(bus.clone())));
    let mut simulation = Simulation::new(app, scenario).unwrap();
    // Below what is a flood; two gusts of one; and after a calm another.
    for (tick, messages) in [(2, 99), (5, 100), (12, 250), (40, 100)] {
        simulation.run(tick - simulation.tick()).unwrap();
        (0..messages).for_each(|_| bus.append("in", b"bad").unwrap());
    }
    simulation.run(5).unwrap();
    let alerts = bus.entries(ALERT_STREAM);
    let alerts: Vec<Value> = alerts.iter().map(|alert| serde_json::from_slice(alert).unwrap()).collect();
    let said: Vec<_> = alerts
        .iter()
        .map(|a| (a["tick"].as_u64().unwrap(), a["state"].as_str().unwrap(), a["value"].as_f64().unwrap()))
        .collect();
    assert_eq!(said, [(5, "raised", 100.0), (22, "cleared", 0.0), (40, "raised", 100.0)]);
    assert!(alerts.iter().all(|alert| alert["name"] == "messages_refused" && alert["subject"] == "in"));
}

/// Ids from this one on are repaired, in the fourth tick of the event.
#[derive(Resource)]
struct RepairedFrom(u64);

fn mend(from: Res<RepairedFrom>, ledger: Res<Ledger>, tick: Res<Tick>, mut repairs: ResMut<Repairs>) {
    let event = ledger.entries()[0].event;
    if tick.0 == event.start + 3 {
        let repaired = |id| RepairedEntity { entity: id, replaced: None, parent: None };
        let entities = (from.0..100).map(repaired).collect();
        let (block, cause) = (event.block.unwrap(), RepairCause::Flag);
        repairs.0.push(RepairRecord { tick: tick.0, block, cause, entities });
    }
}

#[test]
fn who_was_repaired_is_afflicted_no_longer() {
    let stuck = Chaos { dead: 0, stuck: 1, drift: 0, noise: 0, span: 100, ..Chaos::default() };
    for from in [60, 0] {
        let group = BlockGroup { id: "a".into(), entities: 100, load: 1.0, ..BlockGroup::default() };
        let mut scenario = Scenario { blocks: vec![group], ..Scenario::default() };
        scenario.blocks[0]
            .set_section(&corec_dynamics::settings::Dynamics { fault_rate: 0.0, ..Default::default() });
        scenario.set_section(&stuck);
        let mut app = App::new();
        app.add_plugins(CorecPlugin).insert_resource(RepairedFrom(from));
        app.add_systems(Update, mend.after(repair::repair).before(chaos::heal).in_set(Phase::Repair));
        let mut simulation = Simulation::new(app, scenario).unwrap();
        simulation.step().unwrap();
        let event = simulation.world().resource::<Ledger>().entries()[0].event;
        let values = |simulation: &mut Simulation, tick: u64| -> Vec<f32> {
            simulation.run(tick - simulation.tick()).unwrap();
            let mut rows = Rows::new(simulation.world_mut());
            (0..100).map(|id| rows.get(StableId(id)).unwrap().value::<Signal>().unwrap().value).collect()
        };
        let (before, begun) =
            (values(&mut simulation, event.start), values(&mut simulation, event.start + 1));
        assert!(before.iter().zip(&begun).all(|(a, b)| a != b), "all were moving");
        let held = values(&mut simulation, event.start + 4);
        assert_eq!(begun, held);
        let later = values(&mut simulation, event.last());
        let still = later.iter().zip(&held).filter(|(a, b)| a == b).count();
        assert_eq!(still as u64, from, "those that were not repaired");
        let over = values(&mut simulation, event.last() + 3);
        assert!(over.iter().zip(&held).all(|(a, b)| a != b), "the event is over");
        let healed = if from == 0 { event.start + 3 } else { event.last() };
        assert_eq!(simulation.world().resource::<Ledger>().entries()[0].healed, Some(healed));
    }
}
