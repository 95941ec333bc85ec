//! View: one read-only picture of a run, for whoever watches it.
//!
//! Between two ticks a new one takes the place of the last; a watcher has whole pictures, never touches the world, and never holds a
//! tick. Where nobody watches, none is made.

mod counted;
mod plugins;
mod rows;
mod times;

mod picture;

mod watch;

pub use counted::Counted;
pub use picture::{Ended, Layout, RunInfo, SnapshotMark, View};
pub use plugins::{PluginState, PluginView};
pub use rows::{BlockRows, ROWS_OF_MAX};
pub use times::{BUCKETS, TickTimes, Times};
pub use watch::Watch;

pub(crate) use picture::{Marks, Painter};
