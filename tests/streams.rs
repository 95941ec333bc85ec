//! Messages in, frames and alerts out, over the bus in memory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use corec::prelude::*;
use corec_bridges::bus::MemoryBus;
use corec_bridges::frames::DATA_STREAM;
use corec_bridges::publish::ALERT_STREAM;
use corec_core::bus::RunBus;
use corec_core::message::{Frame, Record};
use corec_core::units::ChannelId;

fn simulation(bus: &MemoryBus, scenario: &str) -> Simulation {
    let scenario = corec_core::config::load("test", scenario, &|_| None).unwrap().scenario;
    let mut app = App::new();
    app.add_plugins(CorecPlugin).insert_resource(RunBus::new(Box::new(bus.clone())));
    Simulation::new(app, scenario).unwrap()
}

fn record(id: u32, value: f32, is_active: bool) -> [u8; 10] {
    Record { id, channel: ChannelId(1), value, is_active }.encode()
}

#[test]
fn a_record_sets_its_entity_and_a_bad_one_is_counted() {
    let bus = MemoryBus::default();
    let scenario = r#"{"input_stream": "in", "blocks": [{"id": "a", "entities": 3000,
        "dynamics": {"coupling": 0, "noise": 0, "fault_rate": 0}, "repair": false, "load": 0}]}"#;
    let mut simulation = simulation(&bus, scenario);
    simulation.step().unwrap();
    for message in [
        &record(2999, 0.75, true)[..],
        &record(7, 0.5, false),
        b"short",
        &record(3000, 0.1, true),
        &record(1, f32::NAN, true),
    ] {
        bus.append("in", message).unwrap();
    }
    simulation.step().unwrap();
    let totals = *simulation.world().resource::<Totals>();
    assert_eq!((totals.messages, totals.messages_refused, totals.messages_lost), (5, 3, 0));
    assert_eq!(totals.faults, 1);
    // Whoever looks after them is told of those that could not be applied, and why.
    let letters: Vec<serde_json::Value> =
        bus.entries("in_dead").iter().map(|letter| serde_json::from_slice(letter).unwrap()).collect();
    let causes: Vec<&str> = letters.iter().map(|letter| letter["cause"].as_str().unwrap()).collect();
    assert!(causes[0].contains("found 5 bytes") && causes[1].contains("3000"), "{causes:?}");
    assert_eq!((causes.len(), &letters[0]["data"]), (3, &"73686f7274".into()));
    let mut rows = Rows::new(simulation.world_mut());
    let row = rows.get(StableId(7)).unwrap();
    assert!(!row.value::<Health>().unwrap().is_active());
    assert_eq!(row.value::<Signal>().unwrap().value, 0.0);
    assert_eq!(rows.get(StableId(2999)).unwrap().value::<Signal>().unwrap().value, 0.75);
}

/// Twenty megabytes that nobody can apply made a journal's record too large, which ended the run.
#[test]
fn a_flood_of_junk_does_not_end_a_recorded_run() {
    let bus = MemoryBus::default();
    let folder = tempfile::tempdir().unwrap();
    let scenario = r#"{"input_stream": "in", "blocks": [{"id": "a", "entities": 10}]}"#;
    let mut simulation = simulation(&bus, scenario);
    let journal =
        corec_core::journal::Journal::record_in(folder.path(), corec_core::units::RunId(1), false).unwrap();
    simulation.world_mut().insert_resource(journal);
    (0..20).for_each(|_| bus.append("in", &vec![7; 1 << 20]).unwrap());
    simulation.step().unwrap();
    let totals = *simulation.world().resource::<Totals>();
    assert_eq!((totals.messages, totals.messages_refused, bus.entries("in_dead").len()), (20, 20, 10));
    assert_eq!(simulation.world().resource::<corec_core::journal::Journal>().failure(), None);
}

