//! Plugins in a picture: what each is doing, and its failures.

use bevy_ecs::world::World;
use corec_core::block::{KindTable, Population};
use corec_core::executor::Reports;
use corec_core::phase::Owner;
use corec_core::plugin::{Budgets, BuildFailures};

/// A plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginView {
    /// Its name.
    pub name: &'static str,
    /// What it is doing.
    pub state: PluginState,
    /// Milliseconds a tick that its config allows it; none for any time.
    pub budget_ms: Option<f64>,
    /// Bytes of the rows of the kinds that it registered.
    pub kind_bytes: u64,
    /// Failures of its systems in this process.
    pub errors: u64,
    /// The last of them, or why it could not be built.
    pub error: Option<String>,
}

/// What a plugin is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginState {
    /// It runs.
    Running,
    /// Somebody has paused it.
    Paused,
    /// A failure has stopped it for good.
    Stopped,
}

impl PluginState {
    /// "running", "paused" or "stopped".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// Those of a run, by name.
pub(super) fn plugins(world: &World) -> Vec<PluginView> {
    let reports = world.resource::<Reports>();
    let (stopped, paused, errors) = (reports.stopped(), reports.paused(), reports.errors());
    let kinds = world.resource::<Population>().kinds();
    let budgets = world.get_resource::<Budgets>().into_iter().flat_map(|budgets| &budgets.0);
    let built = budgets.map(|(name, budget_ms)| {
        let state = match () {
            () if stopped.contains(name) => PluginState::Stopped,
            () if paused.contains(name) => PluginState::Paused,
            () => PluginState::Running,
        };
        let own = kinds.iter().filter(|kind| kind.owner() == Some(Owner::Plugin(name)));
        PluginView {
            name,
            state,
            budget_ms: *budget_ms,
            kind_bytes: own.map(KindTable::bytes).sum(),
            errors: errors.get(name).map_or(0, |errors| errors.count),
            error: errors.get(name).map(|errors| errors.last.clone()),
        }
    });
    let unbuilt = world.get_resource::<BuildFailures>().into_iter().flat_map(|failures| &failures.0);
    let unbuilt = unbuilt.map(|(name, error)| PluginView {
        name,
        state: PluginState::Stopped,
        budget_ms: None,
        kind_bytes: 0,
        errors: 1,
        error: Some(error.clone()),
    });
    let mut all: Vec<PluginView> = built.chain(unbuilt).collect();
    all.sort_by_key(|plugin| plugin.name);
    all
}
