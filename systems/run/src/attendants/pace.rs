//! Pace: keeps a run from going faster than it should, and tells how far it is.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use bevy_ecs::world::World;
use corec_core::units::Tick;

use super::{Attendant, Moment, Progress};
use crate::clock::now;

/// How often it is told at most.
const TOLD_EVERY: Duration = Duration::from_millis(100);

/// When ticks may begin, and when it was last told how far the run is.
pub(crate) struct Pace {
    pub start: Instant,
    pub told: Instant,
    pub tick_rate: Option<f64>,
    pub first_tick: u64,
    /// Ticks that could not begin before the next one was due.
    pub misses: u64,
    /// The tick to stop at, where that is known.
    pub of: Option<u64>,
}

impl Attendant for Pace {
    fn attend(&mut self, world: &mut World, moment: &mut Moment) -> ControlFlow<()> {
        let ticks = world.resource::<Tick>().0;
        let ticks_here = ticks - self.first_tick;
        self.wait_for(ticks_here, world, moment);
        let now = now();
        if now - self.told >= TOLD_EVERY {
            self.told = now;
            let seconds = (now - self.start).as_secs_f64();
            (moment.progress)(Progress { ticks, ticks_here, of: self.of, seconds });
        }
        ControlFlow::Continue(())
    }
}

impl Pace {
    /// Counts the tick that may begin now, if the one after it is due already.
    pub fn note_lateness(&mut self, world: &World) {
        let Some(rate) = self.tick_rate else { return };
        let ticks_here = world.resource::<Tick>().0 - self.first_tick;
        let next_due = self.start + Duration::from_secs_f64((ticks_here + 1) as f64 / rate);
        self.misses += u64::from(now() > next_due);
    }

    /// Waits until tick `tick` may begin; a signal ends the wait.
    fn wait_for(&self, tick: u64, world: &mut World, moment: &mut Moment) {
        let Some(rate) = self.tick_rate else { return };
        let due = self.start + Duration::from_secs_f64(tick as f64 / rate);
        loop {
            let left = due.saturating_duration_since(now());
            if left.is_zero() || moment.stop.is_set() {
                return;
            }
            (moment.meanwhile)(world);
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }
}
