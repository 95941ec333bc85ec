//! Events: what the stream's viewers are shown next.

use bytes::Bytes;

/// The newest events. Each has a number that rises with what it says.
#[derive(Clone, Debug, Default)]
pub(super) struct Events {
    pub frame: (u64, Bytes),
    pub summary: (u64, Bytes),
    pub end: Option<Bytes>,
}
