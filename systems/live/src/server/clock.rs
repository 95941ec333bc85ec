//! The clock on the wall: a frame says when it was made. No result depends on it.

use std::time::SystemTime;

#[expect(
    clippy::disallowed_methods,
    reason = "a watcher is told when a frame was made; no result depends on it"
)]
pub(super) fn wall_clock() -> SystemTime {
    SystemTime::now()
}
