//! CoreC's engine: a million small rows in blocks, run in parallel and in a fixed order, the same bits from the same
//! seed at any thread count.
//!
//! The modules in reading order; each uses only those above it.
//! What is said: [`units`], [`config`]. What is read: [`mod@file`]. The same bits: [`maths`], [`width`], [`rng`].
//! Who does what when: [`phase`]. Rows: [`guard`], [`mod@column`], [`kind`], [`location`], [`block`], [`rows`], [`replace`], [`trace`], [`team`], [`blocks`].
//! Order: [`executor`], [`observers`], [`mod@plugin`]. State: [`digest`], [`outputs`], [`snapshot`], [`populate`], [`stats`], [`suspects`].
//! The outside: [`alert`], [`message`], [`bus`], [`journal`], [`store`]. The run: [`memory`], [`simulation`].
//!
//! No sockets, no database and no wall clock in here: bridges live in `corec_systems`.
#![deny(unsafe_code)]

#[cfg(target_endian = "big")]
compile_error!("rows, digests and kernels are little endian");

pub mod units;

pub mod config;
pub mod file;

pub mod maths;
pub mod width;

pub mod rng;

pub mod phase;

pub mod guard;

pub mod column;
pub mod kind;
pub mod location;

pub mod block;
#[expect(unsafe_code, reason = "copies rows inside a table, which bevy_ecs has no safe call for")]
mod raw;
pub mod replace;

pub mod trace;

pub mod team;

pub mod digest;

mod clock;
pub mod outputs;
mod turns;

#[expect(unsafe_code, reason = "a parameter of a system that accesses nothing")]
mod interval;
pub mod rows;

pub mod blocks;
pub mod executor;
#[expect(unsafe_code, reason = "calls observers with the event that bevy_ecs hands over")]
pub mod observers;
pub mod plugin;
pub mod snapshot;

pub mod populate;
pub mod stats;
pub mod suspects;

pub mod alert;
pub mod bus;
pub mod journal;
pub mod message;
pub mod store;

pub mod memory;
pub mod simulation;
