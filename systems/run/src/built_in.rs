//! The built-in systems of a tick, in their order. It reads from top to bottom.

use bevy_app::{App, Plugin, Startup, Update};
use bevy_ecs::schedule::IntoScheduleConfigs;
use bevy_ecs::system::Res;
use bevy_ecs::world::World;
use corec_api::channels;
use corec_bridges::bus::MemoryBus;
use corec_bridges::ingest::{self, InputCursor, RefusedFlood};
use corec_bridges::store::{MemoryStore, StoreLane};
use corec_bridges::{frames, publish};
use corec_core::bus::{Planted, RunBus};
use corec_core::digest::SaveResource;
use corec_core::observers;
use corec_core::phase::{Close, Owner, Phase};
use corec_core::replace::replace;
use corec_core::section::AddSection;
use corec_core::simulation::{Ending, RunScenario};
use corec_core::store::{Batch, RunRecord};
use corec_dynamics::{
    DynamicsPlugin, audit, birth, chaos, measure, process, remember, repair, reshape, selection,
};
use corec_telemetry::feed::{self, Feed};
use corec_telemetry::{TelemetryPlugin, row_forest, scores, twin};

use crate::http::Http;

/// The built-in kinds and systems, in their phases.
///
/// Needs a bus and a store in the world: [`run`](crate::run) opens those of the scenario, and `Simulation::new` on an app
/// with this plugin alone gets them in memory.
pub struct CorecPlugin;

impl Plugin for CorecPlugin {
    fn build(&self, app: &mut App) {
        observers::watch(app.world_mut());
        app.add_plugins((DynamicsPlugin, TelemetryPlugin)).add_section::<Http>();
        app.init_resource::<InputCursor>().save_resource::<InputCursor>();
        app.init_resource::<RefusedFlood>().save_resource::<RefusedFlood>();
        app.init_resource::<Batch>().init_resource::<Planted>();
        channels::prepare(app);
        let start = (corec_dynamics::prepare, connect, (birth::birth, twin::assign)).chain();
        app.add_systems(Startup, start.in_set(Owner::BuiltIn));
        let ingest = (
            channels::deliver.run_if(channels::are_any),
            feed::take_row,
            chaos::flood.run_if(chaos::is_on).run_if(takes_messages),
            ingest::ingest.run_if(takes_messages),
        )
            .chain();
        let process =
            (process::process, remember::remember, twin::follow, chaos::inject.run_if(chaos::is_on)).chain();
        let measure = (
            measure::measure,
            row_forest::judge.run_if(row_forest::is_wanted),
            scores::score,
            scores::report,
        )
            .chain();
        let repair = (
            repair::repair,
            replace,
            selection::select.run_if(selection::is_on),
            chaos::heal.run_if(chaos::is_on),
            reshape::reshape.run_if(reshape::is_due),
        )
            .chain();
        let publish = (
            publish::watch,
            frames::publish_frames.run_if(frames::is_frame_due),
            channels::carry,
            publish::publish,
        )
            .chain();
        let tick = (
            ingest.in_set(Phase::Ingest),
            process.in_set(Phase::Process),
            measure.in_set(Phase::Measure),
            audit::audit.in_set(Phase::Audit),
            repair.in_set(Phase::Repair),
            publish.in_set(Phase::Publish),
        );
        app.add_systems(Update, tick.in_set(Owner::BuiltIn));
        app.add_systems(
            Close,
            (publish::seal, channels::carry, publish::close).chain().in_set(Owner::BuiltIn),
        );
    }
}

/// Whether messages come on the scenario's input stream; where there is no table, the rows of a telemetry scenario do.
fn takes_messages(scenario: Res<RunScenario>, feed: Option<Res<Feed>>) -> bool {
    let stream = scenario.0.input_stream.as_deref();
    stream.is_some_and(|stream| !feed.is_some_and(|feed| feed.is_on(stream)))
}

/// Gives a simulation that nobody has given a bus or a store one in memory.
fn connect(world: &mut World) {
    if !world.contains_resource::<RunBus>() {
        world.insert_resource(RunBus::new(Box::new(MemoryBus::default())));
    }
    if !world.contains_resource::<StoreLane>() {
        match StoreLane::start(Box::new(MemoryStore::default()), &RunRecord::default(), None) {
            Ok(lane) => world.insert_resource(lane),
            Err(error) => world.resource_mut::<Ending>().fail(error),
        }
    }
}
