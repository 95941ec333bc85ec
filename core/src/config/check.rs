//! The ranges of a scenario's settings that their types leave open, checked once.

use super::{BlockGroup, ConfigError, Plugins, Scenario, redact_url};
use crate::units::{MemoryMax, parse_bytes};

/// Rows a block may have at most.
pub const BLOCK_ROWS_MAX: u32 = 4096;
/// What a key allows, where that is less than its type does: told as well where a value does not even fit the type.
pub(super) const RANGES: &[(&str, &str)] = &[
    ("seed", "a whole number of at least 0"),
    ("ticks", "a whole number of at least 1"),
    ("max_failures", "a whole number of at least 1"),
    ("tick_seconds", "within 1e-6..=1e9 seconds"),
    ("tick_seconds_max", "within 1e-6..=1e9 seconds"),
    ("store_interval", "within 1e-6..=1e9 seconds"),
    ("publish_interval", "within 1e-6..=1e9 seconds, or null"),
    ("channel", "a whole number within -128..=127"),
    ("entities", "a whole number within 0..=1,000,000,000"),
    ("entities_per_block", "a whole number within 1..=4096"),
    ("block_bytes_max", "a whole number of at least 0, or null"),
    ("load", "within 0..=1"),
    ("hold", "within 0..=1e9 seconds"),
    ("severity", "a whole number within 1..=5"),
];
/// Groups, and alert rules, that a scenario may have.
const LIST_MAX: usize = 1000;
/// Entities a scenario may ask for at most: what 32-bit row numbers of one kind leave room for.
pub const ENTITIES_MAX: u64 = 1_000_000_000;

fn out_of_range(source: &str, path: String, found: String, allowed: &str) -> ConfigError {
    ConfigError::Value { source_name: source.into(), path, found, allowed: allowed.into() }
}

impl Scenario {
    /// Checks every range that the types leave open. `source` names the scenario in the error.
    ///
    /// # Errors
    /// The first value that is out of range, with its path and what is allowed.
    pub fn check(&self, source: &str) -> Result<(), ConfigError> {
        if self.instance_id.is_empty()
            || self.instance_id.len() > 64
            || self.instance_id.chars().any(char::is_control)
        {
            let found = format!("'{}'", self.instance_id.escape_debug());
            let allowed = "1 to 64 bytes without control characters";
            return Err(out_of_range(source, "instance_id".into(), found, allowed));
        }
        self.check_texts(source)?;
        let blocks = self.blocks.iter().filter(|group| group.place.is_none()).count();
        for (key, length) in [("blocks", blocks), ("alerts", self.alerts.len())] {
            if length > LIST_MAX {
                let found = format!("{length} items");
                return Err(out_of_range(source, key.into(), found, "at most 1000 items"));
            }
        }
        self.check_numbers(source)?;
        if self.blocks.is_empty() && self.plugins == Plugins::default() {
            let allowed = "a list of at least one group of blocks, or plugins that do without";
            return Err(out_of_range(source, "blocks".into(), "nothing".into(), allowed));
        }
        self.check_alerts(source)?;
        self.check_blocks(source)
    }

