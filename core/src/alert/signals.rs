//! Signals that alert rules may be about: those that somebody in the run tells.

use std::collections::BTreeMap;

use bevy_ecs::resource::Resource;

use crate::config::{AlertRule, ConfigError, FAULT_RATIO, FITNESS, Scenario};

/// The signals that somebody in this run tells, by name; each with the section without which it is not told.
#[derive(Resource)]
pub struct ToldSignals(pub(super) BTreeMap<&'static str, Option<&'static str>>);

impl Default for ToldSignals {
    fn default() -> Self {
        Self([(FAULT_RATIO, None), (FITNESS, None)].into())
    }
}

impl ToldSignals {
    /// Whether a signal's subjects are blocks: those that need a section of the scenario are about what that section describes.
    pub fn is_of_blocks(&self, signal: &str) -> bool {
        self.0.get(signal).is_some_and(Option::is_none)
    }

    /// Whether every rule, of the scenario or of a plugin, is about a signal that is told in its run.
    pub(crate) fn check(&self, scenario: &Scenario, of_plugins: &[AlertRule]) -> Result<(), ConfigError> {
        let is_told = |section: &Option<&str>| section.is_none_or(|name| scenario.has_section(name));
        let told: Vec<&str> =
            self.0.iter().filter(|(_, section)| is_told(section)).map(|(name, _)| *name).collect();
        let of_scenario = scenario.alerts.iter().enumerate();
        let of_scenario = of_scenario.map(|(i, rule)| (scenario.source_name(), format!("alerts[{i}]"), rule));
        let of_plugins = of_plugins
            .iter()
            .map(|rule| ("a plugin's alert rule", rule.name.escape_debug().to_string(), rule));
        let untold = of_scenario.chain(of_plugins).find(|(.., rule)| !told.contains(&rule.signal.as_str()));
        let Some((source, path, rule)) = untold else { return Ok(()) };
        let with = self.0.get(rule.signal.as_str()).copied().flatten();
        let by = with.map_or("a plugin may tell others".into(), |section| {
            format!("a scenario with the section '{section}' would tell it")
        });
        Err(ConfigError::Value {
            source_name: source.into(),
            path: format!("{path}.signal"),
            found: format!("'{}', which nothing in this run tells", rule.signal.escape_debug()),
            allowed: format!("one of {} ({by})", told.join(", ")),
        })
    }
}
