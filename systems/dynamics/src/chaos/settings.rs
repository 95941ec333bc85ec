//! Settings: how many faults a run injects into itself, of what kinds, when, and how strong they are.

use corec_core::section::Section;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Events of a kind at most: the alerts and the report of more would say nothing.
const EVENTS_MAX: u32 = 1000;
/// A plugin can fail once by errors and once for good.
const PLUGIN_EVENTS_MAX: u32 = 2;
const TICKS_MAX: u64 = 1_000_000_000;
const MESSAGES_MAX: u32 = 1_000_000;

/// Faults that a run injects into itself, drawn from its seed: when, where and how strong depends on nothing that happens in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Chaos {
    /// Events in which a share of a block's entities becomes inactive at once, 0..=1000.
    pub dead: u32,
    /// Events in which all values of a block stay as they are, 0..=1000.
    pub stuck: u32,
    /// Events in which all values of a block are pushed down, by the same each tick, 0..=1000.
    pub drift: u32,
    /// Events in which all values of a block are pushed at random each tick, 0..=1000.
    pub noise: u32,
    /// Events in which the plugin `saboteur` fails, 0..=2: the last one for good, one before it by errors.
    pub plugin: u32,
    /// Events in which messages that can't be read come on the input stream, 0..=1000. For a scenario with an `input_stream`, on the bus in memory.
    pub flood: u32,
    /// The groups whose blocks are afflicted; none named: all of the kinds `cell` and `full`.
    pub groups: Vec<String>,
    /// Ticks without an event at the start, in which whoever watches learns what is ordinary.
    pub calm: u64,
    /// The tick before which all events have ended.
    pub span: u64,
    /// Ticks that an event lasts, at least 4; each a fifth more or less.
    pub duration: u64,
    /// Ticks at least from the end of an event to the next one of the same block, stream or plugin.
    pub gap: u64,
    /// The share of a block that becomes inactive, 0..=1; each event a fifth more or less, as all that follows.
    pub dead_share: f32,
    /// What is taken from every value in a tick, 0..=1.
    pub drift_step: f32,
    /// The largest random push in a tick, 0..=1.
    pub noise_max: f32,
    /// Messages of a flood, 0..=1000000, spread over its ticks.
    pub flood_messages: u32,
}

impl Default for Chaos {
    /// Six events of each kind of a block in 600 ticks.
    fn default() -> Self {
        Self {
            dead: 6,
            stuck: 6,
            drift: 6,
            noise: 6,
            plugin: 0,
            flood: 0,
            groups: Vec::new(),
            calm: 40,
            span: 600,
            duration: 20,
            gap: 60,
            dead_share: 0.3,
            drift_step: 0.02,
            noise_max: 0.3,
            flood_messages: 4000,
        }
    }
}

/// Messages of a flood in a tick, on average: one that is half as strong again still is what a tick takes from a stream at once, 100,000.
const FLOOD_PER_TICK_MAX: u64 = 50_000;

impl Section for Chaos {
    const NAME: &'static str = "chaos";
    const RANGES: &'static [(&'static str, &'static str)] = &[
        ("dead", "within 0..=1000"),
        ("stuck", "within 0..=1000"),
        ("drift", "within 0..=1000"),
        ("noise", "within 0..=1000"),
        ("plugin", "within 0..=2"),
        ("flood", "within 0..=1000"),
        ("flood_messages", "within 0..=1000000"),
    ];

    fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        let counts = [
            ("dead", self.dead),
            ("stuck", self.stuck),
            ("drift", self.drift),
            ("noise", self.noise),
            ("flood", self.flood),
        ];
        if let Some((key, count)) = counts.into_iter().find(|(_, count)| *count > EVENTS_MAX) {
            return Err((key, count.to_string(), "within 0..=1000"));
        }
        if self.plugin > PLUGIN_EVENTS_MAX {
            return Err(("plugin", self.plugin.to_string(), "within 0..=2"));
        }
        if self.flood_messages > MESSAGES_MAX {
            return Err(("flood_messages", self.flood_messages.to_string(), "within 0..=1000000"));
        }
        let shares =
            [("dead_share", self.dead_share), ("drift_step", self.drift_step), ("noise_max", self.noise_max)];
        if let Some((key, share)) = shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            return Err((key, share.to_string(), "within 0..=1"));
        }
        if !(4..=1000).contains(&self.duration) {
            return Err(("duration", self.duration.to_string(), "within 4..=1000 ticks"));
        }
        // A fifth more messages in a fifth fewer ticks.
        if self.flood > 0 && u64::from(self.flood_messages) / self.duration > FLOOD_PER_TICK_MAX {
            let found = format!("{} in {} ticks", self.flood_messages, self.duration);
            return Err((
                "flood_messages",
                found,
                "at most 50000 for each tick of duration: what waits on the bus is in no snapshot",
            ));
        }
        for (key, ticks) in [("calm", self.calm), ("span", self.span), ("gap", self.gap)] {
            if ticks > TICKS_MAX {
                return Err((key, ticks.to_string(), "within 0..=1e9 ticks"));
            }
        }
        // An event of the longest duration must have a place.
        if self.span < self.calm + 2 * self.duration {
            return Err(("span", self.span.to_string(), "at least calm and two durations"));
        }
        Ok(())
    }
}
