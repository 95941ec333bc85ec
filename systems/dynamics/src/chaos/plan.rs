//! The plan: it says which faults come when, where and how strong, from the seed and the list of blocks alone.

use corec_core::rng::{Draws, below, unit};
use serde::{Deserialize, Serialize};

use super::settings::Chaos;

/// Places tried for an event before it is left out: with one in a thousand places free it finds one nearly always.
const TRIES: u16 = 4096;
/// How much longer or stronger an event may be than the settings say, or less.
const SPREAD: f32 = 0.2;
/// Ticks in which a plugin fails: it has said all by then.
const PLUGIN_TICKS: u64 = 2;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// A share of a block's entities becomes inactive at once.
    Dead,
    /// The values of a block stay as they are.
    Stuck,
    /// The values of a block are pushed down each tick.
    Drift,
    /// The values of a block are pushed at random each tick.
    Noise,
    /// A plugin fails.
    Plugin,
    /// Messages come that can't be read.
    Flood,
}

impl EventKind {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [Self::Dead, Self::Stuck, Self::Drift, Self::Noise, Self::Plugin, Self::Flood];

    /// "dead", "stuck", "drift", "noise", "plugin" or "flood".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Stuck => "stuck",
            Self::Drift => "drift",
            Self::Noise => "noise",
            Self::Plugin => "plugin",
            Self::Flood => "flood",
        }
    }

    /// Whether it is something that happens to a block.
    pub fn is_of_block(self) -> bool {
        !matches!(self, Self::Plugin | Self::Flood)
    }
}

/// A fault that is injected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What goes wrong.
    pub kind: EventKind,
    /// The block's id; none for what does not happen to a block.
    pub block: Option<u32>,
    /// The first tick.
    pub start: u64,
    /// Ticks that it lasts.
    pub ticks: u64,
    /// The share of `dead`, the step of `drift`, the largest push of `noise`, the messages of `flood`; 1 for others.
    pub strength: f32,
}

impl Event {
    /// The last tick.
    pub fn last(&self) -> u64 {
        self.start + self.ticks - 1
    }

    /// Whether it goes on in `tick`.
    pub fn is_at(&self, tick: u64) -> bool {
        (self.start..=self.last()).contains(&tick)
    }

    /// Messages that come in `tick`; 0 unless it is a flood.
    pub fn messages(&self, tick: u64) -> u64 {
        if self.kind != EventKind::Flood || !self.is_at(tick) {
            return 0;
        }
        let (all, at) = (self.strength as u64, tick - self.start);
        all * (at + 1) / self.ticks - all * at / self.ticks
    }
}

/// The events of a run, by their first tick. `blocks` are the ids of those that may be afflicted. An event of which no place is free,
/// in the bounds of `calm`, `span` and `gap`, is left out.
pub fn plan(settings: &Chaos, seed: u64, blocks: &[u32]) -> Vec<Event> {
    let draws = Draws::new(seed, "chaos_plan");
    let counts =
        [settings.dead, settings.stuck, settings.drift, settings.noise, settings.plugin, settings.flood];
    let mut events: Vec<Event> = Vec::new();
    for (kind, count) in EventKind::ALL.into_iter().zip(counts) {
        if kind.is_of_block() && blocks.is_empty() {
            continue;
        }
        for number in 0..u64::from(count) {
            // The kind stands where a tick does elsewhere: the draws of an event are its own, whatever others there are.
            let candidates = (0..TRIES)
                .map(|draw| candidate(settings, kind, draws.words(number, kind as u64, draw), blocks));
            let is_free = |event: &Event| {
                let near = |other: &&Event| {
                    let is_same = (other.kind.is_of_block() && other.block == event.block)
                        || (!kind.is_of_block() && other.kind == kind);
                    is_same
                        && event.start <= other.last() + settings.gap
                        && other.start <= event.last() + settings.gap
                };
                !events.iter().any(|other| near(&other))
            };
            let found = candidates.into_iter().find(is_free);
            events.extend(found);
        }
    }
    events.sort_by_key(|event| (event.start, event.kind, event.block));
    events
}

