//! Settings: a plugin's own struct, as its config has it.

use std::ops::Deref;

use bevy_ecs::resource::Resource;
use schemars::schema_for;

use super::named::NamedPlugin;
use crate::config::{ConfigError, PluginConfig};

/// A plugin's own struct as its config has it, for the plugin's systems: there without a line of code.
///
/// ```
/// # use bevy_app::{App, Plugin, Update};
/// # use bevy_ecs::change_detection::Res;
/// # use corec_core::plugin::Settings;
/// # use schemars::JsonSchema;
/// # use serde::Deserialize;
/// # #[derive(Deserialize, JsonSchema, Default)]
/// # #[serde(default)]
/// # struct Fatigue { gain_per_tick: f32 }
/// # impl Plugin for Fatigue { fn build(&self, app: &mut App) { app.add_systems(Update, tire); } }
/// # corec_core::plugin!(Fatigue, name = "fatigue");
/// fn tire(fatigue: Res<Settings<Fatigue>>) {
///     println!("{}", fatigue.gain_per_tick);
/// }
/// ```
#[derive(Resource)]
pub struct Settings<P: NamedPlugin>(pub(super) P);

impl<P: NamedPlugin> Deref for Settings<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.0
    }
}

/// The plugin's struct as its config has it.
pub(super) fn read<P: NamedPlugin>(config: &PluginConfig) -> Result<P, ConfigError> {
    let schema = schema_for!(P);
    let fields = schema.get("properties").and_then(|fields| fields.as_object());
    let fields: Vec<&str> = fields.into_iter().flat_map(|fields| fields.keys().map(String::as_str)).collect();
    config.own(&fields)
}

/// What a plugin has against its settings.
pub(super) fn refused<P: NamedPlugin>(config: &PluginConfig, message: String) -> ConfigError {
    ConfigError::Text { source_name: config.source.clone(), path: P::NAME.to_string(), message }
}
