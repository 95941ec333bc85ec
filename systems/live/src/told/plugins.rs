//! Plugins and systems: what they do, and what they have cost.

use corec_core::phase::Owner;
use corec_run::view::{PluginState, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a system has cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SystemTold {
    /// The system's function.
    pub name: String,
    /// Its phase, or its schedule.
    pub phase: String,
    /// The plugin that it belongs to; null for the engine's and a plain Bevy plugin's.
    pub plugin: Option<String>,
    /// Times it ran.
    pub calls: u64,
    /// Seconds it ran, all calls together.
    pub seconds: f64,
}

/// The systems of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SystemsTold {
    /// Finished ticks.
    pub tick: u64,
    /// Those that ran, the slowest first.
    pub systems: Vec<SystemTold>,
}

/// A plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PluginTold {
    /// Its name.
    pub name: String,
    /// `running`, `paused`, or `stopped` by a failure.
    pub state: String,
    /// Its systems that ran.
    pub systems: usize,
    /// Times that they ran.
    pub calls: u64,
    /// Seconds that they ran.
    pub seconds: f64,
    /// Milliseconds a tick, on average over this process.
    pub ms_per_tick: f64,
    /// What its config allows it; null for any time.
    pub budget_ms: Option<f64>,
    /// Bytes of the rows of the kinds that it registered.
    pub memory_bytes: u64,
    /// Failures of its systems in this process.
    pub errors: u64,
    /// The last of them.
    pub error: Option<String>,
}

/// The plugins of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PluginsTold {
    /// Finished ticks.
    pub tick: u64,
    /// By name.
    pub plugins: Vec<PluginTold>,
}

/// The systems that ran, the slowest first; `max` at most.
pub(crate) fn systems(view: &View, max: usize) -> Vec<SystemTold> {
    let ran = view.systems.iter().filter(|system| system.calls > 0 && !system.runs_others());
    let mut systems: Vec<_> = ran.collect();
    systems.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let told = systems.into_iter().take(max).map(|system| SystemTold {
        name: system.name.clone(),
        phase: system.phase.clone(),
        plugin: plugin_of(system.owner).map(String::from),
        calls: system.calls,
        seconds: system.seconds,
    });
    told.collect()
}

fn plugin_of(owner: Option<Owner>) -> Option<&'static str> {
    match owner {
        Some(Owner::Plugin(name)) => Some(name),
        _ => None,
    }
}

impl SystemsTold {
    /// Those of a picture.
    pub fn of(view: &View) -> Self {
        Self { tick: view.tick, systems: systems(view, usize::MAX) }
    }
}

impl PluginsTold {
    /// Those of a picture.
    pub fn of(view: &View) -> Self {
        let ticks = view.times.count.max(1) as f64;
        let told = |plugin: &corec_run::view::PluginView| {
            let own = view.systems.iter().filter(|s| s.calls > 0 && plugin_of(s.owner) == Some(plugin.name));
            let seconds: f64 = own.clone().map(|system| system.seconds).sum();
            PluginTold {
                name: plugin.name.into(),
                state: plugin.state.as_str().into(),
                systems: own.clone().count(),
                calls: own.map(|system| system.calls).sum(),
                seconds,
                ms_per_tick: seconds * 1e3 / ticks,
                budget_ms: plugin.budget_ms,
                memory_bytes: plugin.kind_bytes,
                errors: plugin.errors,
                error: plugin.error.clone(),
            }
        };
        Self { tick: view.tick, plugins: view.plugins.iter().map(told).collect() }
    }

    /// The state of one; none if there is no such plugin.
    pub(crate) fn state(view: &View, name: &str) -> Option<PluginState> {
        view.plugins.iter().find(|plugin| plugin.name == name).map(|plugin| plugin.state)
    }
}
