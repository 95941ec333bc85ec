//! Costs: what each system and each plugin of a run has taken.

use corec_core::block::{KindTable, Population};
use corec_core::digest::resource_bytes;
use corec_core::phase::Owner;
use corec_core::plugin::Budgets;
use corec_core::simulation::Simulation;
use serde::Serialize;

/// A system's share of a run.
#[derive(Clone, Debug, Serialize)]
pub struct SystemSummary {
    /// The system's function.
    pub name: String,
    /// Its phase, or its schedule.
    pub phase: String,
    /// The plugin that it belongs to; null for the engine's and a plain Bevy plugin's.
    pub plugin: Option<&'static str>,
    /// Times it ran.
    pub calls: u64,
    /// Seconds it ran.
    pub seconds: f64,
}

/// Every system that ran, the slowest first.
pub(crate) fn systems(simulation: &mut Simulation) -> Vec<SystemSummary> {
    let mut systems: Vec<SystemSummary> = simulation
        .timings()
        .into_iter()
        .filter(|t| t.calls > 0 && !t.runs_others())
        .map(|t| {
            let plugin = match t.owner {
                Some(Owner::Plugin(name)) => Some(name),
                _ => None,
            };
            SystemSummary { name: t.name, phase: t.phase, plugin, calls: t.calls, seconds: t.seconds }
        })
        .collect();
    systems.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    systems
}

/// What a plugin has cost.
#[derive(Clone, Debug, Serialize)]
pub struct PluginSummary {
    /// The plugin.
    pub name: &'static str,
    /// Its systems that ran.
    pub systems: usize,
    /// Milliseconds its systems took in a tick, on average over all ticks of this process. Systems may overlap.
    pub ms_per_tick: f64,
    /// What its config allows it; null for any time.
    pub budget_ms: Option<f64>,
    /// Bytes of the rows of the kinds that it registered, with what the world keeps for them.
    pub kind_bytes: u64,
    /// Bytes of the resources that it inserted: their own size, or their saved form where that is larger. Other memory
    /// that they point to is not seen.
    pub resource_bytes: u64,
    /// Whether it was stopped by a failure.
    pub is_stopped: bool,
}

/// What each plugin has cost; of this process' ticks `systems` has the seconds of all.
pub(crate) fn plugins(simulation: &Simulation, systems: &[SystemSummary]) -> Vec<PluginSummary> {
    let world = simulation.world();
    let budgets = world.get_resource::<Budgets>().cloned().unwrap_or_default().0;
    let stopped = simulation.stopped_plugins();
    let summary = |name, budget_ms| {
        let own = systems.iter().filter(|system| system.plugin == Some(name));
        let of_kinds = world.resource::<Population>().kinds().iter();
        let of_kinds = of_kinds.filter(|kind| kind.owner() == Some(Owner::Plugin(name)));
        PluginSummary {
            name,
            systems: own.clone().count(),
            ms_per_tick: own.map(|system| system.seconds * 1e3).sum(),
            budget_ms,
            kind_bytes: of_kinds.map(KindTable::bytes).sum(),
            resource_bytes: resource_bytes(world, Owner::Plugin(name)),
            is_stopped: stopped.contains(name),
        }
    };
    let mut all: Vec<PluginSummary> =
        budgets.into_iter().map(|(name, budget)| summary(name, budget)).collect();
    let unbuilt = stopped.iter().filter(|name| !all.iter().any(|plugin| plugin.name == **name));
    let unbuilt: Vec<PluginSummary> = unbuilt.map(|name| summary(name, None)).collect();
    all.extend(unbuilt);
    all.sort_by_key(|plugin| plugin.name);
    all
}
