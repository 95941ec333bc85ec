//! Two processes on one thing, started within 50 ms of each other: one goes on, the other is refused and says who holds it.
//!
//! Either may win. A refusal has the exit status 2, names the process that holds the thing, and leaves nothing behind; it may also say
//! that the folder holds a run already, if the first had ended when the second looked.

use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;

use crate::feeder::{After, Feeder};
use crate::ledger::{Bystander, Ledger};
use crate::process::{Finished, Process, sleep_ms};
use crate::round::{Outcome, Round, Subject, Verdict, ensure, words, wrong};
use crate::setup::{Feed, Setup, make_pipe};
use crate::tree;

pub const SUBJECTS: &[Subject] = &[
    Subject { name: "two_starts", full: 100, few: 3, play: two_starts },
    Subject { name: "two_restores", full: 100, few: 3, play: two_restores },
    Subject { name: "restore_and_fork", full: 100, few: 3, play: restore_and_fork },
    Subject { name: "two_forks", full: 50, few: 2, play: two_forks },
    Subject { name: "one_snapshot_folder", full: 100, few: 3, play: one_snapshot_folder },
    Subject { name: "one_journal", full: 100, few: 3, play: one_journal },
    Subject { name: "one_ack_file", full: 100, few: 3, play: one_ack_file },
    Subject { name: "one_store", full: 100, few: 3, play: one_store },
];

/// Starts both, the second so many milliseconds after the first, and waits for both.
fn race(round: &Round, delay_ms: u64, commands: [(&str, Vec<String>); 2]) -> Result<[Finished; 2], Outcome> {
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
            let [first, second] = pair.each_ref().map(Finished::told);
            Err(wrong(format!("{first}; {second}; one must end with 0, the other with 2")))
        }
    }
}

/// Which of two went on. The other one must have been refused as it should be.
fn winner(pair: &[Finished; 2]) -> Result<usize, Outcome> {
    let at = who_went_on(pair)?;
    let (won, refused) = (&pair[at], &pair[1 - at]);
    // Looking at a process' end takes a moment.
    let was_over = won.ended <= refused.ended + Duration::from_millis(20);
    let names_it = refused.err.contains(&format!("process {}", won.pid));
    let is_said = names_it || (was_over && refused.err.contains("holds "));
    ensure(is_said, || format!("{}; must name process {}", refused.told(), won.pid))?;
    Ok(at)
}

/// Whether both went on, but the later one only after the earlier one's end: a run that takes `lasts` can't have begun before it.
fn in_turn(pair: &[Finished; 2], lasts: Duration) -> bool {
    let [first, second] = pair.each_ref().map(|finished| finished.ended);
    let apart = first.max(second) - first.min(second);
    pair.iter().all(|finished| finished.code == Some(0)) && apart >= lasts
}

/// No folder but these may be in the round's: one that was refused leaves none that it has made.
fn only(round: &Round, expected: &[&str]) -> Verdict {
    let (mut found, mut expected) = (tree::names(&round.folder()), words(expected));
    found.retain(|name| round.path(name).is_dir());
    expected.sort();
    ensure(found == expected, || format!("found {}, must be {}", found.join(" "), expected.join(" ")))
}

