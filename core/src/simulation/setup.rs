//! Setup: what every run has in its world before it is populated, and what must hold for it.

use std::time::Duration;

use bevy_app::{App, Update};
use bevy_ecs::schedule::IntoScheduleConfigs;
use bevy_ecs::world::World;
use bevy_time::{Fixed, Time, TimePlugin, TimeUpdateStrategy, Virtual};

use super::ending::{Ending, StoppedPlugins};
use super::error::SimulationError;
use super::pauses::{PauseWishes, PausedPlugins};
use crate::alert::{Alerts, Author, Beside, PluginRules, Reason, ToldSignals};
use crate::block::{Directory, Population};
use crate::clock::Clocks;
use crate::config::{OnPluginError, Scenario};
use crate::digest::SavedResources;
use crate::executor::Reports;
use crate::flags::Flags;
use crate::journal::Journal;
use crate::kind::Kinds;
use crate::memory::{self, Need};
use crate::outputs::Outputs;
use crate::phase::{Close, Phase, Shutdown};
use crate::plugin::BuildFailures;
use crate::populate::PopulateError;
use crate::repairs::Repairs;
use crate::stats::{Stats, Totals};
use crate::turns::Turns;
use crate::units::{Epoch, MemoryMax, Tick};

/// Tells of plugins that could not be built, or refuses to run without them.
pub(super) fn tell_of_build_failures(
    world: &mut World,
    on_plugin_error: OnPluginError,
) -> Result<(), SimulationError> {
    for (plugin, message) in world.get_resource::<BuildFailures>().cloned().unwrap_or_default().0 {
        if on_plugin_error == OnPluginError::FailRun {
            let message = format!("plugin '{plugin}' panicked in build: {message}");
            return Err(SimulationError::Failed { tick: 0, message });
        }
        tracing::error!("plugin '{plugin}' panicked in build, the run goes on without it: {message}");
        world.resource_mut::<Alerts>().publish("", "plugin_stopped", plugin, 1.0, 1, 0);
    }
    Ok(())
}

/// Whether the scenario fits; gives what it may need.
pub(super) fn check_memory(world: &mut World, scenario: &Scenario) -> Result<Option<u64>, SimulationError> {
    let mut kinds = world.get_resource_or_init::<Kinds>();
    if let Some(refused) = kinds.take_refusal() {
        return Err(PopulateError::from(refused).into());
    }
    let need = Need::of(&kinds, scenario)?;
    let max: MemoryMax = scenario.memory_max.parse().unwrap_or(MemoryMax::Share(0.9));
    let limit = memory::limit(max);
    match limit {
        Some(limit) if need.bytes > limit => Err(SimulationError::Memory {
            needed: need.bytes / 1_000_000,
            limit: limit / 1_000_000,
            setting: scenario.memory_max.clone(),
            table: need.to_string(),
        }),
        limit => Ok(limit),
    }
}

/// Systems run on the team's threads, and what is not Send on its first one: nothing of the kind may be there before.
pub(super) fn check_non_send(world: &World) -> Result<(), SimulationError> {
    let present = world.storages().non_sends.iter().find(|(_, data)| data.is_present());
    let name = |id| world.components().get_name(id).map(|name| name.shortname().to_string());
    present.map_or(Ok(()), |(id, _)| Err(SimulationError::NonSend(name(id).unwrap_or_default())))
}

/// The resources and sets that every run has.
pub(super) fn prepare(app: &mut App, scenario: &Scenario, reports: &Reports) -> Result<(), SimulationError> {
    if !app.is_plugin_added::<TimePlugin>() {
        app.add_plugins(TimePlugin);
    }
    // Simulated time: every tick is `tick_seconds`, FixedUpdate included, and nothing is ever late.
    let step = Duration::from_secs_f64(scenario.tick_seconds);
    app.insert_resource(TimeUpdateStrategy::ManualDuration(step));
    // What a plugin has set stays; bevy_time's own values stand for nothing having been set.
    if app.world().resource::<Time<Fixed>>().timestep() == Time::<Fixed>::default().timestep() {
        app.insert_resource(Time::<Fixed>::from_duration(step));
    }
    let mut clock = app.world_mut().resource_mut::<Time<Virtual>>();
    if clock.max_delta() == Time::<Virtual>::default().max_delta() {
        clock.set_max_delta(Duration::MAX);
    }
    app.insert_resource(Clocks::default());
    Clocks::note(app.world_mut(), 0, step);
    app.configure_sets(
        Update,
        (Phase::Ingest, Phase::Process, Phase::Measure, Phase::Audit, Phase::Repair, Phase::Publish).chain(),
    );
    app.init_schedule(Shutdown).init_schedule(Close);
    app.init_resource::<Tick>().init_resource::<Ending>().init_resource::<Stats>().init_resource::<Totals>();
    app.init_resource::<Epoch>().init_resource::<Population>().init_resource::<Directory>();
    app.insert_resource(reports.clone());
    let world = app.world_mut();
    world.init_resource::<ToldSignals>();
    let of_plugins = world.get_resource_or_init::<PluginRules>().checked(scenario)?.to_vec();
    let told = world.resource::<ToldSignals>().check(scenario, &of_plugins);
    match told {
        // What a plugin that is not there would have told of is not known.
        Err(error)
            if world.get_resource::<BuildFailures>().is_some_and(|failures| !failures.0.is_empty()) =>
        {
            tracing::warn!("{error}");
        }
        told => told?,
    }
    let alerts = Alerts::new(scenario, &of_plugins);
    app.insert_resource(alerts)
        .init_resource::<Beside<Author>>()
        .init_resource::<Beside<Reason>>()
        .init_resource::<Flags>()
        .init_resource::<Repairs>()
        .init_resource::<Journal>()
        .init_resource::<Outputs>()
        .init_resource::<PausedPlugins>()
        .init_resource::<PauseWishes>();
    let mut saved = app.world_mut().get_resource_or_init::<SavedResources>();
    saved.add::<Stats>();
    saved.add::<Totals>();
    saved.add::<Alerts>();
    saved.add::<StoppedPlugins>();
    saved.add::<Clocks>();
    saved.add::<Outputs>();
    saved.add::<Turns>();
    saved.add::<Beside<Author>>();
    saved.add::<Beside<Reason>>();
    saved.add::<Flags>();
    saved.add::<PausedPlugins>();
    match saved.taken_twice() {
        Some(name) => Err(SimulationError::SavedTwice(name)),
        None => Ok(()),
    }
}
