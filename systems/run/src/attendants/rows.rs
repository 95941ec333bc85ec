//! Rows: a tick of a run with a table waits for its row.

use std::ops::ControlFlow;

use bevy_ecs::world::World;
use corec_core::journal::Journal;
use corec_core::simulation::Ending;
use corec_telemetry::feed::Feed;

use super::{Attendant, Moment};

/// Waits for the next row, and ends the run where there is none.
pub(crate) struct NextRow;

impl Attendant for NextRow {
    fn attend(&mut self, world: &mut World, moment: &mut Moment) -> ControlFlow<()> {
        let is_live = !world.resource::<Journal>().is_replaying();
        let Some(mut feed) = world.get_resource_mut::<Feed>().filter(|_| is_live) else {
            return ControlFlow::Continue(());
        };
        match feed.wait(moment.stop) {
            Ok(true) => ControlFlow::Continue(()),
            Ok(false) => ControlFlow::Break(()),
            Err(error) => {
                world.resource_mut::<Ending>().fail(error);
                ControlFlow::Break(())
            }
        }
    }
}
