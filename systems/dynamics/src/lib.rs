//! Built-in behaviour, one file a system. A tick reads from top to bottom: [`process`], [`remember`], [`measure`], [`audit`],
//! [`repair`], [`selection`], [`reshape`]; [`birth`] comes before the first, and [`chaos`] injects faults between them. [`forest`] tells what
//! stands apart, in a simulation or in any table.
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
pub mod inherit;
pub mod process;
pub mod remember;

pub mod measure;

pub mod chaos;

pub mod forest;

pub mod audit;

pub mod renewal;
pub mod repair;
pub mod selection;

pub mod reshape;

use bevy_app::{App, Plugin};
use bevy_ecs::world::World;
use corec_core::column::{Signal, Trait};
use corec_core::digest::SaveResource;
use corec_core::kind::{AddKind, Kind};
use corec_core::replace::Replacements;
use corec_core::section::AddSection;

/// The kinds that the built-in behaviour is for: `cell`; `full`, whose rows are as large as a million of them may be in 1 GiB; and
/// `colony`, cells whose blocks are fused, split and grown. And `mirror`, whose rows nothing here changes: they show what comes in on the input stream, such as another instance's frames.
pub struct DynamicsPlugin;

impl Plugin for DynamicsPlugin {
    fn build(&self, app: &mut App) {
        app.add_kind(Kind::new("cell").with::<Signal>().with::<Trait>())
            .add_kind(Kind::new("full").with::<Signal>().with::<Trait>().with::<remember::Traces>())
            .add_kind(Kind::new("mirror").with::<Signal>())
            .add_kind(Kind::new(reshape::COLONY).with::<Signal>().with::<Trait>().recycled());
        app.add_group_section::<settings::Dynamics>()
            .add_group_section::<settings::Repair>()
            .add_group_section::<settings::Selection>()
            .add_group_section::<reshape::Reshape>()
            .add_section::<settings::AuditInterval>()
            .add_section::<settings::Audit>()
            .add_section::<reshape::SyncInterval>();
        app.init_resource::<audit::Auditor>().save_resource::<audit::Auditor>();
        app.init_resource::<renewal::Renewals>().save_resource::<renewal::Renewals>();
        app.init_resource::<reshape::ReshapeTotals>().save_resource::<reshape::ReshapeTotals>();
        app.add_section::<chaos::Chaos>().save_resource::<chaos::Ledger>();
    }
}

/// What depends on the scenario, which a plugin's `build` does not know yet: to be called in `Startup`, before any system here.
pub fn prepare(world: &mut World) {
    world.init_resource::<birth::BirthDraws>();
    world.init_resource::<process::ProcessDraws>();
    world.init_resource::<audit::AuditDraws>();
    world.init_resource::<inherit::RepairDraws>();
    world.init_resource::<selection::SelectionDraws>();
    world.init_resource::<reshape::ReshapeDraws>();
    world.init_resource::<Replacements>();
    chaos::prepare(world);
}
