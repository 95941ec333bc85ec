//! Configuration: what a scenario says, and how its text becomes settings.
//!
//! Text -> `json` -> `variables` (`${VAR}`) -> `names` (Spanish keys, the old file's shape) -> [`Scenario`], checked.
//! A plugin's config.json goes the same way to a [`PluginConfig`].
//! Every refusal is a [`ConfigError`]: where, what was found, what is allowed.

mod check;
mod either;
mod json;
mod load;
mod messages;
mod names;
mod plugin;
mod scenario;
mod variables;

pub use either::{Plugins, Threads};
pub use json::parse_json;
pub use load::{ConfigError, Loaded, TEXT_BYTES_MAX, load};
pub(crate) use messages::printable;
pub use plugin::{PluginConfig, load_plugin};
pub use scenario::{
    AlertRule, AlertSignal, BlockGroup, Dynamics, OnPluginError, RepairPolicy, Scenario, Telemetry,
};
pub use variables::{redact_url, redacted};
