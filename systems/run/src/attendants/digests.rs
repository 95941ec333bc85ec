//! Digests: records the digest of the state where one is due, and compares it where the journal has it already.

use std::ops::ControlFlow;

use bevy_ecs::world::World;
use corec_core::digest::{Digest, FORMAT};
use corec_core::journal::{Input, Journal};
use corec_core::outputs::Outputs;
use corec_core::simulation::Ending;
use corec_core::units::Tick;

use super::{Attendant, Moment};

/// The digests of a run.
pub(crate) struct Digests {
    /// Ticks between two; 0 records none.
    pub interval: u64,
    /// Digests that the journal has, and the last one: after so many ticks.
    pub count: u64,
    pub last: Option<(u64, u64)>,
}

impl Attendant for Digests {
    fn attend(&mut self, world: &mut World, _: &mut Moment) -> ControlFlow<()> {
        self.note(world, false);
        ControlFlow::Continue(())
    }
}

impl Digests {
    /// Records the digest where one is due, or compares it with the one that was recorded.
    pub fn note(&mut self, world: &mut World, is_end: bool) {
        let tick = world.resource::<Tick>().0;
        let mut journal = world.resource_mut::<Journal>();
        let format = journal.digest_format();
        let recorded = journal.replay(tick, |input| matches!(input, Input::Digest(_)));
        let is_due = self.interval > 0 && (is_end || tick.is_multiple_of(self.interval));
        let is_new = tick > 0 && self.last.is_none_or(|(last, _)| last < tick);
        let is_live = !journal.is_replaying() && recorded.is_none();
        if recorded.is_none() && !(is_live && is_due && is_new) {
            return;
        }
        let value = Digest::of_format(world, format).value;
        // A run that an older version began has not all of it.
        let said = (format == FORMAT).then(|| world.resource::<Outputs>().value());
        let mut journal = world.resource_mut::<Journal>();
        let mut differs = None;
        match recorded {
            Some(Input::Digest(expected)) => {
                let said_then = journal.replay(tick, |input| matches!(input, Input::Outputs(_)));
                if expected != value {
                    differs = Some(("the digest", value, expected));
                } else if let (Some(Input::Outputs(expected)), Some(said)) = (said_then, said)
                    && expected != said
                {
                    differs = Some(("the output digest", said, expected));
                }
            }
            _ => {
                journal.record(tick, &Input::Digest(value));
                said.into_iter().for_each(|said| journal.record(tick, &Input::Outputs(said)));
                journal.commit();
            }
        }
        if let Some((what, found, expected)) = differs {
            let message = format!("found {what} {found:016x}, must be {expected:016x} as the journal has it");
            world.resource_mut::<Ending>().fail(message);
        }
        if is_new {
            (self.last, self.count) = (Some((tick, value)), self.count + 1);
        }
    }
}
