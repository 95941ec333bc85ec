//! Fault rounds are runs of the program as a user runs it, hurt in every way that a seed can draw, and judged by a ledger of our own.
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
//! **Map.** `draws` (a seed's choices), `outcome` (what came of a round), `process` (starting, signalling, waiting), `round` (one
//! experiment), `setup` (what is run), `feeder` (the other end of a pipe), `tree` (whether folders changed), `ledger` (what must come of
//! a run), `options` (which rounds), `tally` (the table), `runner` (plays the rounds); then one file a subject: `races`,
//! `shared_outputs`, `readers`, `signals`, `kills`, `power` (with `trace` and `disk`), `damage`, `full_disks`, `outputs`, `environment`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking; a panic in a round is that round's")]
#![allow(clippy::print_stdout, reason = "the rounds and the table are what this program says")]

mod draws;
mod outcome;
mod process;
mod round;

mod feeder;
mod setup;
mod tree;

mod ledger;
mod options;
mod tally;

mod runner;

mod kills;
mod races;
mod readers;
mod shared_outputs;
mod signals;

mod trace;

mod disk;
mod power;

mod damage;
mod environment;
mod full_disks;
mod outputs;

use std::process::ExitCode;

use options::Options;
use round::Subject;
use tally::Tally;

/// All subjects, in the order of the table.
fn subjects() -> Vec<Subject> {
    let all = [
        races::SUBJECTS,
        shared_outputs::SUBJECTS,
        readers::SUBJECTS,
        signals::SUBJECTS,
        kills::SUBJECTS,
        power::SUBJECTS,
        damage::SUBJECTS,
        full_disks::SUBJECTS,
        outputs::SUBJECTS,
        environment::SUBJECTS,
    ];
    all.concat()
}

/// A harness of our own: the table at the end is there whether the rounds were right or not.
fn main() -> ExitCode {
    let options = Options::read(std::env::args().skip(1));
    let chosen: Vec<Subject> = subjects().into_iter().filter(|subject| options.wants(subject.name)).collect();
    if options.is_list {
        chosen.iter().for_each(|subject| println!("{}: test", subject.name));
        return ExitCode::SUCCESS;
    }
    let _home = round::make_home();
    runner::keep_panics();
    let tallies: Vec<Tally> = chosen.iter().map(|subject| subject.play_all(&options)).collect();
    if tallies.is_empty() {
        return ExitCode::SUCCESS;
    }
    print!("{}", tally::table(&tallies));
    if tallies.iter().all(Tally::holds) {
        return ExitCode::SUCCESS;
    }
    println!("fault rounds: lost and wrong must be 0");
    ExitCode::FAILURE
}
