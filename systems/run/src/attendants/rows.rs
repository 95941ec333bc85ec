//! Rows: a tick of a run with a table waits for its row.

use std::ops::ControlFlow;

use bevy_ecs::world::World;
use corec_core::journal::Journal;
use corec_core::simulation::Ending;
use corec_telemetry::feed::Feed;
use corec_telemetry::live::Waited;

use super::{Attendant, Moment};

/// Waits for the next row, and ends the run where there is none.
pub(crate) struct NextRow;

impl Attendant for NextRow {
    fn attend(&mut self, world: &mut World, moment: &mut Moment) -> ControlFlow<()> {
        let is_live = !world.resource::<Journal>().is_replaying();
        loop {
            let Some(mut feed) = world.get_resource_mut::<Feed>().filter(|_| is_live) else {
                return ControlFlow::Continue(());
            };
            match feed.wait(moment.stop) {
                Ok(Waited::Row) => return ControlFlow::Continue(()),
                Ok(Waited::End) => return ControlFlow::Break(()),
                Ok(Waited::InVain) => (moment.meanwhile)(world),
                Err(error) => {
                    world.resource_mut::<Ending>().fail(error);
                    return ControlFlow::Break(());
                }
            }
        }
    }
}
