//! Beside the alerts that wait to be sent: who says each, and why; saved with the state. Their own form in snapshots is older and has neither.

use std::marker::PhantomData;

use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;
use serde::{Deserialize, Serialize};

use super::{Alert, Alerts};
use crate::digest::Saved;

/// A text of an alert that its older form has not.
pub(crate) trait Text: Send + Sync + 'static {
    const NAME: &'static str;

    fn of(alert: &mut Alert) -> &mut String;
}

/// Which plugin says it.
pub(crate) struct Author;

impl Text for Author {
    const NAME: &'static str = "alert_authors";

    fn of(alert: &mut Alert) -> &mut String {
        &mut alert.by
    }
}

/// Why it was raised.
pub(crate) struct Reason;

impl Text for Reason {
    const NAME: &'static str = "alert_reasons";

    fn of(alert: &mut Alert) -> &mut String {
        &mut alert.why
    }
}

/// That text of each alert that waits to be sent, in their order; none where all are empty.
#[derive(Resource, Serialize, Deserialize)]
pub(crate) struct Beside<T: Text>(Vec<String>, #[serde(skip)] PhantomData<T>);

impl<T: Text> Default for Beside<T> {
    fn default() -> Self {
        Self(Vec::new(), PhantomData)
    }
}

impl<T: Text> Saved for Beside<T> {
    const NAME: &'static str = T::NAME;
    /// In no digest of the state: what is said has its own.
    const SINCE: u16 = u16::MAX;

    fn is_part(&self) -> bool {
        !self.0.is_empty()
    }
}

impl<T: Text> Beside<T> {
    /// Notes them after a tick.
    pub fn note(world: &mut World) {
        let waiting = &mut world.resource_mut::<Alerts>().outbox;
        let is_any = waiting.iter_mut().any(|alert| !T::of(alert).is_empty());
        let texts =
            if is_any { waiting.iter_mut().map(|alert| T::of(alert).clone()).collect() } else { Vec::new() };
        world.resource_mut::<Self>().0 = texts;
    }

    /// Sets them as they were noted.
    pub fn set(world: &mut World) {
        world.resource_scope::<Self, _>(|world, texts| {
            let waiting = &mut world.resource_mut::<Alerts>().outbox;
            waiting.iter_mut().zip(&texts.0).for_each(|(alert, text)| T::of(alert).clone_from(text));
        });
    }
}
