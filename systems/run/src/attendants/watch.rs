//! Watched: shows the run to whoever watches it, and hears what they would like.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bevy_ecs::world::World;
use corec_core::alert::{Alerts, ToldSignals};
use corec_core::block::{BlockId, Population};
use corec_core::simulation::PauseWishes;
use corec_core::units::Tick;
use corec_telemetry::feed::Feed;
use corec_telemetry::scores;

use crate::clock::now;
use crate::view::{BlockRows, Ended, Marks, Painter, RunInfo, Watch};

/// How often there is a new picture at most: as often as a person sees a change.
const EVERY: Duration = Duration::from_millis(100);

/// The pictures of a run, where anybody looks.
pub(crate) struct Watched {
    watch: Watch,
    painter: Painter,
    last: Option<Instant>,
    /// When the tick in hand began.
    begun: Option<Instant>,
}

impl Watched {
    /// Of a run that is about to begin. Keeps from now on what those who watch it will want to know.
    pub fn new(watch: Watch, run: RunInfo, world: &mut World) -> Self {
        if watch.is_open() {
            world.resource_mut::<PauseWishes>().is_open = true;
            world.resource_scope::<Alerts, _>(|world, mut alerts| {
                let (told, population) = (world.resource::<ToldSignals>(), world.resource::<Population>());
                let columns = world.get_resource::<Feed>().map(Feed::columns).unwrap_or_default();
                alerts.keep_log(|signal, at| match signal {
                    _ if told.is_of_blocks(signal) => population.block_name(BlockId(at)),
                    scores::COLUMN_SCORE | scores::ROW_SCORE => scores::subject(signal, at, columns),
                    _ => at.to_string(),
                });
            });
        }
        Self { watch, painter: Painter::new(run), last: None, begun: None }
    }

    /// A tick begins.
    pub fn begin(&mut self) {
        let now = now();
        self.begun = Some(now);
        self.painter.begin(now);
    }

    /// The tick that has begun is over.
    pub fn end(&mut self) {
        if let Some(begun) = self.begun.take() {
            self.painter.times.note(begun.elapsed());
        }
    }

    /// Hands on what was asked for, and makes a picture if somebody looks and the last one is a while old. `marks` is asked then.
    pub fn look(&mut self, world: &mut World, marks: &dyn Fn() -> Marks) {
        let wishes = &mut world.resource_mut::<PauseWishes>().new;
        // Those of a tick that is long in coming wait where there is room for so many only.
        if wishes.is_empty() {
            *wishes = self.watch.take_wishes();
        }
        if self.last.is_some_and(|last| last.elapsed() < EVERY) || !self.watch.is_looked_at() {
            return;
        }
        self.last = Some(now());
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
