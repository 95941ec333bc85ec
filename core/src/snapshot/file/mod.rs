//! The file: it has frames one after the other, and an index at its end.

mod format;
mod reader;
mod writer;

pub use format::{Frame, Part};
pub use reader::Snapshot;
pub(super) use writer::{State, write};
