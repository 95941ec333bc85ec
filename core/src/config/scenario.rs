//! The scenario: plain settings with defaults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::either::{Plugins, RepairOrFalse, Threads, repair_or_false};
use crate::units::ChannelId;

/// A whole run: what lives, how it behaves, where its output goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Set for a scenario that replays a table of telemetry (`--input`); null for any other.
    pub telemetry: Option<Telemetry>,
    /// What lives: groups of blocks.
    #[doc(alias = "bloques")]
    pub blocks: Vec<BlockGroup>,
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
            input_stream: None,
            plugins: Plugins::default(),
            on_plugin_error: OnPluginError::StopPlugin,
            max_failures: 3,
            memory_max: "90%".into(),
            snapshot_memory_max: "256MB".into(),
            alerts: AlertRule::defaults(),
            telemetry: None,
            blocks: Vec::new(),
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

/// A group of blocks of one kind that share channel, load, dynamics and repair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BlockGroup {
    /// The group's name, unique in the scenario; its blocks are `id/0`, `id/1`, ...
    pub id: String,
    /// The kind of its entities: "cell", "full", "twin", or one that a plugin registers.
    pub kind: String,
    /// The stream channel, -128..=127.
    #[doc(alias = "canal")]
    pub channel: ChannelId,
    /// Entities in all blocks of the group together. A group of twins takes it from its input.
    #[doc(alias = "entidades")]
    pub entities: u64,
    /// Twins for each column of the input table, at least 1. Only for a group of twins.
    pub replicas: u32,
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
    /// The default dynamics.
    pub dynamics: Dynamics,
    /// When the group's blocks are repaired; false for never.
    #[doc(alias = "autoreparacion")]
    #[serde(with = "repair_or_false")]
    #[schemars(with = "RepairOrFalse")]
    pub repair: Option<RepairPolicy>,
}

impl Default for BlockGroup {
    fn default() -> Self {
        Self {
            id: String::new(),
            kind: "cell".into(),
            channel: ChannelId(1),
            entities: 0,
            replicas: 1,
            entities_per_block: 1000,
            load: 0.5,
            block_bytes_max: None,
            plugin: None,
            dynamics: Dynamics::default(),
            repair: Some(RepairPolicy::default()),
        }
    }
}

/// The default dynamics of one entity:
/// `value += gain * (target - value) + coupling * (block mean - value) + noise`, kept within 0..=1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Dynamics {
    /// Share of the distance to the block's mean covered in a tick, 0..=1.
    pub coupling: f32,
    /// Largest random change of a value in a tick, 0..=1; drawn evenly from -noise..noise.
    pub noise: f32,
    /// Chance that an entity fails in a tick in which it is processed, 0..=1.
    pub fault_rate: f32,
}

impl Default for Dynamics {
    fn default() -> Self {
        Self { coupling: 0.05, noise: 0.02, fault_rate: 0.001 }
    }
}

/// When a block is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RepairPolicy {
    /// A block with a larger share of inactive entities is repaired, 0..=1.
    #[doc(alias = "max_errores")]
    pub fault_ratio_max: f32,
    /// A block with a lower fitness is repaired, 0..=1.
    #[doc(alias = "min_fitness")]
    pub fitness_min: f32,
}

impl Default for RepairPolicy {
    fn default() -> Self {
        Self { fault_ratio_max: 0.05, fitness_min: 0.2 }
    }
}

/// What an alert rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertSignal {
    /// A block's share of inactive entities, 0..=1.
    FaultRatio,
    /// A block's fitness, 0..=1.
    Fitness,
    /// The highest value of a block's active entities. Told by the plugin `alerts`.
    ValueMax,
    /// The lowest value of a block's active entities. Told by the plugin `alerts`.
    ValueMin,
    /// The anomaly score of a table's row: the mean of its three highest columns.
    RowScore,
    /// The anomaly score of a column of a table: the highest |z| of its twins.
    ColumnScore,
}

impl AlertSignal {
    /// As a scenario has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FaultRatio => "fault_ratio",
            Self::Fitness => "fitness",
            Self::ValueMax => "value_max",
            Self::ValueMin => "value_min",
            Self::RowScore => "row_score",
            Self::ColumnScore => "column_score",
        }
    }
}

/// When an alert is raised and when it is cleared again.
///
/// `enter` above `leave` watches for values that are too high, `enter` below `leave` for values that are too low.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertRule {
    /// The alert's kind, the guide's `tipo`; unique in the scenario.
    #[doc(alias = "tipo")]
    pub name: String,
    /// What is watched.
    pub signal: AlertSignal,
    /// The value at which the alert is raised.
    pub enter: f64,
    /// The value at which it is cleared. The distance to `enter` keeps it from flapping.
    pub leave: f64,
    /// Simulated seconds for which the value must stay past `enter` before the alert is raised.
    #[serde(default)]
    pub hold: f64,
    /// How urgent: 1 is the most, 5 the least.
    #[doc(alias = "prioridad")]
    #[serde(default = "AlertRule::severity_default")]
    pub severity: u8,
}

impl AlertRule {
    fn severity_default() -> u8 {
        2
    }

    /// Whether its values make sense.
    ///
    /// # Errors
    /// The key, what was found, what is allowed.
    pub fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        let is_name = (1..=64).contains(&self.name.len()) && !self.name.chars().any(char::is_control);
        if !is_name {
            return Err(("name", format!("'{}'", self.name.escape_debug()), "1 to 64 bytes of text"));
        }
        if !(self.enter.is_finite() && self.leave.is_finite()) || self.enter == self.leave {
            return Err(("enter", self.enter.to_string(), "a number other than leave"));
        }
        if !(self.hold >= 0.0 && self.hold <= 1e9) {
            return Err(("hold", self.hold.to_string(), "within 0..=1e9 seconds"));
        }
        if !(1..=5).contains(&self.severity) {
            return Err(("severity", self.severity.to_string(), "within 1..=5"));
        }
        Ok(())
    }

    /// The rules of a scenario that names none.
    pub fn defaults() -> Vec<Self> {
        let rule = |name: &str, signal, enter, leave, severity| Self {
            name: name.into(),
            signal,
            enter,
            leave,
            hold: 0.0,
            severity,
        };
        vec![
            rule("block_faults", AlertSignal::FaultRatio, 0.15, 0.10, 2),
            rule("block_fitness", AlertSignal::Fitness, 0.20, 0.25, 2),
        ]
    }
}

/// How a twin learns what is normal for its column.
///
/// A twin keeps an exponentially weighted mean and deviation of its column. Its score is
/// `|value - mean| / deviation`, taken before the value is learned. The replicas of a column learn at different
/// speeds: their windows are spread evenly, on a logarithmic scale, from `window_min` to `window_max`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// Rows over which the quickest replica averages, at least 2. A single replica uses the geometric middle.
    pub window_min: f64,
    /// Rows over which the slowest replica averages, at least `window_min`.
    pub window_max: f64,
    /// Values of its column a twin sees before it scores, at least 2.
    pub warmup: u32,
    /// The least deviation, as a share of the column's range so far, 0..=1: a quiet column may stir a little.
    pub deviation_floor: f64,
    /// The largest score a twin gives, above 0: one wild column must not drown the others.
    pub score_max: f64,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { window_min: 200.0, window_max: 2000.0, warmup: 100, deviation_floor: 0.01, score_max: 20.0 }
    }
}
