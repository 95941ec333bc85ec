//! The scenario: plain settings with defaults, checked once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::units::{ChannelId, MemoryMax, parse_bytes};

/// Rows a block may have at most.
pub const BLOCK_ROWS_MAX: u32 = 4096;
/// Groups, and alert rules, that a scenario may have.
const LIST_MAX: usize = 1000;
/// Entities a scenario may ask for at most: what 32-bit row numbers of one kind leave room for.
pub const ENTITIES_MAX: u64 = 1_000_000_000;

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
    /// What happens when a system fails for good that writes nothing: "stop_plugin" or "fail_run". One that may write
    /// anything always ends the run.
    pub on_plugin_error: OnPluginError,
    /// Errors after which a system that returns them is stopped, at least 1.
    pub max_failures: u32,
    /// The most memory a run may need: a size ("800MB", "1GiB") or a share of the machine or its cgroup ("90%").
    pub memory_max: String,
    /// The most memory a snapshot's copy of the columns may take. Snapshots are not written by this version.
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

/// How many worker threads a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// As many as the process may use.
    All,
    /// So many, at least 1.
    Count(u32),
}

impl Serialize for Threads {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => to.serialize_str("all"),
            Self::Count(n) => to.serialize_u32(*n),
        }
    }
}

impl<'de> Deserialize<'de> for Threads {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(from)? {
            serde_json::Value::String(s) if s == "all" => Ok(Self::All),
            serde_json::Value::Number(n) if n.as_u64().is_some_and(|n| (1..=1024).contains(&n)) => {
                Ok(Self::Count(n.as_u64().unwrap_or(1) as u32))
            }
            found => {
                Err(serde::de::Error::custom(format!("found {found}, must be \"all\" or within 1..=1024")))
            }
        }
    }
}

impl JsonSchema for Threads {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Threads".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "oneOf": [{ "const": "all" }, { "type": "integer", "minimum": 1, "maximum": 1024 }]
        })
    }
}

/// Which plugins a run loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plugins {
    /// "auto": every enabled plugin found.
    Auto,
    /// These, by name.
    Named(Vec<String>),
}

impl Default for Plugins {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

impl Serialize for Plugins {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => to.serialize_str("auto"),
            Self::Named(names) => names.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Plugins {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(from)? {
            serde_json::Value::String(text) if text == "auto" => Ok(Self::Auto),
            serde_json::Value::Array(names) if names.iter().all(serde_json::Value::is_string) => {
                Ok(Self::Named(names.iter().filter_map(|name| name.as_str().map(String::from)).collect()))
            }
            found => {
                Err(serde::de::Error::custom(format!("found {found}, must be \"auto\" or a list of names")))
            }
        }
    }
}

impl JsonSchema for Plugins {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Plugins".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "oneOf": [{ "const": "auto" }, { "type": "array", "items": { "type": "string" } }]
        })
    }
}

/// What happens when a system fails for good that writes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnPluginError {
    /// The failing system stops; the run goes on.
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

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum RepairOrFalse {
    Policy(RepairPolicy),
    Off(bool),
}

mod repair_or_false {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::RepairPolicy;

