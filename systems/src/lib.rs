//! CoreC's built-in dynamics, one file a system, and the bridges to streams and stores.
//!
//! A tick reads from top to bottom: [`ingest`] -> [`process`] ([`remember`], [`telemetry`]) -> [`measure`] ->
//! [`repair`] -> [`publish`]. [`CorecPlugin`] puts them in their phases; [`run`](mod@run) makes a whole run of them.
#![forbid(unsafe_code)]

pub mod birth;
pub mod ingest;
pub mod measure;
pub mod process;
pub mod publish;
pub mod remember;
pub mod repair;
pub mod telemetry;

pub mod bus;
pub mod channels;
pub mod outbox;
pub mod store;

pub mod ask;
pub mod fork;
mod lock;
pub mod plugins;
pub mod recorded;
pub mod replay;
pub mod run;
pub mod scenarios;
pub mod stop;
mod summary;
pub mod testing;
pub mod verify;

/// Settings and the text forms of numbers, for a command line.
pub mod settings {
    pub use corec_core::config::{Loaded, Threads, load};
    pub use corec_core::units::{grouped, parse_count};
}

/// Snapshots and journals, for a command line.
pub mod snapshots {
    pub use corec_core::digest::FORMAT as DIGEST_FORMAT;
    pub use corec_core::journal::{Input, Inputs, LogError, summary};
    pub use corec_core::snapshot::{Difference, Part, Snapshot, SnapshotError, diff, latest};
    pub use corec_core::units::RunId;
}

pub use corec_core::plugin;

use bevy_app::{App, Plugin, Startup, Update};
use bevy_ecs::schedule::IntoScheduleConfigs;
use corec_core::column::{Signal, Trait};
use corec_core::digest::SaveResource;
use corec_core::kind::{AddKind, Kind};
use corec_core::observers;
use corec_core::phase::{Close, Owner, Phase};

use corec_core::replace::{Replacements, replace};
use ingest::InputCursor;
use telemetry::feed;
use telemetry::follow::{self, Twin};
use telemetry::scores::Scores;

/// What a plugin needs: the engine's types, Bevy's prelude, and the crates their derives name.
pub mod prelude {
    pub use crate::CorecPlugin;
    pub use crate::channels::{AddChannel, Channel, Inbox, Source, UnreadableMessage};
    pub use crate::outbox::Outbox;
    pub use crate::plugins::CorecPlugins;
    pub use crate::telemetry::feed::TableInput;
    pub use bevy_app::{self, prelude::*};
    pub use bevy_ecs::{self, prelude::*};
    pub use bytemuck::{Pod, Zeroable};
    pub use corec_core::alert::{AddAlertRule, Alert, AlertState, Alerts};
    pub use corec_core::block::{Block, BlockId, GroupId, Population};
    pub use corec_core::blocks::{BlockView, Blocks};
    pub use corec_core::column::{Health, Signal, StableId, Trait};
    pub use corec_core::config::{AlertRule, AlertSignal, BlockGroup, Dynamics, RepairPolicy, Scenario};
    pub use corec_core::digest::{Digest, SaveResource, Saved};
    pub use corec_core::kind::{AddKind, Kind};
    pub use corec_core::phase::{Phase, Shutdown};
    pub use corec_core::plugin::{NamedPlugin, PlannedRun, PluginDir, PluginDirs};
    pub use corec_core::rng::{self, Draws};
    pub use corec_core::rows::{RowError, Rows};
    pub use corec_core::simulation::{Ending, RunScenario, Simulation, SimulationError};
    pub use corec_core::stats::{BlockStats, Stats, Totals};
    pub use corec_core::units::{ChannelId, Tick};
    pub use corec_core::{maths, message, width};
    pub use schemars::{self, JsonSchema};
    pub use serde::{Deserialize, Serialize};
}

/// The built-in kinds and systems, in their phases.
///
/// Needs a bus and a store in the world: [`run::run`] opens those of the scenario, and `Simulation::new` on an app
/// with this plugin alone gets them in memory.
pub struct CorecPlugin;

impl Plugin for CorecPlugin {
    fn build(&self, app: &mut App) {
        observers::watch(app.world_mut());
        app.add_kind(Kind::new("cell").with::<Signal>().with::<Trait>())
            .add_kind(Kind::new("full").with::<Signal>().with::<Trait>().with::<remember::Traces>())
            .add_kind(Kind::new("twin").with::<Signal>().with::<Twin>());
        app.init_resource::<InputCursor>().save_resource::<InputCursor>();
        app.init_resource::<Scores>().save_resource::<Scores>();
        app.add_systems(Startup, (prepare, (birth::birth, follow::assign)).chain().in_set(Owner::BuiltIn));
        channels::prepare(app);
        let ingest = (
            channels::deliver.run_if(channels::are_any),
            feed::take_row,
            ingest::ingest.run_if(ingest::has_input_stream),
        )
            .chain();
        let process = (process::process, remember::remember, follow::follow).chain();
        let measure = (measure::measure, follow::score).chain();
        let publish = (
            publish::watch,
            publish::publish_frames.run_if(publish::is_frame_due),
            channels::carry,
            publish::publish,
        )
            .chain();
        app.add_systems(
            Update,
            (
                ingest.in_set(Phase::Ingest),
                process.in_set(Phase::Process),
                measure.in_set(Phase::Measure),
                (repair::repair, replace).chain().in_set(Phase::Repair),
                publish.in_set(Phase::Publish),
            )
                .in_set(Owner::BuiltIn),
        );
        app.add_systems(Close, (channels::carry, publish::close).chain().in_set(Owner::BuiltIn));
    }
}

/// What depends on the scenario, which a plugin's `build` does not know yet.
fn prepare(world: &mut bevy_ecs::world::World) {
    use corec_core::bus::RunBus;
    use corec_core::store::RunRecord;
    world.init_resource::<process::ProcessDraws>();
    world.init_resource::<birth::BirthDraws>();
    world.init_resource::<repair::RepairDraws>();
    world.init_resource::<Replacements>();
    if !world.contains_resource::<RunBus>() {
        world.insert_resource(RunBus(Box::new(bus::MemoryBus::default())));
    }
    if !world.contains_resource::<store::StoreWriter>() {
        let run = RunRecord {
            id: None,
            scenario: String::new(),
            instance: String::new(),
            seed: 0,
            entities: 0,
            settings: String::new(),
            continues: false,
            is_old: false,
        };
        match store::StoreWriter::start(Box::new(store::MemoryStore::default()), &run) {
            Ok(writer) => world.insert_resource(writer),
            Err(error) => world.resource_mut::<corec_core::simulation::Ending>().fail(error),
        }
    }
}
