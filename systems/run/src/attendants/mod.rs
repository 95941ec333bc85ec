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

use crate::view::Marks;

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
    /// What goes on while one of them waits.
    pub meanwhile: &'a mut dyn FnMut(&mut World),
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
    /// Asks them one after the other, until one breaks. The last two may wait, and the run is shown meanwhile.
    pub fn attend(
        &mut self,
        world: &mut World,
        stop: &Stop,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> ControlFlow<()> {
        self.watched.end();
        let Self { digests, snapshots, kill_at, last_tick, pace, watched } = self;
        let first: [&mut dyn Attendant; 5] = [digests, &mut Failures, snapshots, kill_at, last_tick];
        let mut moment = Moment { stop, progress: &mut *progress, meanwhile: &mut |_| {} };
        first.into_iter().try_for_each(|attendant| attendant.attend(world, &mut moment))?;
        pace.note_lateness(world);
        let (of, tick_rate, deadline_misses) = (pace.of, pace.tick_rate, pace.misses);
        let marks = || marks(of, tick_rate, deadline_misses, snapshots, digests);
        let mut meanwhile = |world: &mut World| watched.look(world, &marks);
        meanwhile(world);
        let mut moment = Moment { stop, progress, meanwhile: &mut meanwhile };
        let last: [&mut dyn Attendant; 2] = [pace, &mut NextRow];
        last.into_iter().try_for_each(|attendant| attendant.attend(world, &mut moment))?;
        self.watched.begin();
        ControlFlow::Continue(())
    }

    /// What a picture has of them.
    pub fn marks(&self) -> Marks {
        let Self { digests, snapshots, pace, .. } = self;
        marks(pace.of, pace.tick_rate, pace.misses, snapshots, digests)
    }
}

fn marks(
    ticks_to_do: Option<u64>,
    tick_rate: Option<f64>,
    deadline_misses: u64,
    snapshots: &Snapshots,
    digests: &Digests,
) -> Marks {
    Marks { ticks_to_do, tick_rate, deadline_misses, snapshots: snapshots.mark(), digest: digests.last }
}
