//! Telemetry: a table of measurements, a row a tick, and a twin for each of its columns.
//!
//! [`table`] reads it, [`feed`] gives a run its rows, [`follow`] lets the twins follow their columns and score them, [`scores`] and
//! [`detection`] compare the scores with labels, which [`windows`] of [`time`] may stand in for.

pub(crate) mod ack;
pub mod detection;
pub mod feed;
pub mod follow;
mod live;
pub mod scores;
pub mod table;
pub mod time;
pub mod windows;
