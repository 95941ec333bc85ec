//! Between two ticks: digests, snapshots, the pace, the wait for a row, and the reasons to stop.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use bevy_ecs::world::World;
use corec_core::digest::{Digest, FORMAT};
use corec_core::journal::{Input, Journal};
use corec_core::outputs::Outputs;
use corec_core::simulation::Ending;
use corec_core::units::Tick;

use super::snapshots::Snapshots;
use super::{Progress, now};
use crate::stop::Stop;
use crate::telemetry::feed::TableInput;

/// What happens between two ticks.
pub(super) struct Between {
    /// The tick to stop at.
    pub of: Option<u64>,
    pub first_tick: u64,
    pub pace: Pace,
    pub snapshots: Snapshots,
    pub digest_interval: u64,
    pub kill_at: Option<u64>,
    /// Digests that the journal has, and the last one: after so many ticks.
    pub digest_count: u64,
    pub digest: Option<(u64, u64)>,
}

impl Between {
    /// Does it all; breaks when the run is over.
    pub fn look(
        &mut self,
        world: &mut World,
        stop: &Stop,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> ControlFlow<()> {
        let ticks = world.resource::<Tick>().0;
        self.note_digest(world, false);
        fail_with_journal(world);
        if world.resource::<Ending>().failure.is_some() {
            return ControlFlow::Break(());
        }
        if ticks > self.first_tick {
            self.snapshots.look(world);
        }
        if self.kill_at.is_some() {
            // Where it goes on after its end is to follow from the ticks, and not from how fast a disk is.
            self.snapshots.collect(true);
        }
        if self.kill_at == Some(ticks) {
            _ = signal_hook::low_level::raise(signal_hook::consts::SIGKILL);
        }
        // Before the first tick nothing has been started up, and there is no state to go on from: that tick is the one in hand.
        if (stop.is_set() && ticks > 0) || self.of.is_some_and(|of| ticks >= of) {
            return ControlFlow::Break(());
        }
        self.pace.wait_for(ticks - self.first_tick, stop);
        let ticks_here = ticks - self.first_tick;
        self.pace.tell(Progress { ticks, ticks_here, of: self.of, seconds: 0.0 }, progress);
        let is_live = !world.resource::<Journal>().is_replaying();
        match world.get_resource_mut::<TableInput>() {
            // A tick waits for its row.
            Some(mut table) if is_live => match table.wait(stop) {
                Ok(true) => ControlFlow::Continue(()),
                Ok(false) => ControlFlow::Break(()),
                Err(error) => {
                    world.resource_mut::<Ending>().fail(error);
                    ControlFlow::Break(())
                }
            },
            _ => ControlFlow::Continue(()),
        }
    }

    /// Records the digest where one is due, or compares it with the one that was recorded.
    pub fn note_digest(&mut self, world: &mut World, is_end: bool) {
        let tick = world.resource::<Tick>().0;
        let mut journal = world.resource_mut::<Journal>();
        let format = journal.digest_format();
        let recorded = journal.replay(tick, |input| matches!(input, Input::Digest(_)));
        let is_due = self.digest_interval > 0 && (is_end || tick.is_multiple_of(self.digest_interval));
        let is_new = tick > 0 && self.digest.is_none_or(|(last, _)| last < tick);
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
                journal.record(tick, Input::Digest(value));
                said.into_iter().for_each(|said| journal.record(tick, Input::Outputs(said)));
                journal.commit();
            }
        }
        if let Some((what, found, expected)) = differs {
            let message = format!("found {what} {found:016x}, must be {expected:016x} as the journal has it");
            world.resource_mut::<Ending>().fail(message);
        }
        if is_new {
            (self.digest, self.digest_count) = (Some((tick, value)), self.digest_count + 1);
        }
    }
}

/// Ends the run if its journal can't go on: its inputs would be lost.
pub(super) fn fail_with_journal(world: &mut World) {
    if let Some(failure) = world.resource::<Journal>().failure().map(str::to_string) {
        world.resource_mut::<Ending>().fail(failure);
    }
}

/// Keeps a run from going faster than it should, and its progress from being told too often.
pub(super) struct Pace {
    pub start: Instant,
    pub told: Instant,
    pub tick_rate: Option<f64>,
}

impl Pace {
    /// Waits until tick `tick` may begin; a signal ends the wait.
    fn wait_for(&self, tick: u64, stop: &Stop) {
        let Some(rate) = self.tick_rate else { return };
        let due = self.start + Duration::from_secs_f64(tick as f64 / rate);
        loop {
            let left = due.saturating_duration_since(now());
            if left.is_zero() || stop.is_set() {
                return;
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }

    fn tell(&mut self, progress: Progress, to: &mut (dyn FnMut(Progress) + Send)) {
        let now = now();
        if now - self.told >= Duration::from_millis(100) {
            self.told = now;
            to(Progress { seconds: (now - self.start).as_secs_f64(), ..progress });
        }
    }
}
