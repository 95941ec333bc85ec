//! The ledger: the events of a run, whom each still afflicts, and when nobody was any more.

use bevy_ecs::resource::Resource;
use corec_core::digest::Saved;
use serde::{Deserialize, Serialize};

use super::plan::Event;

/// An event, and what has become of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The event.
    pub event: Event,
    /// Entities that it has afflicted.
    pub afflicted: u32,
    /// The tick in which the last of them was well again: repaired, replaced, or left alone because the event has ended.
    pub healed: Option<u64>,
    /// Those that it still afflicts, by their stable ids, with the value that each was left with; at most a block's.
    pub(super) entities: Vec<(u64, f32)>,
}

/// The events of a run, by their first tick. Part of the state: a restored run goes on with them, whatever its layout has become.
#[derive(Resource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger(pub(super) Vec<Entry>);

impl Saved for Ledger {
    const NAME: &'static str = "chaos";
    const SINCE: u16 = 4;

    fn is_part(&self) -> bool {
        !self.0.is_empty()
    }
}

impl Ledger {
    /// The events of a run that has not begun.
    pub fn new(events: impl IntoIterator<Item = Event>) -> Self {
        let entry = |event| Entry { event, afflicted: 0, healed: None, entities: Vec::new() };
        Self(events.into_iter().map(entry).collect())
    }

    /// The events, and what has become of them.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The events.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.0.iter().map(|entry| &entry.event)
    }
}

impl Entry {
    /// Whether somebody is still afflicted.
    pub fn is_open(&self) -> bool {
        !self.entities.is_empty()
    }

    /// Keeps those of the afflicted that `stays` says; notes the tick if none is left.
    pub(super) fn retain(&mut self, tick: u64, stays: impl Fn(u64) -> bool) {
        self.entities.retain(|(id, _)| stays(*id));
        if self.entities.is_empty() {
            self.healed.get_or_insert(tick);
        }
    }
}
