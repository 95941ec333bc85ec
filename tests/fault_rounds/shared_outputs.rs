//! Shared outputs are those of two runs that name the same folder, file or store: one is refused, or each has its own in it.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use crate::feeder::{EndOfInput, Feeder};
use crate::ledger::{Bystander, Ledger};
use crate::process::Finished;
use crate::races::{draw_two, only, race, winner};
use crate::round::{Round, Subject, Verdict, ensure, to_strings, wrong};
use crate::setup::{Feed, Setup, make_pipe};

pub const SUBJECTS: &[Subject] = &[
    Subject { name: "one_snapshot_folder", full: 100, few: 3, play: one_snapshot_folder },
    Subject { name: "one_journal", full: 100, few: 3, play: one_journal },
    Subject { name: "one_ack_file", full: 100, few: 3, play: one_ack_file },
    Subject { name: "one_store", full: 100, few: 3, play: one_store },
];

/// Whether both went on, but the later one only after the earlier one's end: a run that takes `lasts` can't have begun before it.
fn in_turn(pair: &[Finished; 2], lasts: Duration) -> bool {
    let [first, second] = pair.each_ref().map(|finished| finished.ended);
    let apart = first.max(second) - first.min(second);
    pair.iter().all(|finished| finished.code == Some(0)) && apart >= lasts
}

/// Two runs with folders of their own and one flag that names the same folder.
fn one_folder(round: &mut Round, flag: &str) -> Verdict {
    let setups = draw_two(round, &[Feed::Population], &[200, 300]);
    let delay = round.draws.number("delay_ms", 0..=50);
    let bystander = Bystander::lay(round, &setups[0]);
    let mut ledgers = setups.each_ref().map(|setup| Ledger::open(round, setup));
    let run = |setup: &Setup, out| [setup.run(out), to_strings([flag, "shared"])].concat();
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
        round.run_well("inspect", &to_strings(["inspect", "shared"]))?;
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
    let feeder = |n: usize| Feeder::start(round.path(pipes[n]), setups[n].lines(0), pause, EndOfInput::Close);
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
    let run = |n: usize| [setups[n].run(names[n]), to_strings(["--store", &url])].concat();
    // Somebody else's run is there already.
    let third = Setup { feed: Feed::Population, entities: 500, snapshot_interval: 0, ..setups[0].clone() };
    round.run_well("third", &[third.run("c"), to_strings(["--store", &url])].concat())?;
    let shared = round.path("shared.db");
    let thirds = runs_in(&shared);
    let before = rows_of(&shared, thirds[0]);
    if is_killed {
        for n in [0, 1] {
            let tick = round.draws.number("killed_at", 1..=setups[n].ticks - 1).to_string();
            let killed = round.run("killed", &[run(n), to_strings(["--kill-at", &tick])].concat())?;
            ensure(killed.signal == Some(9), || killed.describe())?;
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

fn runs_in(file: &Path) -> Vec<i64> {
    let database = Connection::open(file).unwrap();
    let mut query = database.prepare("SELECT run FROM runs ORDER BY run").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Everything that a run has stored, as text; what tells of the process and not of the run is left out.
fn rows_of(file: &Path, run: i64) -> Vec<String> {
    let database = Connection::open(file).unwrap();
    let tables = [
        ("runs", "seed, entities, last_tick"),
        (
            "block_states",
            "tick, block, block_group, channel, entities, active, mean, deviation, fitness, threshold",
        ),
        ("alerts", "sequence, tick, name, subject, value, severity, state, why"),
        ("metrics", "tick, name, value"),
        ("repairs", "tick, block, cause, entities, replaced, parents"),
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
