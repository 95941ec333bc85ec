//! Outputs that can't be written keep no run from going on: it ends with the right status, and what can be said is said.

use std::fs::{self, File, OpenOptions};
use std::time::Duration;

use rusqlite::Connection;

use crate::ledger::Ledger;
use crate::process::{Finished, OutputTarget, Process, corec, sleep_ms, through, wait_until};
use crate::round::{Outcome, Round, Subject, Verdict, ensure, to_strings, wrong};
use crate::setup::{Feed, Setup};

pub const SUBJECTS: &[Subject] = &[
    Subject { name: "unsayable_words", full: 60, few: 4, play: unsayable_words },
    Subject { name: "unwritable_files", full: 30, few: 3, play: unwritable_files },
];

/// The commands that have something to say, and need nothing that is not there.
const COMMANDS: [&str; 8] = ["run", "run", "restore", "replay", "inspect", "runs", "verify", "fork"];

fn unsayable_words(round: &mut Round) -> Verdict {
    let setup = Setup::draw(&mut round.draws, &[Feed::Population]);
    let command = round.draws.pick("command", &COMMANDS);
    let fault =
        round.draws.pick("fault", &["stderr-full", "stderr-closed", "stdout-full", "stdout-reader-gone"]);
    // The first line of progress comes after ten seconds.
    let is_long =
        round.draws.once_in("long", 6) && round.is_full && command == "run" && fault.starts_with("stderr");
    let setup = if is_long { Setup { tick_rate: setup.ticks / 12, ..setup } } else { setup };
    let mut ledger = Ledger::open(round, &setup);
    let calm = Setup { tick_rate: 0, ..setup.clone() };
    match command {
        "restore" => {
            let tick = round.draws.number("killed_at", 1..=setup.ticks - 1).to_string();
            round.run("killed", &[calm.run("run"), to_strings(["--kill-at", &tick])].concat())?;
        }
        "run" | "verify" => {}
        _ => _ = round.run_well("before", &calm.run("run"))?,
    }
    let mut arguments = match command {
        "run" => setup.run("run"),
        "restore" => setup.restore("run"),
        "replay" => to_strings(["replay", "run"]),
        "inspect" => to_strings(["inspect", "run/journal"]),
        "runs" => to_strings(["runs", "."]),
        "verify" => to_strings(["verify", "--entities", "500", "--ticks", "50", "--threads", "1,2"]),
        _ => to_strings(["fork", "run", "--at", "10", "--set", "blocks[0].load=0.9", "--out", "f"]),
    };
    arguments.retain(|argument| argument != "--quiet");
    if fault.starts_with("stderr") {
        arguments.extend(to_strings(["--log", "trace"]));
    }
    let finished = with_fault(round, fault, &arguments)?;
    finished.must_exit(i32::from(fault == "stdout-full"))?;
    if matches!(command, "run" | "restore") { ledger.check(round, "run") } else { Ok(()) }
}

fn with_fault(round: &Round, fault: &str, arguments: &[String]) -> Result<Finished, Outcome> {
    let full = || OutputTarget::Given(OpenOptions::new().write(true).open("/dev/full").unwrap());
    let plain = || corec(&round.folder(), arguments);
    let start = |command, to| Process::start_with(&round.output_folder(), "hurt", command, to);
    let process = match fault {
        "stderr-full" => start(plain(), [OutputTarget::File, full()]),
        "stdout-full" => start(plain(), [full(), OutputTarget::File]),
        "stderr-closed" => {
            let command = through(&round.folder(), &["sh", "-c", "exec \"$@\" 2>&-", "sh"], arguments);
            start(command, [OutputTarget::File, OutputTarget::File])
        }
        _ => start(plain(), [OutputTarget::Given(without_reader()), OutputTarget::File]),
    };
    process.end()
}

/// The writing end of a pipe whose reader has gone.
fn without_reader() -> File {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    File::from(std::os::fd::OwnedFd::from(writer))
}

fn unwritable_files(round: &mut Round) -> Verdict {
    let setup =
        Setup::draw(&mut round.draws, &[Feed::Population, Feed::Table]).paced(&mut round.draws, &[300]);
    let fault = round
        .draws
        .pick("fault", &["summary", "profile-full", "snapshots", "database-locked", "database-locked"]);
    let mut ledger = Ledger::open(round, &setup);
    let run = |more: &[&str]| [setup.run("run"), to_strings(more)].concat();
    match fault {
        "summary" => {
            fs::create_dir_all(round.path("run/summary.json")).unwrap();
            let ended = round.run("no summary", &run(&[]))?;
            ended.must_exit(1)?;
            ensure(ended.err.contains("error: "), || ended.describe())?;
            ledger.check_replay(round, "run")
        }
        "profile-full" => {
            let ended = round.run("no profile", &run(&["--profile", "/dev/full"]))?;
            ended.must_exit(1)?;
            ensure(ended.err.contains("/dev/full"), || ended.describe())?;
            ledger.check_replay(round, "run")
        }
        "snapshots" => {
            fs::write(round.path("taken"), "").unwrap();
            let ended = round.run("no snapshots", &run(&["--snapshot", "taken"]))?;
            ensure(ended.err.contains("taken"), || ended.describe())?;
            match ended.code {
                Some(0) => ledger.check(round, "run"),
                Some(1) => ledger.check_last_tick(round, "run"),
                Some(2) => Err(Outcome::Refused(ended.describe())),
                _ => Err(wrong(ended.describe())),
            }
        }
        _ => {
            let locked_ms = round.draws.number("locked_ms", 50..=6000);
            let process = round.start("locked out", &run(&[]));
            wait_until(Duration::from_secs(5), || round.path("run/manifest.json").exists());
            let other = Connection::open(round.path("run/store.db")).unwrap();
            other.busy_timeout(Duration::from_secs(5)).unwrap();
            other.execute_batch("BEGIN IMMEDIATE").unwrap();
            sleep_ms(locked_ms);
            drop(other);
            let ended = process.end()?;
            if ended.code == Some(1) && ended.err.contains("locked") {
                ledger.heal(round, "run")?;
                return Err(Outcome::Refused(ended.describe()));
            }
            ended.must_exit(0)?;
            ledger.check(round, "run")
        }
    }
}
