//! Attendants: what happens between two ticks, an ordered list of small things with one method.

mod digests;
mod ending;
mod pace;
mod rows;
mod snapshots;
mod watch;

use std::ops::ControlFlow;

use bevy_ecs::world::World;
use corec_core::stop::Stop;

pub(crate) use digests::Digests;
pub(crate) use ending::{Failures, KillAt, LastTick, fail_with_journal};
pub(crate) use pace::Pace;
pub(crate) use rows::NextRow;
pub use snapshots::SnapshotReport;
pub(crate) use snapshots::{KEEP, Snapshots};
pub(crate) use watch::Watched;

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Finished ticks of the run.
    pub ticks: u64,
    /// Those of this process.
    pub ticks_here: u64,
    /// Ticks to do, where that is known.
    pub of: Option<u64>,
    /// Seconds since the first tick began.
    pub seconds: f64,
}

/// What all of them may need to know of whoever started the run.
pub(crate) struct Moment<'a> {
    pub stop: &'a Stop,
    pub progress: &'a mut (dyn FnMut(Progress) + Send),
}

/// One of them.
pub(crate) trait Attendant {
    /// Does its part before the next tick begins; breaks when the run is over.
    fn attend(&mut self, world: &mut World, moment: &mut Moment) -> ControlFlow<()>;
}

/// Those of a run.
pub(crate) struct Attendants {
    pub digests: Digests,
    pub snapshots: Snapshots,
    pub kill_at: KillAt,
    pub last_tick: LastTick,
    pub pace: Pace,
    pub watched: Watched,
}

impl Attendants {
    /// Asks them one after the other, until one breaks.
    pub fn attend(&mut self, world: &mut World, moment: &mut Moment) -> ControlFlow<()> {
        let Self { digests, snapshots, kill_at, last_tick, pace, watched } = self;
        let all: [&mut dyn Attendant; 8] =
            [digests, &mut Failures, snapshots, kill_at, last_tick, pace, watched, &mut NextRow];
        all.into_iter().try_for_each(|attendant| attendant.attend(world, moment))
    }
}
