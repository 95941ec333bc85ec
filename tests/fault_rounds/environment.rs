//! The environment changes between a kill and a restore: the input edited, the run's folder moved or copied, another folder to stand in.
//!
//! What does not touch the rows that were taken makes no difference: the end is that of a run that was never killed. What does is refused
//! with exit status 2 and its first difference; `--input-changed accept` goes on all the same.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::ledger::{Bystander, Ledger, read_json, rows_in_journal};
use crate::process::{Process, corec};
use crate::round::{Outcome, Round, Subject, Verdict, ensure, to_strings, wrong};
use crate::setup::{Feed, Setup};
use crate::tree::{self, Tree};

pub const SUBJECTS: &[Subject] = &[
    Subject { name: "edited_input", full: 100, few: 4, play: edited_input },
    Subject { name: "moved_folder", full: 60, few: 4, play: moved_folder },
];

/// Changes of the table: of what was taken, and of what was not.
const TABLE_EDITS: [&str; 12] = [
    "none",
    "taken-row-changed",
    "later-row-changed",
    "later-rows-gone",
    "rows-appended",
    "taken-rows-gone",
    "columns-swapped",
    "column-renamed",
    "column-removed",
    "column-added",
    "another-table",
    "file-gone",
];

fn killed_run(round: &mut Round, setup: &Setup, run: &str) -> Result<u64, Outcome> {
    let tick = round.draws.number("killed_at", 20..=setup.ticks - 20);
    let killed =
        round.run("killed", &[setup.run(run), to_strings(["--kill-at", &tick.to_string()])].concat())?;
    ensure(killed.signal == Some(9), || killed.describe())?;
    Ok(tick)
}

fn edited_input(round: &mut Round) -> Verdict {
    let setup = Setup::draw(&mut round.draws, &[Feed::Table]);
    let edit = round.draws.pick("edit", &TABLE_EDITS);
    let is_accepted = round.draws.once_in("accepted", 4);
    let is_renamed = round.draws.once_in("by_another_name", 4) && edit != "file-gone";
    let mut ledger = Ledger::open(round, &setup);
    let reached = killed_run(round, &setup, "run")? as usize;
    // What is in the journal was taken; what is beyond the tick that was reached was not.
    let taken = rows_in_journal(round, "run/journal")? as usize;
    let lines = edited(setup.lines(0), edit, [taken, reached], &setup, round);
    let mut arguments = setup.restore("run");
    let name = if is_renamed { "renamed.csv" } else { "table.csv" };
    if is_renamed {
        fs::remove_file(round.path("table.csv")).unwrap();
        arguments.extend(to_strings(["--input", name]));
    }
    match edit {
        "file-gone" => fs::remove_file(round.path(name)).unwrap(),
        _ => fs::write(round.path(name), lines.concat()).unwrap(),
    }
    if is_accepted {
        arguments.extend(to_strings(["--input-changed", "accept"]));
    }
    let restored = round.run("restored", &arguments)?;
    let is_beyond = matches!(edit, "none" | "later-row-changed" | "later-rows-gone" | "rows-appended");
    let touches_taken = taken > 0 && !is_beyond;
    match restored.code {
        Some(0) if edit == "none" => ledger.check(round, "run"),
        Some(0) if touches_taken && is_accepted => {
            round.run_well("replay", &to_strings(["replay", "run"])).map(|_| ())
        }
        Some(0) if touches_taken => {
            // By name, or from the journal: it may be right all the same.
            ledger
                .check(round, "run")
                .map_err(|_| wrong(format!("{edit} went unnoticed: {}", restored.describe())))
        }
        Some(0) => as_from_the_start(round, name, &setup),
        Some(2) if touches_taken => {
            ensure(names_difference(&restored.err, edit), || {
                format!("{}; must name the difference", restored.describe())
            })?;
            let may_refuse =
                !is_accepted || edit.starts_with("column") || edit == "file-gone" || edit.ends_with("gone");
            ensure(may_refuse, || format!("accepted, and {}", restored.describe()))?;
            // As it should be: noticed and named.
            Ok(())
        }
        _ => Err(wrong(format!("{edit}: {}", restored.describe()))),
    }
}

