//! Logs: an event says where it was, as text for people or an object a line for machines.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use corec::prelude::*;
use corec::testing::TestApp;
use corec_core::place::{self, Place};
use serde_json::Value;
use support::command;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Says what it meets.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
struct Teller {}

impl Plugin for Teller {
    fn build(&self, app: &mut App) {
        app.add_kind(Kind::new("told").with::<Signal>()).add_systems(Update, tell.in_set(Phase::Process));
    }
}

corec::plugin!(Teller, name = "teller");

fn tell(blocks: Blocks<&Signal>) {
    blocks.par_for_each_block(|block, _| tracing::warn!(block = block.id().0, "met"));
    tracing::warn!("all met");
}

/// The places at which events were written, with the block that each is of.
#[derive(Clone, Default)]
struct Places(Arc<Mutex<Vec<Said>>>);

type Said = (Place, Option<u64>);

struct Block(Option<u64>);

impl Visit for Block {
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "block" {
            self.0 = Some(value);
        }
    }
}

impl Subscriber for Places {
    fn enabled(&self, of: &Metadata<'_>) -> bool {
        of.target().starts_with("logs")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut block = Block(None);
        event.record(&mut block);
        self.0.lock().unwrap().push((place::here(), block.0));
    }
}

#[test]
fn what_a_plugin_says_is_of_its_tick_and_its_block_on_whatever_thread() {
    let places = Places::default();
    tracing::subscriber::set_global_default(places.clone()).unwrap();
    let config = r#"{"name": "teller", "entities": 4000, "channel": 1}"#;
    let mut run = TestApp::default().threads(4).plugin::<Teller>(config).unwrap().start().unwrap();
    run.tick(3).unwrap();
    let said = places.0.lock().unwrap().clone();
    assert!(said.len() > 6, "{said:?}");
    for (n, (place, block)) in said.iter().enumerate() {
        assert_eq!(place.plugin, Some("teller"), "{n}: {place:?}");
        assert_eq!(place.block.map(|id| u64::from(id.0)), *block, "{n}: {place:?}");
        assert!(place.tick.is_some_and(|tick| tick < 3), "{n}: {place:?}");
    }
}

#[test]
fn every_line_is_an_object_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = r#"{"name": "s", "blocks": [{"id": "a", "kind": "colony", "channel": 1, "entities": 9}], "neverheard": 1}"#;
    std::fs::write(folder.path().join("s.json"), scenario).unwrap();
    for (arguments, status, level) in [
        (&["run", "s.json"][..], 2, "ERROR"),
        (&["run", "--nope"], 2, "ERROR"),
        (&["run", "--entities", "1k", "--ticks", "10", "--log", "debug"], 0, "DEBUG"),
    ] {
        let mut corec = command(folder.path(), &[arguments, &["--log-format", "json"]].concat());
        let output = corec.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{text}");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for key in ["time", "level", "target", "message"] {
            assert!(lines.iter().all(|line| line[key].is_string()), "{text}");
        }
        assert!(status == 0 || lines.iter().any(|line| line["level"] == level), "{text}");
    }
}
