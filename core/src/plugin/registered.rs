//! Registered plugins: those that a program was built with, before a config asks for them.

use super::configured::Configured;
use super::named::{NamedPlugin, PlannedRun};
use super::settings::{read, refused};
use crate::config::{ConfigError, PluginConfig, Scenario};

/// A plugin that a program was built with.
#[derive(Clone, Copy)]
pub struct Registered {
    name: &'static str,
    aliases: &'static [&'static str],
    configure: fn(PluginConfig) -> Result<Configured, ConfigError>,
    fits: fn(&PluginConfig, &Scenario) -> Result<(), ConfigError>,
}

impl Registered {
    /// The plugin `P`.
    pub const fn of<P: NamedPlugin>() -> Self {
        Self { name: P::NAME, aliases: P::ALIASES, configure: Configured::new::<P>, fits: fits::<P> }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether `name` is its name or an alias of it.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    /// The plugin with its settings.
    ///
    /// # Errors
    /// As [`Configured::new`].
    pub fn configure(&self, config: PluginConfig) -> Result<Configured, ConfigError> {
        (self.configure)(config)
    }

    /// Whether the plugin with these settings fits a run of `scenario`.
    ///
    /// # Errors
    /// What [`NamedPlugin::fits`] says, or a config that is not the plugin's.
    pub fn fits(&self, config: &PluginConfig, scenario: &Scenario) -> Result<(), ConfigError> {
        (self.fits)(config, scenario)
    }
}

fn fits<P: NamedPlugin>(config: &PluginConfig, scenario: &Scenario) -> Result<(), ConfigError> {
    let run = PlannedRun { scenario, interval: config.interval };
    read::<P>(config)?.fits(&run).map_err(|message| refused::<P>(config, message))
}
