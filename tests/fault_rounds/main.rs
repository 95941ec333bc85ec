//! Fault rounds: the program as a user runs it, hurt in every way that a seed can draw, and judged by a ledger of our own.
//!
//! **Method.** A *round* is one experiment: its seed draws a run (entities, ticks, table, pipe, snapshots, pace) and a fault (a second
//! process, a signal, a loss of power, a full disk, a changed table). First the fault, then a healed phase in which the run must come
//! to its end. A *ledger*, kept by the checker and not by the program, has what an undisturbed run of the same options has come to,
//! the rows that were fed and the highest one that was acknowledged; it classifies the round:
//!
//! - *right*: as promised, to the digest
//! - *refused*: a clean refusal (exit status 2, with what to do) where going on was not possible
//! - *lost*: something acknowledged is gone
//! - *wrong*: another digest, a hang, a panic, another exit status, something touched that is another's
//!
//! A subject has many rounds; none may be lost or wrong. Zero in `n` rounds means a rate of at most `3 / n` at 95 %.
//!
//! **Use.** Every round prints its seed with all that it drew.
//!
//! ```text
//! cargo test --test fault_rounds                                a few rounds of every subject
//! COREC_ROUNDS=full cargo test --release --test fault_rounds    all of them, as CI does; a number is so many of each
//! cargo test --test fault_rounds -- signals power               subjects by a part of their name
//! COREC_ROUND_SEED=signals/1f3a cargo test --test fault_rounds  this round alone; its folder is kept if it is lost or wrong
//! COREC_ROUND_KEEP=1                                            so are those of all rounds
//! COREC_ROUND_BASE=7                                            other rounds than the usual ones
//! COREC_ROUND_WORKERS=1                                         rounds at a time; twice the processors if not given
//! COREC_BIN=path                                                another build of the program
//! ```
//!
//! A seed fixes what is drawn, not what the scheduler makes of it: a round about time may need to be run some times.
//!
//! **Map.** `draws` (a seed's choices), `round` (a round, its outcome, the table), `process` (starting, signalling, waiting), `setup`
//! (what is run), `ledger` (what must come of it), `feeder` (the other end of a pipe), `tree` (whether folders changed); then one
//! file a subject: `pairs`, `readers`, `signals`, `kills`, `power` (with `trace` and `disk`), `damage`, `full`, `outputs`, `world`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking; a panic in a round is that round's")]
#![allow(clippy::print_stdout, reason = "the rounds and the table are what this program says")]

mod damage;
mod disk;
mod draws;
mod feeder;
mod full;
mod kills;
mod ledger;
mod outputs;
mod pairs;
mod power;
mod process;
mod readers;
mod round;
mod setup;
mod signals;
mod trace;
mod tree;
mod world;

use std::process::ExitCode;

use round::{Asked, Subject, Tally};

/// All subjects, in the order of the table.
fn subjects() -> Vec<Subject> {
    let all = [
        pairs::SUBJECTS,
        readers::SUBJECTS,
        signals::SUBJECTS,
        kills::SUBJECTS,
        power::SUBJECTS,
        damage::SUBJECTS,
        full::SUBJECTS,
        outputs::SUBJECTS,
        world::SUBJECTS,
    ];
    all.concat()
}

/// A harness of our own: the table at the end is there whether the rounds were right or not.
fn main() -> ExitCode {
    let asked = Asked::read(std::env::args().skip(1));
    let chosen: Vec<Subject> = subjects().into_iter().filter(|subject| asked.wants(subject.name)).collect();
    if asked.is_list {
        chosen.iter().for_each(|subject| println!("{}: test", subject.name));
        return ExitCode::SUCCESS;
    }
    let _home = round::make_home();
    round::keep_panics();
    let tallies: Vec<Tally> = chosen.iter().map(|subject| subject.play_all(&asked)).collect();
    if tallies.is_empty() {
        return ExitCode::SUCCESS;
    }
    print!("{}", round::table(&tallies));
    if tallies.iter().all(Tally::holds) {
        return ExitCode::SUCCESS;
    }
    println!("fault rounds: lost and wrong must be 0");
    ExitCode::FAILURE
}