fn names_difference(err: &str, edit: &str) -> bool {
    let wanted: &[&str] = match edit {
        "taken-row-changed" | "another-table" => &["row", "line"],
        "taken-rows-gone" => &["row", "line"],
        "file-gone" => &["No such file", "not there"],
        _ => &["column"],
    };
    err.contains("error: ") && wanted.iter().any(|word| err.contains(word))
}

/// The table's lines after the edit. So many rows were taken for sure, and the run was at this row when it was killed.
fn edited(
    mut lines: Vec<String>,
    edit: &str,
    [taken, reached]: [usize; 2],
    setup: &Setup,
    round: &mut Round,
) -> Vec<String> {
    let draws = &mut round.draws;
    let mut within =
        |first: usize, last: usize| first + draws.below((last.max(first) + 1 - first) as u64) as usize;
    let other = |at: usize| format!("77.5,{},0\n", at / 10);
    match edit {
        "taken-row-changed" => {
            let at = within(1, taken);
            lines[at] = other(at);
        }
        "later-row-changed" => {
            let at = within(reached + 2, setup.ticks as usize);
            lines[at] = other(at);
        }
        "later-rows-gone" => lines.truncate(reached + 5),
        "rows-appended" => {
            let longer = Setup { ticks: setup.ticks + 20, ..setup.clone() };
            lines.extend(longer.lines(setup.ticks).split_off(1));
        }
        "taken-rows-gone" => _ = lines.drain(1..=within(1, taken)),
        "columns-swapped" => by_cells(&mut lines, |_, cells| cells.swap(0, 1)),
        "column-renamed" => lines[0] = lines[0].replace("step", "stride"),
        "column-removed" => by_cells(&mut lines, |_, cells| _ = cells.remove(1)),
        "column-added" => by_cells(&mut lines, |row, cells| {
            cells.insert(0, if row == 0 { "extra".into() } else { row.to_string() });
        }),
        "another-table" => lines = Setup { seed: setup.seed + 5, ..setup.clone() }.lines(0),
        _ => {}
    }
    lines
}

/// Changes the cells of every line; the header is number 0.
fn by_cells(lines: &mut [String], change: impl Fn(usize, &mut Vec<String>)) {
    for (number, line) in lines.iter_mut().enumerate() {
        let mut cells: Vec<String> = line.trim_end().split(',').map(String::from).collect();
        change(number, &mut cells);
        *line = cells.join(",") + "\n";
    }
}

/// The restored run must have come to the end of one that had this table from the start.
fn as_from_the_start(round: &Round, table: &str, setup: &Setup) -> Verdict {
    let fresh = Setup { snapshot_interval: 0, ..setup.clone() }.run("fresh");
    let fresh: Vec<String> =
        fresh.into_iter().map(|a| if a == "table.csv" { table.into() } else { a }).collect();
    round.run_well("fresh", &fresh)?;
    let read = |run: &str| read_json(&round.path(run).join("summary.json")).map_err(wrong);
    let (found, expected): (Value, Value) = (read("run")?, read("fresh")?);
    for key in ["tick", "state_digest", "alerts", "roc_auc", "pr_auc"] {
        ensure(found[key] == expected[key], || {
            format!("{key}: found {}, must be {}", found[key], expected[key])
        })?;
    }
    round.run_well("replay", &to_strings(["replay", "run"])).map(|_| ())
}

/// What happens to the folder.
const FOLDER_MOVES: [&str; 6] = [
    "moved",
    "copied",
    "other-folder-to-stand-in",
    "snapshot-among-other-runs",
    "snapshot-file",
    "snapshot-of-a-copy",
];