    pub fn serialize<S: Serializer>(policy: &Option<RepairPolicy>, to: S) -> Result<S::Ok, S::Error> {
        match policy {
            Some(policy) => policy.serialize(to),
            None => to.serialize_bool(false),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<RepairPolicy>, D::Error> {
        match serde_json::Value::deserialize(from)? {
            serde_json::Value::Bool(false) => Ok(None),
            serde_json::Value::Bool(true) => Ok(Some(RepairPolicy::default())),
            object @ serde_json::Value::Object(_) => {
                serde_json::from_value(object).map(Some).map_err(D::Error::custom)
            }
            found => Err(D::Error::custom(format!("found {found}, must be false or an object of limits"))),
        }
    }
}

/// What an alert rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertSignal {
    /// A block's share of inactive entities, 0..=1.
    FaultRatio,
    /// A block's fitness, 0..=1.
    Fitness,
    /// The anomaly score of a table's row: the mean of its three highest columns.
    RowScore,
    /// The anomaly score of a column of a table: the highest |z| of its twins.
    ColumnScore,
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

impl Scenario {
    /// Checks every range that the types leave open. `source` names the scenario in the error.
    ///
    /// # Errors
    /// The first value that is out of range, with its path and what is allowed.
    pub fn check(&self, source: &str) -> Result<(), ConfigError> {
        let fail = |path: String, found: String, allowed: &str| {
            Err(ConfigError::Value { source_name: source.into(), path, found, allowed: allowed.into() })
        };
        if self.instance_id.is_empty()
            || self.instance_id.len() > 64
            || self.instance_id.chars().any(char::is_control)
        {
            let found = format!("'{}'", self.instance_id.escape_debug());
            return fail("instance_id".into(), found, "1 to 64 bytes without control characters");
        }
        for (key, length) in [("blocks", self.blocks.len()), ("alerts", self.alerts.len())] {
            if length > LIST_MAX {
                return fail(key.into(), format!("{length} items"), "at most 1000 items");
            }
        }
        if self.ticks == 0 {
            return fail("ticks".into(), "0".into(), "at least 1");
        }
        let positive = [
            ("tick_seconds", Some(self.tick_seconds)),
            ("store_interval", Some(self.store_interval)),
            ("publish_interval", self.publish_interval),
        ];
        for (key, value) in positive.iter().filter_map(|(key, value)| Some((key, (*value)?))) {
            if !(1e-6..=1e9).contains(&value) {
                return fail(key.to_string(), value.to_string(), "within 1e-6..=1e9 seconds");
            }
        }
        if self.max_failures == 0 {
            return fail("max_failures".into(), "0".into(), "at least 1");
        }
        if let Err(e) = self.memory_max.parse::<MemoryMax>() {
            return Err(ConfigError::Text {
                source_name: source.into(),
                path: "memory_max".into(),
                message: e,
            });
        }
        if let Err(e) = parse_bytes(&self.snapshot_memory_max) {
            return Err(ConfigError::Text {
                source_name: source.into(),
                path: "snapshot_memory_max".into(),
                message: e,
            });
        }
        if self.blocks.is_empty() {
            return fail("blocks".into(), "nothing".into(), "a list of at least one group of blocks");
        }
        for (i, rule) in self.alerts.iter().enumerate() {
            let at = |key: &str| format!("alerts[{i}].{key}");
            if rule.name.is_empty() || self.alerts[..i].iter().any(|r| r.name == rule.name) {
                return fail(at("name"), format!("'{}'", rule.name), "a name of its own");
            }
            if !(rule.enter.is_finite() && rule.leave.is_finite()) || rule.enter == rule.leave {
                return fail(at("enter"), rule.enter.to_string(), "a number other than leave");
            }
            if !(rule.hold >= 0.0 && rule.hold <= 1e9) {
                return fail(at("hold"), rule.hold.to_string(), "within 0..=1e9 seconds");
            }
            if !(1..=5).contains(&rule.severity) {
                return fail(at("severity"), rule.severity.to_string(), "within 1..=5");
            }
        }
        if let Some(t) = &self.telemetry {
            if !(t.window_min >= 2.0 && t.window_min <= 1e9) {
                return fail("telemetry.window_min".into(), t.window_min.to_string(), "within 2..=1e9 rows");
            }
            if !(t.window_max >= t.window_min && t.window_max <= 1e9) {
                return fail(
                    "telemetry.window_max".into(),
                    t.window_max.to_string(),
                    "within window_min..=1e9 rows",
                );
            }
            if t.warmup < 2 {
                return fail("telemetry.warmup".into(), t.warmup.to_string(), "at least 2");
            }
            if !(0.0..=1.0).contains(&t.deviation_floor) {
                return fail(
                    "telemetry.deviation_floor".into(),
                    t.deviation_floor.to_string(),
                    "within 0..=1",
                );
            }
            if !(t.score_max > 0.0 && t.score_max.is_finite()) {
                return fail("telemetry.score_max".into(), t.score_max.to_string(), "above 0");
            }
        }
        for (i, group) in self.blocks.iter().enumerate() {
            group.check(source, i, self)?;
        }
        let total = self.blocks.iter().try_fold(0u64, |sum, g| sum.checked_add(g.entities));
        match total {
            Some(n) if n <= ENTITIES_MAX => Ok(()),
            _ => {
                fail("blocks".into(), "more entities in all".into(), "at most 1,000,000,000 entities in all")
            }
        }
    }
}

impl BlockGroup {
    fn check(&self, source: &str, i: usize, scenario: &Scenario) -> Result<(), ConfigError> {
        let fail = |key: &str, found: String, allowed: &str| {
            let path = format!("blocks[{i}].{key}");
            Err(ConfigError::Value { source_name: source.into(), path, found, allowed: allowed.into() })
        };
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        if self.id.is_empty() || self.id.chars().count() > 64 || !self.id.chars().all(plain) {
            return fail(
                "id",
                format!("'{}'", self.id.escape_debug()),
                "1 to 64 letters, digits, '_', '-' or '.'",
            );
        }
        if scenario.blocks[..i].iter().any(|g| g.id == self.id) {
            return fail("id", format!("'{}' again", self.id), "a name no other group has");
        }
        if self.entities == 0 && scenario.telemetry.is_none() {
            return fail("entities", "0".into(), "at least 1");
        }
        if self.entities > ENTITIES_MAX {
            return fail("entities", self.entities.to_string(), "at most 1,000,000,000");
        }
        if !(1..=100_000).contains(&self.replicas) {
            return fail("replicas", self.replicas.to_string(), "within 1..=100000");
        }
        if !(1..=BLOCK_ROWS_MAX).contains(&self.entities_per_block) {
            return fail("entities_per_block", self.entities_per_block.to_string(), "within 1..=4096");
        }
        let shares = [
            ("load", self.load),
            ("dynamics.coupling", self.dynamics.coupling),
            ("dynamics.noise", self.dynamics.noise),
            ("dynamics.fault_rate", self.dynamics.fault_rate),
            ("repair.fault_ratio_max", self.repair.map_or(0.0, |r| r.fault_ratio_max)),
            ("repair.fitness_min", self.repair.map_or(0.0, |r| r.fitness_min)),
        ];
        match shares.iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            Some((key, share)) => fail(key, share.to_string(), "within 0..=1"),
            None => Ok(()),
        }
    }
}
