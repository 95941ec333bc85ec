//! Telemetry: a table of measurements, a row a tick, and a twin for each of its columns.
//!
//! [`table`] reads it, [`follow`] lets the twins follow their columns and score them, [`detection`] compares the
//! scores with labels, which [`windows`] of [`time`] may stand in for.

pub mod detection;
pub mod follow;
mod live;
pub mod table;
pub mod time;
pub mod windows;
