//! Ownership: what a plugin's `build` has added to an app, and how often the systems among it run.

use std::collections::BTreeSet;

use bevy_app::{App, PostStartup, PreStartup, Startup};
use bevy_ecs::change_detection::Res;
use bevy_ecs::component::ComponentId;
use bevy_ecs::schedule::{ConditionWithAccess, InternedScheduleLabel, ScheduleLabel, Schedules, SystemKey};
use bevy_ecs::system::IntoSystem;

use crate::phase::{Close, Owned, Owner, Owners, Shutdown};
use crate::units::Tick;

/// The resources that are there.
pub(super) fn resources(app: &App) -> BTreeSet<ComponentId> {
    app.world().iter_resources().map(|(id, ..)| id).collect()
}

/// The systems of every schedule.
pub(super) fn systems(app: &App) -> Vec<(InternedScheduleLabel, BTreeSet<SystemKey>)> {
    let schedules = app.world().resource::<Schedules>();
    schedules
        .iter()
        .map(|(_, schedule)| {
            (schedule.label(), schedule.graph().systems.iter().map(|(key, ..)| key).collect())
        })
        .collect()
}

/// Writes down whose the systems are that were not there `before`, and how often they run.
pub(super) fn own_systems(
    app: &mut App,
    name: &'static str,
    before: &[(InternedScheduleLabel, BTreeSet<SystemKey>)],
    interval_ticks: Option<u64>,
) {
    let run_once =
        [PreStartup.intern(), Startup.intern(), PostStartup.intern(), Shutdown.intern(), Close.intern()];
    for (label, keys) in systems(app) {
        let known = before.iter().find(|(other, _)| *other == label).map(|(_, keys)| keys);
        let new: Vec<SystemKey> =
            keys.into_iter().filter(|key| known.is_none_or(|known| !known.contains(key))).collect();
        if let Some(ticks) = interval_ticks.filter(|_| !run_once.contains(&label)) {
            let mut schedules = app.world_mut().resource_mut::<Schedules>();
            let graph = schedules.get_mut(label).expect("it was listed a moment ago").graph_mut();
            for key in &new {
                let conditions =
                    graph.systems.get_conditions_mut(*key).expect("every system has a list of conditions");
                let is_due = move |tick: Res<Tick>| tick.0.is_multiple_of(ticks);
                conditions.push(ConditionWithAccess::new(Box::new(IntoSystem::into_system(is_due))));
            }
        }
        let owned = Owned { owner: Owner::Plugin(name), interval_ticks: interval_ticks.unwrap_or(1) };
        app.world_mut().resource_mut::<Owners>().add_systems(label, &new, owned);
    }
}
