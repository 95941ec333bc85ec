//! CoreC's engine: a million small rows in blocks, run in parallel and in a fixed order, the same bits from the same
//! seed at any thread count.
//!
//! ```
//! use bevy_app::{App, Update};
//! use corec_core::{blocks::Blocks, column::Signal, kind::{AddKind, Kind}};
//! use corec_core::{config::{BlockGroup, Scenario}, simulation::Simulation};
//!
//! fn grow(blocks: Blocks<&mut Signal>) {
//!     blocks.par_for_each(|signal| signal.iter_mut().for_each(|s| s.value += 1.0));
//! }
//!
//! let mut app = App::new();
//! app.add_kind(Kind::new("plant").with::<Signal>()).add_systems(Update, grow);
//! let field = BlockGroup { id: "field".into(), kind: "plant".into(), entities: 5000, ..Default::default() };
//! let mut simulation = Simulation::new(app, Scenario { blocks: vec![field], ..Default::default() })?;
//! simulation.run(10)?;
//! # assert_eq!(simulation.tick(), 10);
//! # Ok::<(), corec_core::simulation::SimulationError>(())
//! ```
//!
//! The modules in reading order; each uses only those above it.
//!
//! - Settings: [`units`] has the numbers that a scenario is written in, [`config`] reads and checks its frame, [`section`]
//!   what stands beside it; [`mod@file`] opens files, [`lock`] keeps them for one process, [`stop`] tells of a signal.
//! - The same bits: [`maths`], [`width`] and [`rng`] compute them, at any vector width and on any thread.
//! - The tick: [`phase`] divides it, and says who a system belongs to.
//! - Rows: [`guard`] watches over them, [`mod@column`] and [`kind`] are what they are made of, [`location`] and [`block`] are where
//!   they are; `raw` copies them, [`look`] reads those of a block, and [`replace`] puts one entity in another's place.
//! - Threads: [`trace`] keeps what each did, [`team`] shares work between them.
//! - State: [`digest`] sums it up, with `clock`, [`outputs`] and `turns` as parts of it.
//! - Access: [`rows`] is for one entity at a time, [`reshape`] for whole blocks, [`blocks`] for all rows, with `interval` for those that are due.
//! - Order: [`executor`] runs systems, [`observers`] and [`mod@plugin`] fix whose come first.
//! - A run's beginning: [`snapshot`] keeps and gives back a state, [`populate`] makes a new one.
//! - Watching: [`stats`] measures blocks, [`suspects`] names systems, [`alert`] calls a person, [`flags`] mark blocks, [`repairs`] record what was done.
//! - The outside: [`bus`] and [`message`] carry streams, [`journal`] records what came in, [`store`] keeps what goes out.
//! - The run: [`memory`] says whether it fits, and [`simulation`] runs it.
//!
//! There are no sockets, no database and no wall clock in here: bridges live in crates of their own.
#![deny(unsafe_code)]

#[cfg(target_endian = "big")]
compile_error!("rows, digests and kernels are little endian");

pub mod stop;
pub mod units;

pub mod config;
pub mod file;

pub mod lock;

pub mod maths;
pub mod width;

pub mod rng;

pub mod phase;

pub mod guard;

pub mod column;
pub mod kind;
pub mod location;

pub mod block;

pub mod section;

#[expect(unsafe_code, reason = "copies rows inside a table, which bevy_ecs has no safe call for")]
mod raw;

pub mod look;
pub mod replace;

pub mod trace;

pub mod team;

pub mod digest;

mod clock;
pub mod outputs;
pub mod place;
mod turns;

#[expect(unsafe_code, reason = "a parameter of a system that accesses nothing")]
mod interval;
pub mod rows;

pub mod reshape;

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
pub mod flags;
pub mod journal;
pub mod message;
pub mod repairs;
pub mod store;

pub mod memory;
pub mod simulation;
