//! Endings: what ends a run between two ticks.

use std::ops::ControlFlow;

use bevy_ecs::world::World;
use corec_core::journal::Journal;
use corec_core::simulation::Ending;
use corec_core::units::Tick;

use super::{Attendant, Moment};

/// Ends a run that has failed, or whose journal has.
pub(crate) struct Failures;

impl Attendant for Failures {
    fn attend(&mut self, world: &mut World, _: &mut Moment) -> ControlFlow<()> {
        fail_with_journal(world);
        match world.resource::<Ending>().failure {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    }
}

/// Ends the run if its journal can't go on: its inputs would be lost.
pub(crate) fn fail_with_journal(world: &mut World) {
    if let Some(failure) = world.resource::<Journal>().failure().map(str::to_string) {
        world.resource_mut::<Ending>().fail(failure);
    }
}

/// Ends a run that has come to its last tick, or that a signal ends.
pub(crate) struct LastTick(pub Option<u64>);

impl Attendant for LastTick {
    fn attend(&mut self, world: &mut World, moment: &mut Moment) -> ControlFlow<()> {
        let ticks = world.resource::<Tick>().0;
        // Before the first tick nothing has been started up, and there is no state to go on from: that tick is the one in hand.
        match (moment.stop.is_set() && ticks > 0) || self.0.is_some_and(|last| ticks >= last) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

/// Kills the process before a tick, with no time for anything.
pub(crate) struct KillAt(pub Option<u64>);

impl Attendant for KillAt {
    fn attend(&mut self, world: &mut World, _: &mut Moment) -> ControlFlow<()> {
        if self.0 == Some(world.resource::<Tick>().0) {
            _ = signal_hook::low_level::raise(signal_hook::consts::SIGKILL);
        }
        ControlFlow::Continue(())
    }
}
