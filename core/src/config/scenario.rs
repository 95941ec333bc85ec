//! The scenario's frame: plain settings with defaults. What is beside it are sections.

use schemars::JsonSchema;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::alert_rule::AlertRule;
use super::either::{Plugins, Threads};
use crate::units::ChannelId;

/// Sections as they were written, by name: the keys of a scenario or of a group that are not of the frame.
pub type SectionValues = serde_json::Map<String, serde_json::Value>;

/// The keys of a scenario that are not sections.
pub(crate) const SCENARIO_KEYS: [&str; 20] = [
    "name",
    "instance_id",
    "role",
    "seed",
    "ticks",
    "tick_seconds",
    "tick_seconds_max",
    "threads",
    "bus",
    "store",
    "store_interval",
    "publish_interval",
    "repair_record",
    "input_stream",
    "plugins",
    "on_plugin_error",
    "max_failures",
    "memory_max",
    "snapshot_memory_max",
    "alerts",
];
/// The key of the groups, and theirs that are not sections.
pub(super) const BLOCKS: &str = "blocks";
pub(crate) const GROUP_KEYS: [&str; 8] =
    ["id", "kind", "channel", "entities", "entities_per_block", "load", "block_bytes_max", "plugin"];

/// A whole run: what lives, how it behaves, where its output goes.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// The scenario's name, as it appears in summaries.
    pub name: String,
    /// Which CoreC instance this is; part of the id of every output.
    pub instance_id: String,
    /// What the instance is for; a label.
    #[doc(alias = "rol")]
    pub role: String,
    /// The seed of every random draw.
    pub seed: u64,
    /// Ticks to run, at least 1.
    pub ticks: u64,
    /// Simulated seconds in a tick, 1e-6..=1e9.
    pub tick_seconds: f64,
    /// Seconds of the clock on the wall that a tick may take before the systems it hangs in are named, 1e-6..=1e9. No result
    /// depends on it.
    pub tick_seconds_max: f64,
    /// Worker threads: "all", or a number of at least 1. The results do not depend on it.
    pub threads: Threads,
    /// The message bus: "memory".
    pub bus: String,
    /// The store: "memory", "sqlite://relative.db" (in the run's folder) or "sqlite:///absolute.db".
    pub store: String,
    /// Simulated seconds between two rows of a block in the store.
    pub store_interval: f64,
    /// Simulated seconds between two frames of a block on the bus; null sends none.
    pub publish_interval: Option<f64>,
    /// Whether repairs are told of, entity by entity: on the stream "reparaciones" and in the store's table "repairs".
    pub repair_record: bool,
    /// The stream from which record v1 messages are taken at every tick; null takes none.
    pub input_stream: Option<String>,
    /// Plugins to load: a list of names, or "auto" for all enabled ones.
    pub plugins: Plugins,
    /// What happens when a plugin fails for good: "stop_plugin" or "fail_run". One whose failing system can write rows or
    /// resources that are not its own always ends the run.
    pub on_plugin_error: OnPluginError,
    /// Errors after which a system that returns them is stopped, at least 1.
    pub max_failures: u32,
    /// The most memory a run may need: a size ("800MB", "1GiB") or a share of the machine or its cgroup ("90%").
    pub memory_max: String,
    /// The most memory a snapshot's copy of the columns may take; a run with more waits while its snapshot is written.
    pub snapshot_memory_max: String,
    /// When an alert is raised and cleared.
    pub alerts: Vec<AlertRule>,
    /// What else it says, for whoever has registered it: see [`Section`](crate::section::Section).
    #[schemars(skip)]
    pub sections: SectionValues,
    /// What lives: groups of blocks.
    #[doc(alias = "bloques")]
    pub blocks: Vec<BlockGroup>,
    /// Where it was read from, for errors; empty for one made in code.
    #[serde(skip)]
    pub source: String,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "unnamed".into(),
            instance_id: "corec1".into(),
            role: "generic".into(),
            seed: 42,
            ticks: 1000,
            tick_seconds: 1.0,
            tick_seconds_max: 60.0,
            threads: Threads::All,
            bus: "memory".into(),
            store: "sqlite://store.db".into(),
            store_interval: 10.0,
            publish_interval: None,
            repair_record: true,
            input_stream: None,
            plugins: Plugins::default(),
            on_plugin_error: OnPluginError::StopPlugin,
            max_failures: 3,
            memory_max: "90%".into(),
            snapshot_memory_max: "256MB".into(),
            alerts: AlertRule::defaults(),
            sections: SectionValues::new(),
            blocks: Vec::new(),
            source: String::new(),
        }
    }
}

