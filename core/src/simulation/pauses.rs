//! Pauses: plugins that somebody outside holds for a while.
//!
//! A wish is an input like any other: it is written to the journal before the tick that it is done before, and a replay does it there
//! again. Who is paused is part of the state. A plugin that is paused misses what happens meanwhile; its windows of due rows wait with it.

use std::collections::BTreeSet;

use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;
use serde::{Deserialize, Serialize};

use crate::alert::Alerts;
use crate::digest::Saved;
use crate::executor::Reports;
use crate::journal::{Input, Journal};
use crate::plugin::Budgets;

/// What a pause is told of as.
const ALERT: &str = "plugin_paused";
/// Somebody wished for it: there is no hurry.
const SEVERITY: u8 = 4;

/// Where pauses are asked for.
#[derive(Resource, Default, Debug)]
pub struct PauseWishes {
    /// Those of the last tick's time, oldest first: plugins and whether they are to be paused.
    pub new: Vec<(String, bool)>,
    /// Whether there may be any: a run that nobody can ask need not note that nobody did.
    pub is_open: bool,
}

/// The plugins that are paused.
#[derive(Resource, Default, Debug, Serialize, Deserialize)]
pub struct PausedPlugins(pub BTreeSet<String>);

impl Saved for PausedPlugins {
    const NAME: &'static str = "paused_plugins";
    const SINCE: u16 = 4;

    fn is_part(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Does what the journal has of pauses before `tick`, or else what was asked for.
pub(super) fn take(world: &mut World, reports: &Reports, tick: u64) {
    let is_pause = |input: &Input| matches!(input, Input::Paused { .. });
    while let Some(Input::Paused { plugin, is_paused }) =
        world.resource_mut::<Journal>().replay(tick, is_pause)
    {
        set(world, reports, &plugin, is_paused, tick);
    }
    if !world.resource::<PauseWishes>().is_open || world.resource::<Journal>().is_replaying() {
        return;
    }
    world.resource_mut::<Journal>().ask(tick);
    for (plugin, is_paused) in std::mem::take(&mut world.resource_mut::<PauseWishes>().new) {
        let mut journal = world.resource_mut::<Journal>();
        journal.record(tick, &Input::Paused { plugin: plugin.clone(), is_paused });
        journal.commit();
        set(world, reports, &plugin, is_paused, tick);
    }
}

fn set(world: &mut World, reports: &Reports, plugin: &str, is_paused: bool, tick: u64) {
    let mut paused = world.resource_mut::<PausedPlugins>();
    let is_new = if is_paused { paused.0.insert(plugin.into()) } else { paused.0.remove(plugin) };
    if !is_new {
        return;
    }
    tracing::warn!(tick, plugin, "plugin '{plugin}' {}", if is_paused { "is paused" } else { "goes on" });
    let mut alerts = world.resource_mut::<Alerts>();
    match is_paused {
        true => alerts.publish("", ALERT, plugin, 1.0, SEVERITY, tick),
        false => alerts.clear("", ALERT, plugin, 0.0, tick),
    }
    hold(world, reports);
}

/// Holds the systems of those that are paused, and of no others.
pub(super) fn hold(world: &World, reports: &Reports) {
    let paused = &world.resource::<PausedPlugins>().0;
    let plugins = world.get_resource::<Budgets>().into_iter().flat_map(|budgets| &budgets.0);
    reports
        .set_paused(plugins.map(|(plugin, _)| *plugin).filter(|plugin| paused.contains(*plugin)).collect());
}
