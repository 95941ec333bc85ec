//! What the author of a plugin sees: `use corec::prelude::*`, a struct that is the plugin's settings, its systems, and
//! `corec::plugin!`.
//!
//! ```
//! use corec_api::prelude::*;
//!
//! /// Says how its cells do.
//! #[derive(Deserialize, JsonSchema)]
//! struct Witness {}
//!
//! impl Plugin for Witness {
//!     fn build(&self, app: &mut App) {
//!         app.add_systems(Update, tell.in_set(Phase::Measure));
//!     }
//! }
//!
//! corec_api::plugin!(Witness, name = "witness");
//!
//! fn tell(totals: Res<Totals>, mut out: Outbox<Witness>) {
//!     out.metric("fitness", totals.fitness_end.unwrap_or(0.0));
//! }
//! ```
#![forbid(unsafe_code)]

pub mod channels;
pub mod row;

pub mod outbox;
pub mod population;

pub use corec_core::plugin;

/// What a plugin needs: the engine's types, Bevy's prelude, and the crates their derives name.
pub mod prelude {
    pub use crate::channels::{AddChannel, Channel, Inbox, Source, UnreadableMessage};
    pub use crate::outbox::Outbox;
    pub use crate::population::{Births, Deaths};
    pub use crate::row::TableRow;
    pub use bevy_app::{self, prelude::*};
    pub use bevy_ecs::{self, prelude::*};
    pub use bytemuck::{self, Pod, Zeroable};
    pub use corec_core::alert::{AddAlertRule, Alerts};
    pub use corec_core::block::{Block, BlockId, Population};
    pub use corec_core::blocks::{BlockView, Blocks};
    pub use corec_core::column::{Health, Signal, StableId, Trait};
    pub use corec_core::config::{AlertRule, BlockGroup, Scenario};
    pub use corec_core::digest::{SaveResource, Saved};
    pub use corec_core::kind::{AddKind, Kind};
    pub use corec_core::phase::{Phase, Shutdown};
    pub use corec_core::plugin::{NamedPlugin, PlannedRun, PluginDir, PluginDirs, Settings};
    pub use corec_core::rng::{self, Draws};
    pub use corec_core::rows::Rows;
    pub use corec_core::section::{AddSection, GroupSettings, ScenarioSettings, Section};
    pub use corec_core::simulation::{RunScenario, Simulation, SimulationError};
    pub use corec_core::stats::{BlockStats, Stats, Totals};
    pub use corec_core::units::{ChannelId, Tick};
    pub use corec_core::{maths, message, width};
    pub use schemars::{self, JsonSchema};
    pub use serde::{self, Deserialize, Serialize};
}
