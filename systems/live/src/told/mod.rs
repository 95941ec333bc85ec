//! Told: what the API says, as it is in JSON; made from a [`View`](corec_run::view::View). `corec top` reads it again.

mod alerts;
mod blocks;
mod groups;
mod lanes;
mod layout;
mod plugins;

mod summary;

pub use alerts::{AlertTold, AlertsTold};
pub use blocks::{BlockQuery, BlockTold, BlocksTold, Order, RowsTold, SortBy};
pub use groups::GroupTold;
pub use lanes::LaneTold;
pub use layout::{BLOCKS_MAX, GroupOfBlocks, LayoutTold};
pub use plugins::{PluginTold, PluginsTold, SystemTold, SystemsTold};
pub use summary::{
    AlertCounts, DigestTold, JournalTold, KindTold, MemoryTold, RunTold, SnapshotTold, SummaryTold,
    TickTimesTold,
};

pub(crate) use groups::{GroupSums, group_sums};
pub(crate) use lanes::lanes;
pub(crate) use plugins::systems;

/// A number that JSON has; none for what is none.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
