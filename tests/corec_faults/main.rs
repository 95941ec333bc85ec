//! Faults of the servers that a run talks to: seeded rounds against real ones, and a table of what came of them.
//!
//! **Method.** A *round* has a Redis server of its own, in some a PostgreSQL server, a run of a small scenario in a process of its own,
//! and a *writer* that feeds it and keeps a ledger of what the server has acknowledged. A fault happens at a seeded time, is healed, and
//! new records come. Then it is checked, from the ledger, the streams and the rows: every acknowledged record is applied once, in order;
//! the run's digest is that of its journal done again; what a second, unhurt run of the same inputs says is on the streams and in the
//! store once. Where the fault is that a server loses data, it must be told, and what comes after must be applied.
//!
//! No time decides whether a round survives, but for generous bounds; a seed fixes what is drawn, not what the scheduler makes of it.
//!
//! **Use.** `cargo test --test corec_faults -- --help`. Every round prints its seed with all that it drew.
//!
//! **Map.** `draws`, `outcome`, `process` (shared with the fault rounds), `verdict`, `writer` and its ledger, `applied` (what a journal
//! has), `engine` (the program and its supervisor), `small_clock`, `twin` (the unhurt run), `checks`, `round`, `faults`, `inner` (rounds
//! on a small disk), `table`, `options`, `runner`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking; a panic in a round is that round's")]
#![allow(clippy::print_stdout, reason = "the rounds and the table are what this program says")]

#[path = "../fault_rounds/draws.rs"]
mod draws;
#[path = "../fault_rounds/outcome.rs"]
#[allow(dead_code, reason = "the fault rounds use all of it")]
mod outcome;
#[path = "../fault_rounds/process.rs"]
#[allow(dead_code, reason = "the fault rounds use all of it")]
mod process;
#[path = "../support/mod.rs"]
mod support;

mod verdict;

mod applied;
mod writer;

mod engine;
mod small_clock;
mod twin;

mod checks;
mod faults;
mod inner;
mod round;

mod options;
mod runner;
mod table;

use std::process::ExitCode;

use options::Options;

/// A harness of our own: the table at the end is there whether the rounds survived or not.
fn main() -> ExitCode {
    if inner::was_inner() {
        return ExitCode::SUCCESS;
    }
    let asked = Options::read(std::env::args().skip(1));
    let chosen = asked.and_then(|options| options.chosen(faults::ALL).map(|chosen| (options, chosen)));
    let (options, chosen) = match chosen {
        Ok(chosen) => chosen,
        Err(error) => {
            println!("{error}; --help tells more");
            return ExitCode::from(2);
        }
    };
    if options.is_help {
        println!("{}", options::HELP);
        chosen.iter().for_each(|fault| println!("{:>4} {:<16} {}", fault.number, fault.name, fault.about));
        return ExitCode::SUCCESS;
    }
    if options.is_list {
        chosen.iter().for_each(|fault| println!("{}: test", fault.name));
        return ExitCode::SUCCESS;
    }
    if chosen.is_empty() {
        return ExitCode::SUCCESS;
    }
    runner::keep_panics();
    let tallies = runner::play_all(&chosen, &options);
    print!("{}", table::text(&tallies));
    if options.is_json {
        println!("{}", table::json(&tallies));
    }
    if tallies.iter().all(table::Tally::holds) {
        return ExitCode::SUCCESS;
    }
    println!("faults: lost, duplicated and wrong must be 0");
    ExitCode::FAILURE
}
