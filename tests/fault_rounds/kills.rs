//! A run that is hit by kill -9 or SIGSTOP goes on from what is there, takes no row twice, and a stopped one keeps what is its own.

use std::time::Duration;

use crate::ledger::Ledger;
use crate::process::{sleep_ms, wait_until};
use crate::round::{Round, Subject, Verdict, ensure};
use crate::setup::{Feed, Setup};
use crate::tree;

pub const SUBJECTS: &[Subject] = &[
    Subject { name: "kills", full: 150, few: 4, play: kills },
    Subject { name: "stops", full: 20, few: 2, play: stops },
];

const FEEDS: [Feed; 3] = [Feed::Population, Feed::Table, Feed::Pipe];

/// Killed so many times, each time at another moment, and restored each time.
fn kills(round: &mut Round) -> Verdict {
    let setup = Setup::draw(&mut round.draws, &FEEDS).paced(&mut round.draws, &[300, 500]);
    let kills = round.draws.number("kills", 1..=3);
    let in_snapshot = round.draws.once_in("in_snapshot", 3);
    let delays: Vec<u64> = (0..kills).map(|_| round.draws.number("delay_ms", 0..=400)).collect();
    let mut ledger = Ledger::open(round, &setup);
    for delay in delays {
        let feeder = ledger.feeder(round, Duration::from_millis(1));
        // A start that was killed before its manifest is a start once more.
        let has_begun = round.path("run/manifest.json").is_file();
        let mut process =
            round.start("killed", &if has_begun { setup.restore("run") } else { setup.run("run") });
        sleep_ms(delay);
        if in_snapshot {
            let is_writing =
                || tree::names(&round.path("run/snapshots")).iter().any(|name| name.ends_with(".tmp"));
            wait_until(Duration::from_millis(300), || is_writing() || process.has_ended());
        }
        process.signal("KILL");
        let killed = process.end()?;
        drop(feeder);
        ensure(killed.signal == Some(9) || killed.code == Some(0), || killed.describe())?;
        ledger.read_ack(round)?;
    }
    ledger.heal(round, "run")
}

/// Stopped for a while: it goes on as if nothing had been, and meanwhile nobody takes its folder.
fn stops(round: &mut Round) -> Verdict {
    let setup = Setup::draw(&mut round.draws, &FEEDS).paced(&mut round.draws, &[300, 500]);
    let (delay, pause) =
        (round.draws.number("delay_ms", 30..=300), round.draws.number("stopped_ms", 50..=800));
    let is_contended = round.draws.once_in("contended", 2);
    let mut ledger = Ledger::open(round, &setup);
    let feeder = ledger.feeder(round, Duration::from_millis(1));
    let mut process = round.start("stopped", &setup.run("run"));
    wait_until(Duration::from_secs(5), || round.path("run/manifest.json").exists());
    sleep_ms(delay);
    process.signal("STOP");
    sleep_ms(pause);
    if is_contended && setup.feed != Feed::Pipe && !process.has_ended() {
        let late = round.run("late", &setup.restore("run"))?;
        let names_it = late.err.contains(&format!("process {}", process.pid()));
        ensure(late.code == Some(2) && names_it, || format!("beside a stopped run: {}", late.describe()))?;
    }
    process.signal("CONT");
    process.end()?.must_exit(0)?;
    drop(feeder);
    ledger.check(round, "run")
}