fn moved_folder(round: &mut Round) -> Verdict {
    let setup = Setup::draw(&mut round.draws, &[Feed::Population, Feed::Table]);
    let how = round.draws.pick("how", &FOLDER_MOVES);
    let mut ledger = Ledger::open(round, &setup);
    killed_run(round, &setup, "run")?;
    match how {
        "moved" => {
            fs::create_dir(round.path("elsewhere")).unwrap();
            fs::rename(round.path("run"), round.path("elsewhere/run")).unwrap();
            round.run_well("restored", &setup.restore("elsewhere/run"))?;
            ensure(!round.path("run").exists(), || "the old folder is there again".into())?;
            ledger.check(round, "elsewhere/run")
        }
        "copied" => {
            tree::copy(&round.path("run"), &round.path("copy"));
            let original = Tree::of(&round.path("run"));
            round.run_well("restored", &setup.restore("copy"))?;
            original.changed(&round.path("run")).map_or(Ok(()), |changed| Err(wrong(changed)))?;
            ledger.check(round, "copy")?;
            ledger.heal(round, "run")
        }
        "other-folder-to-stand-in" => {
            fs::create_dir(round.path("elsewhere")).unwrap();
            let restored = restore_from(round, "elsewhere", &setup.restore("../run"))?;
            let is_there = tree::names(&round.path("elsewhere"));
            ensure(is_there.is_empty(), || format!("made {} where it stood", is_there.join(" ")))?;
            if restored.code == Some(0) {
                return ledger.check(round, "run");
            }
            // A relative path of a table is one to where the run was started.
            let may_refuse =
                setup.feed == Feed::Table && restored.code == Some(2) && restored.err.contains("table.csv");
            ensure(may_refuse, || restored.describe())?;
            let named = [setup.restore("../run"), to_strings(["--input", "../table.csv"])].concat();
            restore_from(round, "elsewhere", &named)?.must_exit(0)?;
            ledger.check(round, "run")
        }
        _ => by_snapshot(round, &mut ledger, how),
    }
}

fn restore_from(
    round: &Round,
    folder: &str,
    arguments: &[String],
) -> Result<crate::process::Finished, Outcome> {
    let mut command = corec(&round.folder(), arguments);
    command.current_dir(round.path(folder));
    Process::start(&round.output_folder(), "restored", command).end()
}

/// A snapshot's file says which run it is of; where that is another run now, that one must not be touched.
fn by_snapshot(round: &Round, ledger: &mut Ledger, how: &str) -> Verdict {
    let setup = ledger.setup.clone();
    let mut snapshots = tree::names(&round.path("run/snapshots"));
    snapshots.retain(|name| name.ends_with(".corec"));
    let Some(newest) = snapshots.pop() else {
        return ledger.heal(round, "run");
    };
    match how {
        "snapshot-file" => {
            round.run_well("restored", &setup.restore(&format!("run/snapshots/{newest}")))?;
            ledger.check(round, "run")
        }
        "snapshot-of-a-copy" => {
            tree::copy(&round.path("run"), &round.path("copy"));
            let original = Tree::of(&round.path("run"));
            round.run_well("restored", &setup.restore(&format!("copy/snapshots/{newest}")))?;
            original.changed(&round.path("run")).map_or(Ok(()), |changed| Err(wrong(changed)))?;
            ledger.check(round, "copy")
        }
        _ => among_other_runs(round, ledger, &newest),
    }
}

fn among_other_runs(round: &Round, ledger: &Ledger, newest: &str) -> Verdict {
    fs::create_dir(round.path("project")).unwrap();
    fs::copy(round.path("run/snapshots").join(newest), round.path("project/s.corec")).unwrap();
    // In that project the run's name is another run's.
    let other =
        Setup { feed: Feed::Population, entities: 700, ..ledger.setup.clone().apart_from(&ledger.setup) };
    let own = Bystander::lay_at(round, &other, Path::new("project/run"));
    let mut arguments = [ledger.setup.restore("s.corec"), to_strings(["--out", "on"])].concat();
    if ledger.setup.feed == Feed::Table {
        arguments.extend(to_strings(["--input", "../table.csv"]));
    }
    let restored = restore_from(round, "project", &arguments)?;
    own.check()?;
    let without = restore_from(round, "project", &ledger.setup.restore("s.corec"))?;
    own.check()?;
    let is_clean = |code| matches!(code, Some(0 | 2));
    ensure(is_clean(restored.code) && is_clean(without.code), || {
        format!("{}; {}", restored.describe(), without.describe())
    })?;
    match restored.code {
        Some(0) => {
            let summary = read_json(&round.path("project/on/summary.json")).map_err(wrong)?;
            let (found, expected) = (&summary["state_digest"], ledger.control.digest());
            ensure(found == expected, || format!("on: found the digest {found}, must be {expected}"))
        }
        _ => Err(Outcome::Refused(restored.describe())),
    }
}
