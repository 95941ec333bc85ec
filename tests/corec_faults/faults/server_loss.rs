//! Faults of a Redis server that loses data: what it loses must be told, and the run must go on with what comes.

use std::fs;
use std::path::Path;

use crate::process::{now, sleep_ms};
use crate::round::{MayLose, Round};
use crate::verdict::Verdict;
use crate::writer::INPUT;

/// A restart that begins with nothing.
pub fn empty(round: &mut Round) -> Verdict {
    round.may_lose = MayLose { inputs: true, outputs: true, ..round.may_lose };
    for _ in 0..round.times() {
        let is_stopped = hold(round)?;
        round.redis.kill();
        round.pass("away_ms", 0..=800);
        round.redis.restart();
        go_on(round, is_stopped);
        round.recover(now())?;
    }
    Ok(())
}

/// Commands that somebody gives.
pub fn loss(round: &mut Round) -> Verdict {
    for _ in 0..round.times() {
        let what = round.draws.pick("what", &["flushall", "trim", "trim_all", "del", "del_known"]);
        round.may_lose.inputs = true;
        round.may_lose.outputs |= what == "flushall";
        let state = hold(round)?;
        match what {
            "flushall" => _ = round.redis.cli(&["FLUSHALL"]),
            "trim" => _ = round.redis.cli(&["XTRIM", INPUT, "MAXLEN", "=", "3"]),
            "trim_all" => _ = round.redis.cli(&["XTRIM", INPUT, "MAXLEN", "=", "0"]),
            // What is known of the reader goes as well, or not.
            "del_known" => _ = round.redis.cli(&["DEL", INPUT, "corec:read:in"]),
            _ => _ = round.redis.cli(&["DEL", INPUT]),
        }
        round.pass("after_loss_ms", 0..=300);
        go_on(round, state);
        round.recover(now())?;
    }
    Ok(())
}

/// The data of some time ago, as a replica has it that is promoted, or a backup.
pub fn set_back(round: &mut Round) -> Verdict {
    round.may_lose = MayLose { inputs: true, outputs: true, ..round.may_lose };
    let (data, kept) = (round.redis.folder().join("appendonlydir"), round.folder().join("kept"));
    round.redis.kill();
    copy(&data, &kept);
    round.redis.restart();
    round.recover(now())?;
    round.pass("later_ms", 100..=1200);
    let state = hold(round)?;
    round.redis.kill();
    fs::remove_dir_all(&data).unwrap();
    copy(&kept, &data);
    round.redis.restart();
    round.pass("after_loss_ms", 0..=300);
    go_on(round, state);
    round.recover(now())
}

/// Holds the run, or not, for long enough that entries come which it has not read.
fn hold(round: &mut Round) -> Verdict<&'static str> {
    let state = round.draws.pick("run", &["goes_on", "stopped", "killed"]);
    match state {
        "stopped" => round.engine.signal("STOP"),
        "killed" => {
            round.may_lose.untold_outputs = true;
            round.engine.kill()?;
        }
        _ => {}
    }
    sleep_ms(150);
    Ok(state)
}

fn go_on(round: &mut Round, state: &str) {
    match state {
        "stopped" => round.engine.signal("CONT"),
        "killed" => round.engine.start(),
        _ => {}
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
