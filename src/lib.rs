#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub use corec_api::{channels, plugin};
pub use corec_core::config::{Loaded, OnPluginError, Plugins, Threads, load};
pub use corec_core::snapshot::{About, Snapshot, SnapshotError, SnapshotFolder, latest, write_in_place};
#[cfg(feature = "http")]
#[doc(no_inline)]
pub use corec_live as live;
#[doc(no_inline)]
pub use corec_run as run;
#[doc(no_inline)]
pub use corec_run::{CorecPlugin, forest, plugins, scenarios, testing};
#[doc(no_inline)]
pub use corec_run::{Options, RunError, RunPlan, SnapshotInterval, Stop, Summary, View, Watch};

/// What a plugin and a program of one's own need.
pub mod prelude {
    pub use corec_api::prelude::*;
    pub use corec_run::settings::{Dynamics, Repair, RepairPolicy, Replicas, Telemetry};
    pub use corec_run::{CorecPlugin, plugins::CorecPlugins};
}

/// The guide's blocks, compiled and run as the README's are.
#[cfg(doctest)]
#[doc = include_str!("../docs/plugin-guide.md")]
struct PluginGuide;

/// The guide in Spanish.
#[cfg(doctest)]
#[doc = include_str!("../docs/es/guia-de-plugins.md")]
struct GuiaDePlugins;
