//! A race is two processes on one thing, started within 50 ms of each other: one goes on, the other is refused and says who holds it.
//!
//! Either may win. A refusal has the exit status 2, names the process that holds the thing, and leaves nothing behind; it may also say
//! that the folder holds a run already, if the first had ended when the second looked.

use std::time::Duration;

use serde_json::Value;

use crate::ledger::{Bystander, Ledger};
use crate::process::{Finished, Process, sleep_ms};
use crate::round::{Outcome, Round, Subject, Verdict, ensure, to_strings, wrong};
use crate::setup::{Feed, Setup};
use crate::tree;

pub const SUBJECTS: &[Subject] = &[
    Subject { name: "two_starts", full: 100, few: 3, play: two_starts },
    Subject { name: "two_restores", full: 100, few: 3, play: two_restores },
    Subject { name: "restore_and_fork", full: 100, few: 3, play: restore_and_fork },
    Subject { name: "two_forks", full: 50, few: 2, play: two_forks },
];

/// Starts both, the second so many milliseconds after the first, and waits for both.
pub fn race(
    round: &Round,
    delay_ms: u64,
    commands: [(&str, Vec<String>); 2],
) -> Result<[Finished; 2], Outcome> {
    let [(name, arguments), (other, others)] = commands;
    let first = round.start(name, &arguments);
    sleep_ms(delay_ms);
    let second = round.start(other, &others);
    end_both(first, second)
}

fn end_both(mut first: Process, mut second: Process) -> Result<[Finished; 2], Outcome> {
    // In the order of their ends, so that each has the moment of its own.
    while !first.has_ended() && !second.has_ended() {
        sleep_ms(1);
        if first.age_ms() > 60_000 {
            break;
        }
    }
    if first.has_ended() {
        let first = first.end()?;
        return Ok([first, second.end()?]);
    }
    let second = second.end()?;
    Ok([first.end()?, second])
}

/// Which of two went on: 0 or 1.
fn who_went_on(pair: &[Finished; 2]) -> Result<usize, Outcome> {
    match (pair[0].code, pair[1].code) {
        (Some(0), Some(2)) => Ok(0),
        (Some(2), Some(0)) => Ok(1),
        _ => {
            let [first, second] = pair.each_ref().map(Finished::describe);
            Err(wrong(format!("{first}; {second}; one must end with 0, the other with 2")))
        }
    }
}

/// Which of two went on. The other one must have been refused as it should be.
pub fn winner(pair: &[Finished; 2]) -> Result<usize, Outcome> {
    let at = who_went_on(pair)?;
    let (won, refused) = (&pair[at], &pair[1 - at]);
    // Looking at a process' end takes a moment.
    let was_over = won.ended <= refused.ended + Duration::from_millis(20);
    let names_it = refused.err.contains(&format!("process {}", won.pid));
    let is_explained = names_it || (was_over && refused.err.contains("holds "));
    ensure(is_explained, || format!("{}; must name process {}", refused.describe(), won.pid))?;
    Ok(at)
}

/// No folder but these may be in the round's: one that was refused leaves none that it has made.
pub fn only(round: &Round, expected: &[&str]) -> Verdict {
    let (mut found, mut expected) = (tree::names(&round.folder()), to_strings(expected));
    found.retain(|name| round.path(name).is_dir());
    expected.sort();
    ensure(found == expected, || format!("found {}, must be {}", found.join(" "), expected.join(" ")))
}

/// Two runs that are not each other's, to see which rows are whose.
pub fn draw_two(round: &mut Round, feeds: &[Feed], ms: &[u64]) -> [Setup; 2] {
    let one = Setup::draw(&mut round.draws, feeds).paced(&mut round.draws, ms);
    let other = one.clone().apart_from(&one);
    [one, other]
}

fn two_starts(round: &mut Round) -> Verdict {
    let setups = draw_two(round, &[Feed::Population], &[0, 100, 300]);
    let delay = round.draws.number("delay_ms", 0..=50);
    let bystander = Bystander::lay(round, &setups[0]);
    let mut ledgers = setups.each_ref().map(|setup| Ledger::open(round, setup));
    let commands = [("first", setups[0].run("run")), ("second", setups[1].run("run"))];
    let pair = race(round, delay, commands)?;
    let won = winner(&pair)?;
    ledgers[won].check(round, "run")?;
    bystander.check()?;
    only(round, &["run", "bystander"])
}

