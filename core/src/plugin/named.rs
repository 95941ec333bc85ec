//! A named plugin: what [`plugin!`](crate::plugin!) says of it, and the planned run that its settings have to fit.

use bevy_app::Plugin;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::config::Scenario;
use crate::units::seconds_to_ticks;

/// A plugin whose fields are its settings. Written by [`plugin!`](crate::plugin!).
pub trait NamedPlugin: Plugin + DeserializeOwned + JsonSchema {
    /// Its name in config.json, reports and alerts.
    const NAME: &'static str;
    /// Names that an older config.json may have for it.
    const ALIASES: &'static [&'static str];

    /// Whether its settings make sense, beside what their types and its schema say. Asked before it is built.
    ///
    /// # Errors
    /// Which key, what was found, what is allowed.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether its settings fit the run that is planned. Asked once the scenario is known, before it is built; not for a
    /// run that is done again.
    ///
    /// # Errors
    /// As [`NamedPlugin::check`].
    fn fits(&self, _: &PlannedRun) -> Result<(), String> {
        Ok(())
    }
}

/// What a plugin is to be part of, as far as its settings may have to fit it.
#[derive(Clone, Copy, Debug)]
pub struct PlannedRun<'a> {
    /// The scenario, without the groups of plugins.
    pub scenario: &'a Scenario,
    /// The plugin's `interval` in simulated seconds; none for every tick.
    pub interval: Option<f64>,
}

impl PlannedRun<'_> {
    /// Ticks between two runs of the plugin's systems, at least 1.
    pub fn interval_ticks(&self) -> u64 {
        self.interval.map_or(1, |seconds| seconds_to_ticks(seconds, self.scenario.tick_seconds))
    }
}

/// Gives a plugin its name, the names it is also known by, and what checks its settings: `check = Type::check`, a
/// `fn(&Type) -> Result<(), String>`, by themselves; `fits = Type::fits`, a `fn(&Type, &PlannedRun) -> Result<(), String>`,
/// against the scenario and the plugin's `interval`.
///
/// The struct is the plugin's settings: `Deserialize` with defaults, `JsonSchema` with a doc comment a field. A key of its
/// config.json that is neither a field nor one of the engine's is an error.
///
/// ```
/// use bevy_app::{App, Plugin};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// /// Entities tire under load.
/// #[derive(Deserialize, JsonSchema, Default)]
/// #[serde(default)]
/// struct Fatigue {
///     /// Tiredness gained per tick at full value.
///     gain_per_tick: f32,
/// }
///
/// impl Plugin for Fatigue {
///     fn build(&self, _: &mut App) {}
/// }
///
/// corec_core::plugin!(Fatigue, name = "fatigue", aliases = ["fatiga"]);
/// ```
#[macro_export]
macro_rules! plugin {
    ($plugin:ty, name = $name:literal $(, aliases = [$($alias:literal),* $(,)?])? $(, check = $check:path)? $(, fits = $fits:path)? $(,)?) => {
        impl $crate::plugin::NamedPlugin for $plugin {
            const NAME: &'static str = $name;
            const ALIASES: &'static [&'static str] = &[$($($alias),*)?];
            $(
                fn check(&self) -> ::std::result::Result<(), ::std::string::String> {
                    $check(self)
                }
            )?
            $(
                fn fits(&self, run: &$crate::plugin::PlannedRun) -> ::std::result::Result<(), ::std::string::String> {
                    $fits(self, run)
                }
            )?
        }
    };
}
