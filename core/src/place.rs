//! Place: what this thread is at, for what it logs: the tick, the plugin whose system it runs, the block.
//!
//! Of the thread, for what is logged is written far from who knows it. Nothing that is reckoned depends on it.

use std::cell::Cell;

use crate::block::BlockId;

/// What a thread is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The tick that is under way, or was the last; none on a thread that runs no ticks.
    pub tick: Option<u64>,
    /// The plugin whose system is running.
    pub plugin: Option<&'static str>,
    /// The block that a system is at.
    pub block: Option<BlockId>,
}

thread_local! {
    /// Tick and plugin; the block, which changes with every pass over blocks, is apart.
    static PLACE: Cell<Place> = const { Cell::new(Place { tick: None, plugin: None, block: None }) };
    static BLOCK: Cell<Option<BlockId>> = const { Cell::new(None) };
}

/// Where this thread is.
///
/// ```
/// assert_eq!(corec_core::place::here().tick, None);
/// ```
pub fn here() -> Place {
    Place { block: BLOCK.get(), ..PLACE.get() }
}

/// From here on this thread is at a tick.
pub(crate) fn begin_tick(tick: u64) {
    PLACE.set(Place { tick: Some(tick), ..Place::default() });
    BLOCK.set(None);
}

/// Calls `call` as one at that place, on this thread, whatever it was at before.
pub(crate) fn at<R>(place: Place, call: impl FnOnce() -> R) -> R {
    let around = (PLACE.replace(place), BLOCK.replace(place.block));
    let result = call();
    PLACE.set(around.0);
    BLOCK.set(around.1);
    result
}

/// This thread is at a block, until it is at another one or [`at`] another place.
#[inline]
pub(crate) fn at_block(block: BlockId) {
    BLOCK.set(Some(block));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_left_as_it_was_entered() {
        begin_tick(7);
        let outside = here();
        let inside = at(Place { plugin: Some("fatigue"), ..outside }, || {
            at_block(BlockId(3));
            here()
        });
        assert_eq!(inside, Place { tick: Some(7), plugin: Some("fatigue"), block: Some(BlockId(3)) });
        assert_eq!(here(), outside);
    }
}
