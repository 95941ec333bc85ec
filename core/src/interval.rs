//! Intervals: a system learns every how many ticks it runs, for its windows of rows that are due.
//!
//! A window that moved with the ticks between two calls could meet the same rows for ever: half of them, at a load of 0.5 and an
//! even interval. The executor says it on the thread that calls the system; a parameter takes it before the system begins, and keeps it.

use std::cell::Cell;

use bevy_ecs::change_detection::Tick;
use bevy_ecs::system::{
    ReadOnlySystemParam, SystemAccess, SystemMeta, SystemParam, SystemParamValidationError,
};
use bevy_ecs::world::World;
use bevy_ecs::world::unsafe_world_cell::UnsafeWorldCell;

thread_local! {
    static TICKS: Cell<u64> = const { Cell::new(1) };
}

/// Calls a system that runs every so many ticks.
pub(crate) fn run_every<R>(ticks: u64, call: impl FnOnce() -> R) -> R {
    let around = TICKS.replace(ticks);
    let result = call();
    TICKS.set(around);
    result
}

/// The interval of the system whose parameter it is, in ticks.
#[derive(Clone, Copy)]
pub struct Interval(pub(crate) u64);

// SAFETY: it accesses nothing of the world.
unsafe impl SystemParam for Interval {
    type State = ();
    type Item<'w, 's> = Self;

    fn init_state(_: &mut World) {}

    fn init_access((): &(), _: &mut SystemMeta, _: &mut SystemAccess, _: &mut World) {}

    unsafe fn get_param<'w, 's>(
        (): &'s mut (),
        _: &SystemMeta,
        _: UnsafeWorldCell<'w>,
        _: Tick,
    ) -> Result<Self::Item<'w, 's>, SystemParamValidationError> {
        Ok(Self(TICKS.get()))
    }
}

// SAFETY: as above.
unsafe impl ReadOnlySystemParam for Interval {}
