//! The faults, by the rows of the list of those to survive. Each hurts a round that is under way, and heals it.

mod bad_input;
mod clocks;
mod disk;
mod engine;
mod link;
mod postgres;
mod server;
mod server_loss;

use crate::round::Round;
use crate::verdict::Verdict;

/// What a fault needs beside a Redis server.
#[derive(Clone, Copy, Default)]
pub struct Needs {
    /// A PostgreSQL server as the run's store.
    pub has_database: bool,
    /// A proxy between the run and its bus.
    pub has_proxy: bool,
    /// A server that writes nothing to disk.
    pub is_forgetful: bool,
    /// Clocks that can be set.
    pub has_clocks: bool,
}

/// A fault.
#[derive(Clone, Copy)]
pub struct Fault {
    /// Its row in the list.
    pub number: u32,
    pub name: &'static str,
    pub about: &'static str,
    /// Rounds of a plain `cargo test`.
    pub few: u64,
    pub needs: Needs,
    /// Whether its rounds are played in a process of their own, with a small disk.
    pub has_small_disk: bool,
    /// Hurts, heals, and notes how long the recovery took.
    pub hurt: fn(&mut Round) -> Verdict,
}

const NONE: Needs = Needs { has_database: false, has_proxy: false, is_forgetful: false, has_clocks: false };

/// All of them, in the order of the table.
pub const ALL: &[Fault] = &[
    fault(
        1,
        "engine_kill",
        "kill -9 of the run, restored; the server there, restarted or late",
        engine::kill,
    ),
    fault(2, "engine_stop", "SIGSTOP of the run for seconds, then CONT", engine::stop),
    fault(2, "redis_stop", "SIGSTOP of Redis for seconds, then CONT", server::stop),
    fault(3, "redis_kill", "kill -9 of Redis, away for a while, restarted with its AOF", server::kill),
    Fault {
        needs: Needs { is_forgetful: true, ..NONE },
        ..fault(4, "redis_empty", "a restart of Redis without its data", server_loss::empty)
    },
    fault(
        4,
        "redis_loss",
        "FLUSHALL, XTRIM past the cursor, DEL, XDEL; the run going on, stopped or killed",
        server_loss::loss,
    ),
    fault(4, "redis_set_back", "Redis with the data of some time ago", server_loss::set_back),
    fault(5, "redis_full", "no memory left under noeviction, freed later", server::full),
    Fault {
        needs: Needs { has_proxy: true, ..NONE },
        ..fault(6, "link", "slow, throttled, half-open, reset, a byte at a time, silent, closed", link::hurt)
    },
    Fault {
        needs: Needs { has_database: true, ..NONE },
        ..fault(
            7,
            "postgres",
            "all processes killed, the postmaster, the run's backends; absent",
            postgres::hurt,
        )
    },
    Fault {
        has_small_disk: true,
        ..fault(8, "disk_full", "no room for the run's folder and spool, freed later", disk::fill)
    },
    fault(
        10,
        "bad_input",
        "entries of 0, 11 and 1 MiB bytes, bad flags, NaN, unknown entities, no `data`",
        bad_input::hurt,
    ),
    Fault {
        needs: Needs { has_clocks: true, ..NONE },
        ..fault(12, "clock", "clocks of the run and of Redis two days off, forwards and back", clocks::hurt)
    },
    fault(13, "kills", "the run and Redis killed by turns, many times", engine::kills),
];

const fn fault(
    number: u32,
    name: &'static str,
    about: &'static str,
    hurt: fn(&mut Round) -> Verdict,
) -> Fault {
    Fault { number, name, about, few: 2, needs: NONE, has_small_disk: false, hurt }
}
