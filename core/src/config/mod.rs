//! Configuration: what a scenario says, and how its text becomes settings.
//!
//! Text -> `json` -> `variables` (`${VAR}`) -> `names` (Spanish keys, the old file's shape) -> [`Scenario`], checked.
//! A plugin's config.json goes the same way to a [`PluginConfig`].
//! Every refusal is a [`ConfigError`]: where, what was found, what is allowed.

mod messages;

mod error;

mod alert_rule;
mod either;
mod scenario;

mod json;
mod names;
mod variables;

mod check;

mod load;

mod plugin;

pub use alert_rule::{AlertRule, FAULT_RATIO, FITNESS};
pub use check::BLOCK_ROWS_MAX;
pub use either::{Plugins, Threads};
pub use error::ConfigError;
pub use json::parse_json;
pub(crate) use load::deserialize;
pub use load::{Loaded, TEXT_BYTES_MAX, load};
pub(crate) use messages::{printable, unknown};
pub use plugin::{PluginConfig, load_plugin};
pub use scenario::{BlockGroup, OnPluginError, Scenario, SectionValues};
pub(crate) use scenario::{GROUP_KEYS, SCENARIO_KEYS};

pub use variables::{redact_url, redacted, with_encoded_password};
