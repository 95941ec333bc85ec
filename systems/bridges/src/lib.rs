//! Where a run meets the outside: [`bus`] and [`store`], each behind a [`lane`], and the systems that use them.
//!
//! [`ingest`] takes what waits on the input stream, [`frames`] sends what entities show, [`publish`] alerts, repairs, states of blocks and metrics.
//!
//! ```
//! use corec_bridges::bus::MemoryBus;
//! use corec_core::bus::{Bus, Cursor, RunBus};
//! use corec_core::units::{Epoch, Tick};
//! let outside = MemoryBus::default();
//! let mut bus = RunBus::new(Box::new(outside.clone()));
//! outside.append("in", b"hello")?;
//! assert_eq!(bus.poll("in", Cursor::START, 10)?.entries[0].data, b"hello");
//! bus.publish("out", Epoch(0), Tick(0), b"world")?;
//! assert_eq!(outside.entries("out"), [b"world"]);
//! # Ok::<(), corec_core::bus::BusError>(())
//! ```
#![forbid(unsafe_code)]

pub mod finding;
pub mod wait;

pub mod lane;

mod repaired;

pub mod bus;
pub mod store;

pub mod frames;
pub mod ingest;
pub mod publish;
