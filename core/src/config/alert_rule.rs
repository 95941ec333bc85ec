//! Alert rules: when an alert is raised and when it is cleared again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The signal of a block's share of inactive entities, 0..=1.
pub const FAULT_RATIO: &str = "fault_ratio";
/// The signal of a block's fitness, 0..=1.
pub const FITNESS: &str = "fitness";

/// When an alert is raised and when it is cleared again.
///
/// `enter` above `leave` watches for values that are too high, `enter` below `leave` for values that are too low.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertRule {
    /// The alert's kind, the guide's `tipo`; unique in the scenario.
    #[doc(alias = "tipo")]
    pub name: String,
    /// What is watched: the name of a signal that somebody in the run tells. Of each block: `fault_ratio` and `fitness`, of the engine;
    /// `value_max` and `value_min`, of the plugin `alerts`. Of a table: `row_score` and `column_score`.
    pub signal: String,
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
        let rule = |name: &str, signal: &str, enter, leave, severity| Self {
            name: name.into(),
            signal: signal.into(),
            enter,
            leave,
            hold: 0.0,
            severity,
        };
        vec![rule("block_faults", FAULT_RATIO, 0.15, 0.10, 2), rule("block_fitness", FITNESS, 0.20, 0.25, 2)]
    }
}
