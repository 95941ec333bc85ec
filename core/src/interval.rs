//! Intervals: every how many ticks the system in hand runs, for the windows of rows that are due.
//!
//! Told by the executor on the thread that calls the system. A window that moved with the ticks between two calls could
//! meet the same rows for ever: half of them, at a load of 0.5 and an even interval.

use std::cell::Cell;

thread_local! {
    static TICKS: Cell<u64> = const { Cell::new(1) };
}

/// Calls a system that runs every so many ticks. It may itself run others, while it waits for its own work.
pub(crate) fn run_every<R>(ticks: u64, call: impl FnOnce() -> R) -> R {
    let around = TICKS.replace(ticks);
    let result = call();
    TICKS.set(around);
    result
}

/// The interval of the system in hand, in ticks.
pub(crate) fn ticks() -> u64 {
    TICKS.get()
}
