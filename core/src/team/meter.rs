//! The meter: measures how much the threads of a team work at the same time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::member::Shared;
use crate::trace::now;

/// Meters how much of the time in which one thread of a team works the others work too.
pub(crate) struct Meter {
    shared: Arc<Shared>,
    work: Worked,
}

/// Nanoseconds.
#[derive(Clone, Copy, Default)]
struct Worked {
    /// Of the clock on the wall.
    wall: u64,
    /// That members who had nothing to do worked for others.
    helped: u64,
    /// That members who had something to do waited for others.
    waited: u64,
}

impl Meter {
    pub(super) fn of(shared: Arc<Shared>) -> Self {
        Self { shared, work: Worked::default() }
    }

    /// Runs `work` on the lead, and meters it.
    pub fn meter<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let read =
            |shared: &Shared| (shared.helped.load(Ordering::Relaxed), shared.waited.load(Ordering::Relaxed));
        let (start, before) = (now(), read(&self.shared));
        let result = work();
        let after = read(&self.shared);
        self.work.wall += start.elapsed().as_nanos() as u64;
        self.work.helped += after.0 - before.0;
        self.work.waited += after.1 - before.1;
        result
    }

    /// The share of the time in which all threads worked: 1 - (time in which the others waited for one) / time. None for one thread,
    /// or before anything was metered.
    pub fn parallel_share(&self) -> Option<f64> {
        let Worked { wall, helped, waited } = self.work;
        let others = (self.shared.members as u64 - 1) * wall;
        let idle = (others + waited).saturating_sub(helped);
        (others > 0).then(|| (1.0 - idle as f64 / others as f64).clamp(0.0, 1.0))
    }
}