#[test]
fn frames_carry_what_is_above_the_threshold() {
    let bus = MemoryBus::default();
    let scenario = r#"{"publish_interval": 5, "blocks": [{"id": "a", "entities": 3500}, {"id": "b", "entities": 1200}]}"#;
    let mut simulation = simulation(&bus, scenario);
    simulation.run(10).unwrap();
    let entries = bus.entries(DATA_STREAM);
    assert_eq!(entries.len(), 2, "one frame at ticks 4 and 9");
    let frame = Frame::decode(&entries[1]).unwrap();
    assert_eq!(
        (frame.tick, frame.sequence, frame.first_block, frame.blocks, frame.count),
        (9, 0, 0, 6, 4700)
    );
    let ids: Vec<u64> =
        frame.columns[0].bytes.chunks(8).map(|b| u64::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(ids[4699], 4699);
    let sent: Vec<f32> =
        frame.columns[1].bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let stats = simulation.world().resource::<Stats>().blocks.clone();
    let (lowest, highest) =
        stats.iter().fold((1f32, 0f32), |(l, h), b| (l.min(b.threshold), h.max(b.threshold)));
    assert!((0.1..0.9).contains(&lowest), "{lowest}");
    assert!(sent.iter().all(|&v| v == 0.0 || v > lowest), "nothing below the threshold is sent");
    assert!(sent.iter().filter(|&&v| v > highest).count() > 1000);
}

#[test]
fn an_alert_goes_out_once_when_it_is_raised_and_once_when_it_clears() {
    let bus = MemoryBus::default();
    let scenario = r#"{"input_stream": "in",
        "alerts": [{"name": "down", "signal": "fault_ratio", "enter": 0.5, "leave": 0.2, "severity": 1}],
        "blocks": [{"id": "a", "entities": 10, "dynamics": {"fault_rate": 0}, "repair": false}]}"#;
    let mut simulation = simulation(&bus, scenario);
    simulation.run(3).unwrap();
    for (active, ticks) in [(false, 5), (true, 5)] {
        (0..8).for_each(|id| bus.append("in", &record(id, 0.5, active)).unwrap());
        simulation.run(ticks).unwrap();
    }
    let alerts: Vec<serde_json::Value> =
        bus.entries(ALERT_STREAM).iter().map(|e| serde_json::from_slice(e).unwrap()).collect();
    let told: Vec<_> =
        alerts.iter().map(|a| (a["tick"].as_u64(), a["state"].as_str(), a["subject"].as_str())).collect();
    assert_eq!(told, [(Some(3), Some("raised"), Some("a/0")), (Some(8), Some("cleared"), Some("a/0"))]);
}

#[test]
fn a_frame_of_another_instance_is_what_its_mirror_shows() {
    let bus = MemoryBus::default();
    let engine = r#"{"publish_interval": 1, "seed": 7, "blocks": [{"id": "a", "entities": 2500}]}"#;
    let mut engine = simulation(&bus, engine);
    engine.run(3).unwrap();
    let mirror = r#"{"input_stream": "bloque_data_stream", "blocks": [{"id": "a", "kind": "mirror", "entities": 2500}]}"#;
    let mut mirror = simulation(&bus, mirror);
    mirror.run(3).unwrap();
    let frames = bus.entries(DATA_STREAM);
    let last = Frame::decode(frames.last().unwrap()).unwrap();
    let shown = last.columns[1].bytes.as_chunks::<4>().0;
    let mut rows = Rows::new(mirror.world_mut());
    for (id, value) in shown.iter().enumerate() {
        let value = f32::from_le_bytes(*value);
        assert_eq!(rows.get(StableId(id as u64)).unwrap().value::<Signal>().unwrap().value, value);
    }
    drop(rows);
    let totals = *mirror.world().resource::<Totals>();
    assert_eq!((totals.messages, totals.messages_refused), (3, 0));
    // One of entities that are not here is none of ours.
    let mut stranger = Frame { columns: last.columns.clone(), ..last };
    stranger.columns[0].bytes.iter_mut().for_each(|byte| *byte = 255);
    bus.append(DATA_STREAM, &stranger.encode()).unwrap();
    mirror.step().unwrap();
    assert_eq!(mirror.world().resource::<Totals>().messages_refused, 1);
}
