//! Built-in behaviour, one file a system. A tick reads from top to bottom: [`process`], [`remember`], [`measure`], [`repair`];
//! [`birth`] comes before the first. [`chaos`] injects faults between them. [`forest`] tells what stands apart, in a simulation or in any table.
//!
//! [`DynamicsPlugin`] registers what they need; whoever builds the tick puts the systems in their phases.
//!
//! ```
//! use bevy_app::App;
//! use bevy_ecs::schedule::IntoScheduleConfigs;
//! use corec_core::phase::Phase;
//! let mut app = App::new();
//! app.add_plugins(corec_dynamics::DynamicsPlugin);
//! app.add_systems(bevy_app::Update, corec_dynamics::process::process.in_set(Phase::Process));
//! ```
#![forbid(unsafe_code)]

pub mod settings;

pub mod birth;
pub mod process;
pub mod remember;

pub mod measure;
pub mod repair;

pub mod chaos;

pub mod forest;

use bevy_app::{App, Plugin};
use bevy_ecs::world::World;
use corec_core::column::{Signal, Trait};
use corec_core::digest::SaveResource;
use corec_core::kind::{AddKind, Kind};
use corec_core::replace::Replacements;
use corec_core::section::AddSection;

/// The kinds that the built-in behaviour is for: `cell`, and `full`, whose rows are as large as a million of them may be in 1 GiB. And
/// `mirror`, whose rows nothing here changes: they show what comes in on the input stream, such as another instance's frames.
pub struct DynamicsPlugin;

impl Plugin for DynamicsPlugin {
    fn build(&self, app: &mut App) {
        app.add_kind(Kind::new("cell").with::<Signal>().with::<Trait>())
            .add_kind(Kind::new("full").with::<Signal>().with::<Trait>().with::<remember::Traces>())
            .add_kind(Kind::new("mirror").with::<Signal>());
        app.add_section::<chaos::Chaos>().save_resource::<chaos::Ledger>();
        app.add_group_section::<settings::Dynamics>().add_group_section::<settings::Repair>();
    }
}

/// What depends on the scenario, which a plugin's `build` does not know yet: to be called in `Startup`, before any system here.
pub fn prepare(world: &mut World) {
    world.init_resource::<birth::BirthDraws>();
    world.init_resource::<process::ProcessDraws>();
    world.init_resource::<repair::RepairDraws>();
    world.init_resource::<Replacements>();
    chaos::prepare(world);
}