/// What happens when a plugin fails for good that can write nothing but its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnPluginError {
    /// The plugin stops; the run goes on.
    StopPlugin,
    /// The run ends with an error.
    FailRun,
}

/// A group of blocks of one kind that share channel, load and sections.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BlockGroup {
    /// The group's name, unique in the scenario; its blocks are `id/0`, `id/1`, ...
    pub id: String,
    /// The kind of its entities: "cell", "full", "twin", or one that a plugin registers.
    pub kind: String,
    /// The stream channel, -128..=127.
    #[doc(alias = "canal")]
    pub channel: ChannelId,
    /// Entities in all blocks of the group together. A group of twins takes it from its input; one of a recycled kind may start with none.
    #[doc(alias = "entidades")]
    pub entities: u64,
    /// Entities in one block, 1..=4096; about 1000 is best.
    #[doc(alias = "entidades_por_bloque")]
    pub entities_per_block: u32,
    /// Share of a block's entities that the dynamics process in a tick, 0..=1; at least one entity is.
    #[doc(alias = "carga")]
    pub load: f32,
    /// Bytes that the rows of one block may take; null for no limit but the row's own 1024 bytes.
    pub block_bytes_max: Option<u64>,
    /// A plugin named by an old file for this group; the default dynamics run all the same.
    pub plugin: Option<String>,
    /// What else it says, for whoever has registered it: see [`Section`](crate::section::Section).
    #[schemars(skip)]
    pub sections: SectionValues,
    /// The file that it was read from, where that is not the scenario's, and where in it; for errors.
    #[serde(skip)]
    pub place: Option<(String, String)>,
}

impl Default for BlockGroup {
    fn default() -> Self {
        Self {
            id: String::new(),
            kind: "cell".into(),
            channel: ChannelId(1),
            entities: 0,
            entities_per_block: 1000,
            load: 0.5,
            block_bytes_max: None,
            plugin: None,
            sections: SectionValues::new(),
            place: None,
        }
    }
}

impl Scenario {
    /// What errors call it: where it was read from, else its name.
    pub fn source_name(&self) -> &str {
        if self.source.is_empty() { &self.name } else { &self.source }
    }
}

/// As it is read: sections stand beside the frame's keys.
impl Serialize for Scenario {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("instance_id", &self.instance_id)?;
        map.serialize_entry("role", &self.role)?;
        map.serialize_entry("seed", &self.seed)?;
        map.serialize_entry("ticks", &self.ticks)?;
        map.serialize_entry("tick_seconds", &self.tick_seconds)?;
        map.serialize_entry("tick_seconds_max", &self.tick_seconds_max)?;
        map.serialize_entry("threads", &self.threads)?;
        map.serialize_entry("bus", &self.bus)?;
        map.serialize_entry("store", &self.store)?;
        map.serialize_entry("store_interval", &self.store_interval)?;
        map.serialize_entry("publish_interval", &self.publish_interval)?;
        map.serialize_entry("repair_record", &self.repair_record)?;
        map.serialize_entry("input_stream", &self.input_stream)?;
        map.serialize_entry("plugins", &self.plugins)?;
        map.serialize_entry("on_plugin_error", &self.on_plugin_error)?;
        map.serialize_entry("max_failures", &self.max_failures)?;
        map.serialize_entry("memory_max", &self.memory_max)?;
        map.serialize_entry("snapshot_memory_max", &self.snapshot_memory_max)?;
        map.serialize_entry("alerts", &self.alerts)?;
        self.sections.iter().try_for_each(|(name, section)| map.serialize_entry(name, section))?;
        map.serialize_entry(BLOCKS, &self.blocks)?;
        map.end()
    }
}

/// As it is read: sections stand beside the frame's keys.
impl Serialize for BlockGroup {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("kind", &self.kind)?;
        map.serialize_entry("channel", &self.channel)?;
        map.serialize_entry("entities", &self.entities)?;
        map.serialize_entry("entities_per_block", &self.entities_per_block)?;
        map.serialize_entry("load", &self.load)?;
        map.serialize_entry("block_bytes_max", &self.block_bytes_max)?;
        map.serialize_entry("plugin", &self.plugin)?;
        self.sections.iter().try_for_each(|(name, section)| map.serialize_entry(name, section))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_keys_of_the_frame_are_those_that_are_written_and_read() {
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let scenario = json!(Scenario::default());
        assert_eq!(keys(&scenario), SCENARIO_KEYS.iter().chain(&[BLOCKS]).copied().collect::<Vec<_>>());
        assert_eq!(keys(&json!(BlockGroup::default())), GROUP_KEYS);
        assert_eq!(serde_json::from_value::<Scenario>(scenario).unwrap(), Scenario::default());
    }
}
