//! Reasons: why each alert that waits to be sent was raised, saved with the state.

use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;
use serde::{Deserialize, Serialize};

use super::Alerts;
use crate::digest::Saved;

/// The reasons of the alerts that wait to be sent, as [`Alerts`] has them; kept beside them, for their form in snapshots is older.
#[derive(Resource, Default, Serialize, Deserialize)]
pub(crate) struct AlertReasons(Vec<String>);

impl Saved for AlertReasons {
    const NAME: &'static str = "alert_reasons";
    /// In no digest of the state: what is said has its own.
    const SINCE: u16 = u16::MAX;

    fn is_part(&self) -> bool {
        !self.0.is_empty()
    }
}

impl AlertReasons {
    /// Notes them after a tick.
    pub fn note(world: &mut World) {
        let waiting = &world.resource::<Alerts>().outbox;
        let is_any = waiting.iter().any(|alert| !alert.why.is_empty());
        let reasons =
            if is_any { waiting.iter().map(|alert| alert.why.clone()).collect() } else { Vec::new() };
        world.resource_mut::<Self>().0 = reasons;
    }

    /// Sets them as they were noted.
    pub fn set(world: &mut World) {
        world.resource_scope::<Self, _>(|world, reasons| {
            let mut alerts = world.resource_mut::<Alerts>();
            for (alert, why) in alerts.outbox.iter_mut().zip(&reasons.0) {
                alert.why.clone_from(why);
            }
        });
    }
}