/// Makes a run that was killed in its middle, with no time for anything.
fn kill_one(round: &mut Round, setup: &Setup, run: &str, least: u64) -> Verdict {
    let tick = round.draws.number("killed_at", least..=setup.ticks - 1);
    let mut arguments = Setup { tick_rate: 0, ..setup.clone() }.run(run);
    arguments.extend(to_strings(["--kill-at", &tick.to_string()]));
    let killed = round.run("killed", &arguments)?;
    ensure(killed.signal == Some(9), || killed.describe())
}

fn two_restores(round: &mut Round) -> Verdict {
    let feeds = [Feed::Population, Feed::Table];
    let setup = Setup::draw(&mut round.draws, &feeds).paced(&mut round.draws, &[0, 150, 400]);
    let delay = round.draws.number("delay_ms", 0..=50);
    let (bystander, mut ledger) = (Bystander::lay(round, &setup), Ledger::open(round, &setup));
    kill_one(round, &setup, "run", 1)?;
    let pair = race(round, delay, [("first", setup.restore("run")), ("second", setup.restore("run"))])?;
    if pair[0].code != Some(0) || pair[1].code != Some(0) {
        winner(&pair)?;
    }
    ledger.check(round, "run")?;
    bystander.check()?;
    only(round, &["run", "bystander"])
}

const LOAD_CHANGE: &str = "blocks[0].load=0.9";

fn fork(run: &str, at: u64, out: &str) -> Vec<String> {
    to_strings(["fork", run, "--at", &at.to_string(), "--set", LOAD_CHANGE, "--out", out, "--json"])
}

/// A fork that came to its end has one future that is the run's own.
fn check_fork(round: &Round, ledger: &Ledger, fork: &Finished, out: &str) -> Verdict {
    let found: Value =
        serde_json::from_str(&fork.out).map_err(|e| wrong(format!("{}: {e}", fork.describe())))?;
    let (same, expected) = (&found["same"]["state_digest"], ledger.control.digest());
    ensure(same == expected, || format!("fork: same: found the digest {same}, must be {expected}"))?;
    // The other one's settings are not those of its past: only this one can be done again from the first tick.
    round.run_well("replay of the same future", &to_strings(["replay", &format!("{out}/same")])).map(|_| ())
}

fn restore_and_fork(round: &mut Round) -> Verdict {
    let setup = Setup::draw(&mut round.draws, &[Feed::Population]).paced(&mut round.draws, &[0, 150, 400]);
    let delay = round.draws.number("delay_ms", 0..=50);
    let is_fork_first = round.draws.once_in("fork_first", 2);
    let (bystander, mut ledger) = (Bystander::lay(round, &setup), Ledger::open(round, &setup));
    kill_one(round, &setup, "run", 20)?;
    let mut commands = [("restore", setup.restore("run")), ("fork", fork("run", 10, "f"))];
    if is_fork_first {
        commands.reverse();
    }
    let mut pair = race(round, delay, commands)?;
    if is_fork_first {
        pair.reverse();
    }
    let [restored, forked] = pair;
    restored.must_exit(0)?;
    ledger.check(round, "run")?;
    bystander.check()?;
    // It only reads the run; that it would rather not while another writes there is allowed, if it says so.
    if forked.code == Some(2) && forked.err.contains(&format!("process {}", restored.pid)) {
        only(round, &["run", "bystander"])?;
        return Err(Outcome::Refused(forked.describe()));
    }
    forked.must_exit(0)?;
    check_fork(round, &ledger, &forked, "f")?;
    only(round, &["run", "bystander", "f"])
}

fn two_forks(round: &mut Round) -> Verdict {
    let setup = Setup::draw(&mut round.draws, &[Feed::Population]);
    let delay = round.draws.number("delay_ms", 0..=50);
    let ledger = Ledger::open(round, &setup);
    kill_one(round, &setup, "run", 20)?;
    let before = tree::Tree::of(&round.path("run"));
    let pair = race(round, delay, [("first", fork("run", 10, "f")), ("second", fork("run", 10, "f"))])?;
    let at = who_went_on(&pair)?;
    let refused = &pair[1 - at].err;
    let is_explained =
        refused.contains(&format!("process {}", pair[at].pid)) || refused.contains("is there already");
    ensure(is_explained, || pair[1 - at].describe())?;
    check_fork(round, &ledger, &pair[at], "f")?;
    before.changed(&round.path("run")).map_or(Ok(()), |changed| Err(wrong(changed)))?;
    only(round, &["run", "f"])
}
