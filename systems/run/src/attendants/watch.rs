//! Watched: shows the run to whoever watches it.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use bevy_ecs::world::World;

use super::{Attendant, Moment};
use crate::clock::now;
use crate::view::{View, Watch};

/// How often there is a new picture at most: as often as a person sees a change.
const EVERY: Duration = Duration::from_millis(100);

/// The pictures of a run, where anybody looks.
pub(crate) struct Watched {
    pub watch: Watch,
    pub last: Option<Instant>,
}

impl Attendant for Watched {
    fn attend(&mut self, world: &mut World, _: &mut Moment) -> ControlFlow<()> {
        let is_due = self.last.is_none_or(|last| now() - last >= EVERY) && self.watch.is_looked_at();
        if is_due {
            self.last = Some(now());
            self.watch.show(View::of(world));
        }
        ControlFlow::Continue(())
    }
}
