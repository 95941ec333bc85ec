//! The truth: what goes wrong in a run, when and where.

use bevy_ecs::world::World;
use corec_core::block::{BlockId, Population};
use corec_core::config::Scenario;
use corec_core::simulation::RunScenario;
use corec_dynamics::chaos::{self, Chaos, Event, EventKind};
use serde::Serialize;

use crate::error::RunError;
use crate::plugin_set::SABOTEUR;

/// An injected fault, as it is written down.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Truth {
    /// What goes wrong.
    pub kind: EventKind,
    /// What it goes wrong with: the block's name, the plugin, or the stream.
    pub subject: String,
    /// The block's id; null for what does not happen to a block.
    pub block: Option<u32>,
    /// The first tick.
    pub first_tick: u64,
    /// The last tick.
    pub last_tick: u64,
    /// The share of `dead`, the step of `drift`, the largest push of `noise`, the messages of `flood`; 1 for others.
    pub strength: f32,
    #[serde(skip)]
    pub(super) event: Event,
}

/// What goes wrong in the run of `world`, by its first tick; nothing in one without chaos.
pub fn truth(world: &World) -> Vec<Truth> {
    let (population, scenario) = (world.resource::<Population>(), &world.resource::<RunScenario>().0);
    let subject = |event: &Event| match (event.kind, event.block) {
        (EventKind::Flood, _) => scenario.input_stream.clone().unwrap_or_default(),
        (_, Some(block)) => population.block_name(BlockId(block)),
        (_, None) => SABOTEUR.into(),
    };
    let truth = |event: Event| Truth {
        kind: event.kind,
        subject: subject(&event),
        block: event.block,
        first_tick: event.start,
        last_tick: event.last(),
        strength: event.strength,
        event,
    };
    chaos::events(world).into_iter().map(truth).collect()
}

/// Whether a scenario's chaos can be had as it is: what no type and no section by itself can say.
///
/// # Errors
/// The first key that does not fit.
pub(crate) fn check(scenario: &Scenario) -> Result<(), RunError> {
    let Some(chaos) = scenario.section::<Chaos>()? else { return Ok(()) };
    let refused = |key: &str, found: String, allowed: &str| {
        let place = scenario.source_name();
        Err(RunError::Usage(format!("{place}: chaos.{key}: found {found}, must be {allowed}")))
    };
    if chaos.flood > 0 && (scenario.input_stream.is_none() || scenario.bus != "memory") {
        let allowed = "0 without an input_stream on the bus in memory";
        return refused("flood", chaos.flood.to_string(), allowed);
    }
    let names: Vec<&str> = scenario.blocks.iter().map(|group| &group.id[..]).collect();
    match chaos.groups.iter().find(|name| !names.contains(&&name[..])) {
        Some(name) => {
            refused("groups", format!("'{}'", name.escape_debug()), &format!("of: {}", names.join(", ")))
        }
        None => Ok(()),
    }
}
