//! Plugins with a name: their settings, the order they are in, how often their systems run.
//!
//! A plugin's struct is its settings; [`plugin!`](crate::plugin!) gives it its name. [`Configured::build`] adds it to an
//! app: the systems and observers that appear in its `build` are its own, and so is the first kind.

mod groups;
mod named;
mod ownership;

mod dirs;
mod settings;

mod configured;

mod registered;

use bevy_ecs::resource::Resource;

pub use configured::Configured;
pub use dirs::{FILE_BYTES_MAX, PluginDir, PluginDirs, PluginFileError};
pub use named::{NamedPlugin, PlannedRun};
pub use registered::Registered;
pub use settings::Settings;

/// Plugins that are not there because their `build` panicked, and what it said.
#[derive(Resource, Clone, Default, Debug)]
pub struct BuildFailures(pub Vec<(&'static str, String)>);

/// The plugins of a run in the order they were built, and the milliseconds a tick that each may take.
#[derive(Resource, Clone, Default, Debug)]
pub struct Budgets(pub Vec<(&'static str, Option<f64>)>);