/// Two runs that are not each other's, to see which rows are whose.
fn draw_two(round: &mut Round, feeds: &[Feed], ms: &[u64]) -> [Setup; 2] {
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
    arguments.extend(words(["--kill-at", &tick.to_string()]));
    let killed = round.run("killed", &arguments)?;
    ensure(killed.signal == Some(9), || killed.told())
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

const SET: &str = "blocks[0].load=0.9";

fn fork(run: &str, at: u64, out: &str) -> Vec<String> {
    words(["fork", run, "--at", &at.to_string(), "--set", SET, "--out", out, "--json"])
}

/// A fork that came to its end has one future that is the run's own.
fn check_fork(round: &Round, ledger: &Ledger, fork: &Finished, out: &str) -> Verdict {
    let found: Value = serde_json::from_str(&fork.out).map_err(|e| wrong(format!("{}: {e}", fork.told())))?;
    let (same, expected) = (&found["same"]["state_digest"], ledger.control.digest());
    ensure(same == expected, || format!("fork: same: found the digest {same}, must be {expected}"))?;
    // The other one's settings are not those of its past: only this one can be done again from the first tick.
    round.run_well("replay of the same future", &words(["replay", &format!("{out}/same")])).map(|_| ())
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
        return Err(Outcome::Refused(forked.told()));
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
    let is_said =
        refused.contains(&format!("process {}", pair[at].pid)) || refused.contains("is there already");
    ensure(is_said, || pair[1 - at].told())?;
    check_fork(round, &ledger, &pair[at], "f")?;
    before.changed(&round.path("run")).map_or(Ok(()), |changed| Err(wrong(changed)))?;
    only(round, &["run", "f"])
}

/// Two runs with folders of their own and one flag that names the same folder.
fn one_folder(round: &mut Round, flag: &str) -> Verdict {
    let setups = draw_two(round, &[Feed::Population], &[200, 300]);
    let delay = round.draws.number("delay_ms", 0..=50);
    let bystander = Bystander::lay(round, &setups[0]);
    let mut ledgers = setups.each_ref().map(|setup| Ledger::open(round, setup));
    let run = |setup: &Setup, out| [setup.run(out), words([flag, "shared"])].concat();
    let pair = race(round, delay, [("first", run(&setups[0], "a")), ("second", run(&setups[1], "b"))])?;
    let names = ["a", "b"];
    if in_turn(&pair, Duration::from_millis(setups[0].ticks * 1000 / setups[0].tick_rate)) {
        ledgers.iter_mut().zip(names).try_for_each(|(ledger, name)| ledger.check_end(round, name))?;
        return bystander.check();
    }
    let won = winner(&pair)?;
    let name = names[won];
    ledgers[won].check_end(round, name)?;
    if flag == "--journal" && ledgers[won].check_replay(round, name).is_err() {
        // A replay may look for a journal only where it usually is.
        std::fs::rename(round.path("shared"), round.path(name).join("journal")).unwrap();
    }
    ledgers[won].check_replay(round, name)?;
    if flag == "--snapshot" {
        round.run_well("inspect", &words(["inspect", "shared"]))?;
    }
    let shared = round.path("shared").exists().then_some("shared");
    only(round, &[&[name, "bystander"][..], shared.as_slice()].concat())?;
    bystander.check()
}

fn one_snapshot_folder(round: &mut Round) -> Verdict {
    one_folder(round, "--snapshot")
}

fn one_journal(round: &mut Round) -> Verdict {
    one_folder(round, "--journal")
}

/// Two runs, each with a pipe of its own, that acknowledge in one file: the feeders would take each other's word.
fn one_ack_file(round: &mut Round) -> Verdict {
    let setups = draw_two(round, &[Feed::Pipe], &[0]);
    let pause = Duration::from_micros(round.draws.number("pause_us", 800..=1500));
    let delay = round.draws.number("delay_ms", 0..=50);
    let mut ledgers = setups.each_ref().map(Ledger::of);
    let pipes = ["pipe_a", "pipe_b"];
    pipes.iter().for_each(|pipe| make_pipe(&round.path(pipe)));
    let feeder = |n: usize| Feeder::start(round.path(pipes[n]), setups[n].lines(0), pause, After::Close);
    let feeders = [feeder(0), feeder(1)];
    let run = |n: usize, out: &str| -> Vec<String> {
        let own = |argument: String| if argument == "pipe" { pipes[n].to_string() } else { argument };
        setups[n].run(out).into_iter().map(own).collect()
    };
    let pair = race(round, delay, [("first", run(0, "a")), ("second", run(1, "b"))]);
    drop(feeders);
    let (pair, names) = (pair?, ["a", "b"]);
    if in_turn(&pair, pause * setups[0].ticks as u32) {
        return ledgers.iter().zip(names).try_for_each(|(ledger, name)| ledger.check_replay(round, name));
    }
    let won = winner(&pair)?;
    ledgers[won].check(round, names[won])?;
    only(round, &[names[won]])
}

/// Two runs in one SQLite file: each has all of its rows, and those of nobody else.
fn one_store(round: &mut Round) -> Verdict {
    let setups = draw_two(round, &[Feed::Population, Feed::Table], &[0, 150, 300]);
    let delay = round.draws.number("delay_ms", 0..=50);
    let is_killed = round.draws.once_in("both_killed_first", 2);
    let mut setups = setups;
    if setups[0].feed == Feed::Table {
        // One table for both: what they differ in is their seed's column.
        setups[1].seed = setups[0].seed;
    }
    let mut ledgers = setups.each_ref().map(|setup| Ledger::open(round, setup));
    let url = format!("sqlite://{}", round.path("shared.db").display());
    let names = ["a", "b"];
    let run = |n: usize| [setups[n].run(names[n]), words(["--store", &url])].concat();
    // Somebody else's run is there already.
    let third = Setup { feed: Feed::Population, entities: 500, snapshot_interval: 0, ..setups[0].clone() };
    round.run_well("third", &[third.run("c"), words(["--store", &url])].concat())?;
    let shared = round.path("shared.db");
    let thirds = runs_in(&shared);
    let before = rows_of(&shared, thirds[0]);
    if is_killed {
        for n in [0, 1] {
            let tick = round.draws.number("killed_at", 1..=setups[n].ticks - 1).to_string();
            let killed = round.run("killed", &[run(n), words(["--kill-at", &tick])].concat())?;
            ensure(killed.signal == Some(9), || killed.told())?;
        }
    }
    let again = |n: usize| if is_killed { setups[n].restore(names[n]) } else { run(n) };
    let pair = race(round, delay, [("first", again(0)), ("second", again(1))])?;
    pair.iter().try_for_each(|finished| finished.must_exit(0))?;
    for n in [0, 1] {
        ledgers[n].check(round, names[n])?;
    }
    let mut runs = runs_in(&shared);
    ensure(runs.len() == 3, || format!("shared.db: found {} runs, must be 3", runs.len()))?;
    runs.retain(|run| !thirds.contains(run));
    ensure(rows_of(&shared, thirds[0]) == before, || {
        "shared.db: the rows of a run that had ended changed".into()
    })?;
    let mut expected: Vec<Vec<String>> =
        ledgers.iter().map(|l| rows_of(&l.control.folder.join("store.db"), 1)).collect();
    for run in runs {
        let rows = rows_of(&shared, run);
        let Some(at) = expected.iter().position(|wanted| *wanted == rows) else {
            let counts: Vec<usize> = expected.iter().map(Vec::len).collect();
            return Err(wrong(format!(
                "shared.db: the {} rows of run {run} are nobody's; must be {counts:?}",
                rows.len()
            )));
        };
        expected.remove(at);
    }
    Ok(())
}

fn runs_in(file: &std::path::Path) -> Vec<i64> {
    let database = Connection::open(file).unwrap();
    let mut query = database.prepare("SELECT run FROM runs ORDER BY run").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Everything that a run has stored, as text; what tells of the process and not of the run is left out.
fn rows_of(file: &std::path::Path, run: i64) -> Vec<String> {
    let database = Connection::open(file).unwrap();
    let tables = [
        ("runs", "seed, entities, last_tick"),
        (
            "block_states",
            "tick, block, block_group, channel, entities, active, mean, deviation, fitness, threshold",
        ),
        ("alerts", "sequence, tick, name, subject, value, severity, state"),
        ("metrics", "tick, name, value"),
    ];
    let mut rows = Vec::new();
    for (table, columns) in tables {
        let mut query = database.prepare(&format!("SELECT {columns} FROM {table} WHERE run = ?")).unwrap();
        let width = query.column_count();
        let text = |row: &rusqlite::Row| -> rusqlite::Result<String> {
            let cells = (0..width)
                .map(|at| row.get::<_, rusqlite::types::Value>(at).map(|value| format!("{value:?}")));
            Ok(format!("{table} {}", cells.collect::<Result<Vec<_>, _>>()?.join(" ")))
        };
        rows.extend(query.query_map([run], text).unwrap().map(Result::unwrap));
    }
    rows.sort();
    rows
}