    /// Checks the numbers and sizes of the run as a whole.
    fn check_numbers(&self, source: &str) -> Result<(), ConfigError> {
        if self.ticks == 0 {
            return Err(out_of_range(source, "ticks".into(), "0".into(), "at least 1"));
        }
        let positive = [
            ("tick_seconds", Some(self.tick_seconds)),
            ("tick_seconds_max", Some(self.tick_seconds_max)),
            ("store_interval", Some(self.store_interval)),
            ("publish_interval", self.publish_interval),
        ];
        for (key, value) in positive.iter().filter_map(|(key, value)| Some((key, (*value)?))) {
            if !(1e-6..=1e9).contains(&value) {
                let allowed = "within 1e-6..=1e9 seconds";
                return Err(out_of_range(source, key.to_string(), value.to_string(), allowed));
            }
        }
        if self.max_failures == 0 {
            return Err(out_of_range(source, "max_failures".into(), "0".into(), "at least 1"));
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
        Ok(())
    }

    fn check_alerts(&self, source: &str) -> Result<(), ConfigError> {
        for (i, rule) in self.alerts.iter().enumerate() {
            let at = |key: &str| format!("alerts[{i}].{key}");
            if self.alerts[..i].iter().any(|r| r.name == rule.name) {
                let found = format!("'{}'", rule.name.escape_debug());
                return Err(out_of_range(source, at("name"), found, "a name of its own"));
            }
            rule.check().map_err(|(key, found, allowed)| out_of_range(source, at(key), found, allowed))?;
        }
        Ok(())
    }

    fn check_blocks(&self, source: &str) -> Result<(), ConfigError> {
        for (i, group) in self.blocks.iter().enumerate() {
            group.check(source, &format!("blocks[{i}]."))?;
            if self.blocks[..i].iter().any(|g| g.id == group.id) {
                let (path, found) = (format!("blocks[{i}].id"), format!("'{}' again", group.id));
                return Err(out_of_range(source, path, found, "a name no other group has"));
            }
        }
        let total = self.blocks.iter().try_fold(0u64, |sum, g| sum.checked_add(g.entities));
        match total {
            Some(n) if n <= ENTITIES_MAX => Ok(()),
            _ => {
                let (found, allowed) = ("more entities in all", "at most 1,000,000,000 entities in all");
                Err(out_of_range(source, "blocks".into(), found.into(), allowed))
            }
        }
    }

    /// Checks what is printed as it is: on a terminal a control character would do as it likes.
    fn check_texts(&self, source: &str) -> Result<(), ConfigError> {
        let text = |key: &str, text: &str| (key.to_string(), text.to_string());
        let mut texts = vec![
            text("name", &self.name),
            text("role", &self.role),
            // Not with its password, should it have one.
            text("bus", &redact_url(&self.bus)),
            text("store", &redact_url(&self.store)),
            text("input_stream", self.input_stream.as_deref().unwrap_or_default()),
            text("memory_max", &self.memory_max),
            text("snapshot_memory_max", &self.snapshot_memory_max),
        ];
        if let Plugins::Named(names) = &self.plugins {
            texts.extend(names.iter().enumerate().map(|(i, name)| (format!("plugins[{i}]"), name.clone())));
        }
        match texts.into_iter().find(|(_, text)| text.chars().any(char::is_control)) {
            None => Ok(()),
            Some((path, text)) => {
                let found = format!("'{}'", text.escape_debug());
                Err(out_of_range(source, path, found, "a text without control characters"))
            }
        }
    }
}

impl BlockGroup {
    /// Checks what a group says of itself. `at` is its place in `source`: `blocks[0].`
    pub(super) fn check(&self, source: &str, at: &str) -> Result<(), ConfigError> {
        let fail = |key: &str, found: String, allowed: &str| {
            Err(out_of_range(source, format!("{at}{key}"), found, allowed))
        };
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        if self.id.is_empty() || self.id.chars().count() > 64 || !self.id.chars().all(plain) {
            return fail(
                "id",
                format!("'{}'", self.id.escape_debug()),
                "1 to 64 letters, digits, '_', '-' or '.'",
            );
        }
        let plugin = self.plugin.as_deref().unwrap_or_default();
        for (key, text) in [("kind", self.kind.as_str()), ("plugin", plugin)] {
            if text.chars().any(char::is_control) {
                let found = format!("'{}'", text.escape_debug());
                return fail(key, found, "a name without control characters");
            }
        }
        if self.entities > ENTITIES_MAX {
            return fail("entities", self.entities.to_string(), "at most 1,000,000,000");
        }
        if !(1..=BLOCK_ROWS_MAX).contains(&self.entities_per_block) {
            return fail("entities_per_block", self.entities_per_block.to_string(), "within 1..=4096");
        }
        if !(0.0..=1.0).contains(&self.load) {
            return fail("load", self.load.to_string(), "within 0..=1");
        }
        Ok(())
    }
}