fn candidate(settings: &Chaos, kind: EventKind, words: [u32; 4], blocks: &[u32]) -> Event {
    let [place, start, length, strength] = words;
    let spread = |word: u32| 1.0 - SPREAD + 2.0 * SPREAD * unit(word);
    let ticks = match kind {
        EventKind::Plugin => PLUGIN_TICKS,
        _ => ((settings.duration as f32 * spread(length)) as u64).max(1),
    };
    let room = settings.span - settings.calm - ticks + 1;
    let strength = match kind {
        EventKind::Dead => (settings.dead_share * spread(strength)).min(1.0),
        EventKind::Drift => (settings.drift_step * spread(strength)).min(1.0),
        EventKind::Noise => (settings.noise_max * spread(strength)).min(1.0),
        EventKind::Flood => (settings.flood_messages as f32 * spread(strength)) as u32 as f32,
        EventKind::Stuck | EventKind::Plugin => 1.0,
    };
    Event {
        kind,
        block: kind.is_of_block().then(|| blocks[below(place, blocks.len() as u32) as usize]),
        start: settings.calm + u64::from(below(start, room as u32)),
        ticks,
        strength,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chaos() -> Chaos {
        Chaos { plugin: 2, flood: 3, ..Chaos::default() }
    }

    #[test]
    fn the_same_seed_gives_the_same_events_and_another_seed_others() {
        let blocks: Vec<u32> = (0..100).collect();
        assert_eq!(plan(&chaos(), 42, &blocks), plan(&chaos(), 42, &blocks));
        assert_ne!(plan(&chaos(), 42, &blocks), plan(&chaos(), 43, &blocks));
        // Bits that must not change: who has a report of a seed can have it again.
        let first = plan(&chaos(), 42, &blocks)[0];
        let said = serde_json::to_string(&first).unwrap();
        assert_eq!(said, EVENT_OF_42);
    }

    const EVENT_OF_42: &str = r#"{"kind":"noise","block":88,"start":48,"ticks":19,"strength":0.34290284}"#;

    #[test]
    fn events_keep_the_calm_the_span_and_the_gap() {
        for seed in 0..20 {
            let (settings, blocks) = (chaos(), (0..30).collect::<Vec<u32>>());
            let events = plan(&settings, seed, &blocks);
            assert_eq!(events.len(), 29, "seed {seed}");
            for (at, event) in events.iter().enumerate() {
                assert!(event.start >= settings.calm && event.last() < settings.span, "{event:?}");
                assert!(event.kind == EventKind::Plugin || (16..=24).contains(&event.ticks), "{event:?}");
                let same = |other: &&Event| {
                    other.block == event.block && (event.block.is_some() || other.kind == event.kind)
                };
                for other in events[at + 1..].iter().filter(same) {
                    assert!(other.start > event.last() + settings.gap, "{event:?} {other:?}");
                }
            }
        }
    }

    #[test]
    fn an_event_depends_on_no_other_kind_but_by_its_place() {
        let blocks: Vec<u32> = (0..1000).collect();
        let of = |settings: &Chaos, kind| -> Vec<Event> {
            plan(settings, 7, &blocks).into_iter().filter(|event| event.kind == kind).collect()
        };
        let alone = Chaos { stuck: 0, drift: 0, noise: 0, plugin: 0, flood: 0, ..chaos() };
        assert_eq!(of(&alone, EventKind::Dead), of(&chaos(), EventKind::Dead));
        let without = Chaos { plugin: 0, flood: 0, ..chaos() };
        assert_eq!(of(&without, EventKind::Noise), of(&chaos(), EventKind::Noise));
    }

    #[test]
    fn what_has_no_place_is_left_out() {
        let events = plan(&Chaos { dead: 1000, ..chaos() }, 1, &[5]);
        let of_block = events.iter().filter(|event| event.block == Some(5)).count();
        assert!((4..=8).contains(&of_block), "{of_block}");
        assert!(plan(&Chaos { plugin: 0, flood: 0, ..chaos() }, 1, &[]).is_empty());
    }

    #[test]
    fn the_messages_of_a_flood_are_all_sent() {
        let flood = Event { kind: EventKind::Flood, block: None, start: 10, ticks: 7, strength: 1000.0 };
        assert_eq!((0..30).map(|tick| flood.messages(tick)).sum::<u64>(), 1000);
        assert_eq!((flood.messages(9), flood.messages(17)), (0, 0));
    }
}
