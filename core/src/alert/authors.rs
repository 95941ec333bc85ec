//! Authors: which plugin says each alert that waits to be sent, saved with the state.

use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;
use serde::{Deserialize, Serialize};

use super::Alerts;
use crate::digest::Saved;

/// Who says the alerts that wait to be sent, as [`Alerts`] has them; kept beside them, for their form in snapshots is older.
#[derive(Resource, Default, Serialize, Deserialize)]
pub(crate) struct AlertAuthors(Vec<String>);

impl Saved for AlertAuthors {
    const NAME: &'static str = "alert_authors";
    /// In no digest of the state: what is said has its own.
    const SINCE: u16 = u16::MAX;

    fn is_part(&self) -> bool {
        !self.0.is_empty()
    }
}

impl AlertAuthors {
    /// Notes them after a tick.
    pub fn note(world: &mut World) {
        let waiting = &world.resource::<Alerts>().outbox;
        let is_any = waiting.iter().any(|alert| !alert.by.is_empty());
        let authors =
            if is_any { waiting.iter().map(|alert| alert.by.clone()).collect() } else { Vec::new() };
        world.resource_mut::<Self>().0 = authors;
    }

    /// Sets them as they were noted.
    pub fn set(world: &mut World) {
        world.resource_scope::<Self, _>(|world, authors| {
            let mut alerts = world.resource_mut::<Alerts>();
            for (alert, author) in alerts.outbox.iter_mut().zip(&authors.0) {
                alert.by.clone_from(author);
            }
        });
    }
}
