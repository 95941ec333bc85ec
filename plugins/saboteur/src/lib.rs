//! The plugin fails on purpose, in the ticks that a run's chaos has drawn for it: so the engine's isolation of plugins is put to the test.
//!
//! Reads the chaos' `Ledger`, in `Phase::Process`. In all of its events but the last a system returns an error; in the last one another
//! returns an error and then panics, which stops the plugin for good. Writes nothing, so a run goes on as if it had not been there.
#![forbid(unsafe_code)]

use corec::prelude::*;
use corec_dynamics::chaos::{Event, EventKind, Ledger};

/// Fails on purpose.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
pub struct Saboteur {}

impl Plugin for Saboteur {
    fn build(&self, app: &mut App) {
        app.add_systems(Update, (err, panic).in_set(Phase::Process));
    }
}

corec::plugin!(Saboteur, name = "saboteur");

/// Returns an error once in each event but the last: fewer than stop a system by default.
fn err(ledger: Option<Res<Ledger>>, tick: Res<Tick>) -> Result<(), BevyError> {
    let events = events(ledger.as_deref());
    match events.split_last() {
        Some((_, others)) if others.iter().any(|event| event.start == tick.0) => {
            Err("asked to return an error".into())
        }
        _ => Ok(()),
    }
}

/// Returns an error as the last event begins, and panics in its next tick.
fn panic(ledger: Option<Res<Ledger>>, tick: Res<Tick>) -> Result<(), BevyError> {
    match events(ledger.as_deref()).last() {
        Some(event) if event.start == tick.0 => Err("asked to return an error".into()),
        // A panic that was asked for is told by the run's alert: no hook need print where it was.
        Some(event) if event.start + 1 == tick.0 => std::panic::resume_unwind(Box::new("asked to panic")),
        _ => Ok(()),
    }
}

fn events(ledger: Option<&Ledger>) -> Vec<Event> {
    let of_plugin = |event: &&Event| event.kind == EventKind::Plugin;
    ledger.into_iter().flat_map(Ledger::events).filter(of_plugin).copied().collect()
}
