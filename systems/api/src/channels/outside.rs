//! Outside: where channels meet the streams of the bus and a plugin's own connections.

use std::collections::BTreeMap;

use bevy_app::App;
use bevy_ecs::prelude::*;
use corec_core::bus::RunBus;
use corec_core::journal::Journal;
use corec_core::simulation::Ending;
use corec_core::units::{Epoch, Tick};

use super::{AddChannel, Channel, Source};

impl AddChannel for App {
    fn listen<T: Channel>(&mut self, stream: impl Into<String>) -> &mut Self {
        outside(self).listened.insert(T::NAME, stream.into());
        self
    }

    fn carry<T: Channel>(&mut self, stream: impl Into<String>) -> &mut Self {
        outside(self).carried.insert(T::NAME, stream.into());
        self
    }

    fn add_source<T: Channel>(&mut self, source: impl Source + 'static) -> &mut Self {
        outside(self).sources.push((T::NAME, Box::new(source)));
        self
    }
}

fn outside(app: &mut App) -> Mut<'_, Outside> {
    app.world_mut().get_resource_or_init::<Outside>()
}

/// Where channels meet the outside.
#[derive(Resource, Default)]
pub struct Outside {
    pub(super) listened: BTreeMap<&'static str, String>,
    pub(super) carried: BTreeMap<&'static str, String>,
    pub(super) sources: Vec<(&'static str, Box<dyn Source>)>,
    /// (stream, message) to send in Publish.
    pub(super) outgoing: Vec<(String, Vec<u8>)>,
}

impl Outside {
    /// Whether anything comes from outside.
    pub(super) fn has_inputs(&self) -> bool {
        !self.listened.is_empty() || !self.sources.is_empty()
    }
}

/// Publish: sends on the bus what plugins have said. A run without a tick may have no bus yet.
pub fn carry(
    outside: Option<ResMut<Outside>>,
    bus: Option<ResMut<RunBus>>,
    (tick, epoch): (Res<Tick>, Res<Epoch>),
    mut journal: ResMut<Journal>,
    mut ending: ResMut<Ending>,
) {
    let Some((mut outside, mut bus)) = outside.zip(bus) else { return };
    if outside.outgoing.is_empty() || !journal.seal(tick.0) {
        return;
    }
    for (stream, message) in outside.outgoing.drain(..) {
        if let Err(error) = bus.publish(&stream, *epoch, *tick, &message) {
            ending.fail(error);
        }
    }
}
