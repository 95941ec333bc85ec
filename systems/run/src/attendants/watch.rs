//! Watched: shows the run to whoever watches it, and hears what they would like.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bevy_ecs::world::World;
use corec_core::simulation::PauseWishes;
use corec_core::units::Tick;

use crate::clock::now;
use crate::view::{BlockRows, Ended, Marks, Painter, Watch};

/// How often there is a new picture at most: as often as a person sees a change.
const EVERY: Duration = Duration::from_millis(100);

/// The pictures of a run, where anybody looks.
pub(crate) struct Watched {
    pub watch: Watch,
    pub painter: Painter,
    pub last: Option<Instant>,
    /// When the tick in hand began.
    pub begun: Option<Instant>,
}

impl Watched {
    /// A tick begins.
    pub fn begin(&mut self) {
        self.begun = Some(now());
    }

    /// The tick that has begun is over.
    pub fn end(&mut self) {
        if let Some(begun) = self.begun.take() {
            self.painter.times.note(begun.elapsed());
        }
    }

    /// Makes a picture if somebody looks and the last one is a while old, and hands on what was asked for. `marks` is asked then.
    pub fn look(&mut self, world: &mut World, marks: &dyn Fn() -> Marks) {
        if self.last.is_some_and(|last| last.elapsed() < EVERY) || !self.watch.is_looked_at() {
            return;
        }
        self.last = Some(now());
        let wishes = self.watch.take_wishes();
        world.resource_mut::<PauseWishes>().new.extend(wishes);
        self.show(world, marks(), None);
    }

    /// Shows the run as it is now.
    pub fn show(&mut self, world: &World, marks: Marks, ended: Option<Ended>) {
        let mut view = self.painter.paint(world, marks);
        view.ended = ended;
        let tick = world.resource::<Tick>().0;
        let rows = |block| Some((block, Arc::new(BlockRows::of(world, block, tick)?)));
        view.rows = self.watch.wanted().into_iter().filter_map(rows).collect();
        self.watch.show(view);
    }
}
