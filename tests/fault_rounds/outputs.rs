//! Outputs that can't be written: a run goes on and ends with the right status, and what can be said is said.

use std::fs::{self, File, OpenOptions};
use std::time::Duration;

use rusqlite::Connection;

use crate::ledger::Ledger;
use crate::process::{Finished, Process, Words, corec, sleep_ms, through, wait_until};
use crate::round::{Outcome, Round, Subject, Verdict, ensure, words, wrong};
use crate::setup::{Feed, Setup};

pub const SUBJECTS: &[Subject] = &[
    Subject { name: "unsayable_words", full: 60, few: 4, play: said },
    Subject { name: "unwritable_files", full: 30, few: 3, play: files },
];

/// The commands that have something to say, and need nothing that is not there.
const COMMANDS: [&str; 8] = ["run", "run", "restore", "replay", "inspect", "runs", "verify", "fork"];

fn said(round: &mut Round) -> Verdict {
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
            round.run("killed", &[calm.run("run"), words(["--kill-at", &tick])].concat())?;
        }
        "run" | "verify" => {}
        _ => _ = round.run_well("before", &calm.run("run"))?,
    }
    let mut arguments = match command {
        "run" => setup.run("run"),
        "restore" => setup.restore("run"),
        "replay" => words(["replay", "run"]),
        "inspect" => words(["inspect", "run/journal"]),
        "runs" => words(["runs", "."]),
        "verify" => words(["verify", "--entities", "500", "--ticks", "50", "--threads", "1,2"]),
        _ => words(["fork", "run", "--at", "10", "--set", "blocks[0].load=0.9", "--out", "f"]),
    };
    arguments.retain(|argument| argument != "--quiet");
    if fault.starts_with("stderr") {
        arguments.extend(words(["--log", "trace"]));
    }
    let finished = with_fault(round, fault, &arguments)?;
    finished.must_exit(i32::from(fault == "stdout-full"))?;
    if matches!(command, "run" | "restore") { ledger.check(round, "run") } else { Ok(()) }
}

fn with_fault(round: &Round, fault: &str, arguments: &[String]) -> Result<Finished, Outcome> {
    let full = || Words::To(OpenOptions::new().write(true).open("/dev/full").unwrap());
    let plain = || corec(&round.folder(), arguments);
    let start = |command, to| Process::start_with(&round.words(), "hurt", command, to);
    let process = match fault {
        "stderr-full" => start(plain(), [Words::Kept, full()]),
        "stdout-full" => start(plain(), [full(), Words::Kept]),
        "stderr-closed" => {
            let command = through(&round.folder(), &["sh", "-c", "exec \"$@\" 2>&-", "sh"], arguments);
            start(command, [Words::Kept, Words::Kept])
        }
        _ => start(plain(), [Words::To(without_reader()), Words::Kept]),
    };
    process.end()
}

/// The writing end of a pipe whose reader has gone.
fn without_reader() -> File {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    File::from(std::os::fd::OwnedFd::from(writer))
}

fn files(round: &mut Round) -> Verdict {
    let setup =
        Setup::draw(&mut round.draws, &[Feed::Population, Feed::Table]).paced(&mut round.draws, &[300]);
    let fault = round
        .draws
        .pick("fault", &["summary", "profile-full", "snapshots", "database-locked", "database-locked"]);
    let mut ledger = Ledger::open(round, &setup);
    let run = |more: &[&str]| [setup.run("run"), words(more)].concat();
    match fault {
        "summary" => {
            fs::create_dir_all(round.path("run/summary.json")).unwrap();
            let ended = round.run("no summary", &run(&[]))?;
            ended.must_exit(1)?;
            ensure(ended.err.contains("error: "), || ended.told())?;
            ledger.check_replay(round, "run")
        }
        "profile-full" => {
            let ended = round.run("no profile", &run(&["--profile", "/dev/full"]))?;
            ended.must_exit(1)?;
            ensure(ended.err.contains("/dev/full"), || ended.told())?;
            ledger.check_replay(round, "run")
        }
        "snapshots" => {
            fs::write(round.path("taken"), "").unwrap();
            let ended = round.run("no snapshots", &run(&["--snapshot", "taken"]))?;
            ensure(ended.err.contains("taken"), || ended.told())?;
            match ended.code {
                Some(0) => ledger.check(round, "run"),
                Some(1) => ledger.check_last_tick(round, "run"),
                Some(2) => Err(Outcome::Refused(ended.told())),
                _ => Err(wrong(ended.told())),
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
                return Err(Outcome::Refused(ended.told()));
            }
            ended.must_exit(0)?;
            ledger.check(round, "run")
        }
    }
}
