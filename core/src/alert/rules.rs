//! Rules that plugins add to those of a scenario, checked as those are.

use bevy_app::App;
use bevy_ecs::resource::Resource;

use super::signals::ToldSignals;
use crate::config::{AlertRule, ConfigError, Scenario};

/// Rules that plugins add to the scenario's.
#[derive(Resource, Default)]
pub struct PluginRules(pub(crate) Vec<AlertRule>);

/// Adds alert rules to an app, and signals for them.
pub trait AddAlertRule {
    /// Adds a rule to those of the scenario. One that makes no sense, has the name of another, or is about a signal that nobody
    /// tells, is reported by `Simulation::new`, which then fails.
    fn add_alert_rule(&mut self, rule: AlertRule) -> &mut Self;

    /// Declares that a system tells `signal` (`Outbox::observe`): without that, a rule about it would wait for ever and is
    /// refused.
    fn tells(&mut self, signal: &'static str) -> &mut Self;

    /// As [`AddAlertRule::tells`], in runs whose scenario has the section `section`.
    fn tells_with(&mut self, signal: &'static str, section: &'static str) -> &mut Self;
}

impl AddAlertRule for App {
    fn add_alert_rule(&mut self, rule: AlertRule) -> &mut Self {
        self.world_mut().get_resource_or_init::<PluginRules>().0.push(rule);
        self
    }

    fn tells(&mut self, signal: &'static str) -> &mut Self {
        self.world_mut().get_resource_or_init::<ToldSignals>().0.insert(signal, None);
        self
    }

    fn tells_with(&mut self, signal: &'static str, section: &'static str) -> &mut Self {
        self.world_mut().get_resource_or_init::<ToldSignals>().0.entry(signal).or_insert(Some(section));
        self
    }
}

impl PluginRules {
    /// The rules, checked.
    pub(crate) fn checked(&self, scenario: &Scenario) -> Result<&[AlertRule], ConfigError> {
        for (at, rule) in self.0.iter().enumerate() {
            let is_taken = scenario.alerts.iter().chain(&self.0[..at]).any(|other| other.name == rule.name);
            let taken = || ("name", format!("'{}'", rule.name.escape_debug()), "a name of its own");
            let checked = if is_taken { Err(taken()) } else { rule.check() };
            checked.map_err(|(key, found, allowed)| ConfigError::Value {
                source_name: "a plugin's alert rule".into(),
                path: format!("{}.{key}", rule.name.escape_debug()),
                found,
                allowed: allowed.into(),
            })?;
        }
        Ok(&self.0)
    }
}
