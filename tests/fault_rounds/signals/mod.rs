//! Signals end a process with the tick in hand, a snapshot and the right exit status; nothing hangs.
//!
//! Whatever is told to end does so within five seconds, with 128 + the signal's number unless it was done already. A run that had begun
//! leaves a snapshot and a manifest that says "interrupted", from which it goes on to the end of one that was never interrupted. A second
//! signal within a second of the first changes nothing (`timeout` and terminals send two); a later one ends what is stuck.

mod delivery;
mod stuck;
mod victim;

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::feeder::Feeder;
use crate::ledger::{Ledger, manifest};
use crate::process::Finished;
use crate::round::{Outcome, Round, Subject, Verdict, ensure, wrong};
use crate::setup::{Feed, Setup};
use crate::tree::{self, Tree};

use delivery::{Delivery, deliver, namespace};
use stuck::stuck_process;
use victim::{VICTIMS, Victim, feed, prepare};

pub const SUBJECTS: &[Subject] = &[
    Subject { name: "signals", full: 200, few: 6, play: signals },
    Subject { name: "signal_to_a_stuck_one", full: 6, few: 1, play: stuck_process },
];

const LIMIT: Duration = Duration::from_secs(5);
/// So many take longer than a fork is let be.
const FORK_TICKS: u64 = 30_000;
const SIGNALS: [&str; 3] = ["TERM", "INT", "HUP"];

fn number(signal: &str) -> i32 {
    match signal {
        "HUP" => 1,
        "INT" => 2,
        _ => 15,
    }
}

struct Fault {
    victim: Victim,
    delivery: Delivery,
    signals: [&'static str; 2],
    delay_ms: u64,
    gap_ms: u64,
}

impl Fault {
    fn draw(round: &mut Round) -> Self {
        let draws = &mut round.draws;
        let victim = draws.pick("victim", &VICTIMS);
        let delivery = draws.pick(
            "style",
            &[Delivery::Once, Delivery::Twice, Delivery::Twice, Delivery::Timeout, Delivery::FirstProcess],
        );
        let signal = draws.pick("signal", &SIGNALS);
        let is_twice = delivery == Delivery::Twice;
        let second = if is_twice { draws.pick("second", &SIGNALS) } else { signal };
        let quick = matches!(victim, Victim::Replay | Victim::Runs | Victim::Inspect);
        Self {
            victim,
            delivery,
            signals: [signal, second],
            delay_ms: draws.number("delay_ms", if quick { 0..=40 } else { 0..=600 }),
            gap_ms: if is_twice { draws.number("gap_ms", 0..=900) } else { 0 },
        }
    }

    /// Whether it ended as it was told to, by one of the signals.
    fn ended(&self, finished: &Finished) -> bool {
        self.signals.iter().any(|signal| finished.ended_by(number(signal)))
    }
}

fn signals(round: &mut Round) -> Verdict {
    let fault = Fault::draw(round);
    let setup = Setup::draw(&mut round.draws, &[fault.victim.feed()]);
    // A pipe's rows come at the feeder's pace.
    let setup = if setup.feed == Feed::Pipe { setup } else { setup.paced(&mut round.draws, &[400, 700]) };
    if fault.delivery == Delivery::FirstProcess && namespace().is_none() {
        return Err(Outcome::Skipped("unshare -p is not permitted here".into()));
    }
    let mut ledger = Ledger::open(round, &setup);
    prepare(round, fault.victim, &setup)?;
    let before = Tree::of(&round.path("run"));
    let old_manifest = fs::read(round.path("run/manifest.json")).ok();
    let feeder = feed(round, fault.victim, &ledger);
    let finished = deliver(round, &fault, &fault.victim.arguments(&setup));
    let fed = feeder.as_ref().map_or(0, Feeder::sent);
    drop(feeder);
    let finished = finished?;
    if fault.victim.is_run() {
        // What it writes when it begins has the time that starting took: never the same as the killed run's.
        let has_begun = fs::read(round.path("run/manifest.json")).ok() != old_manifest;
        return check_run(round, &fault, &finished, &mut ledger, [has_begun, fed > 20]);
    }
    ensure(finished.code == Some(0) || fault.ended(&finished), || finished.describe())?;
    before.changed(&round.path("run")).map_or(Ok(()), |changed| Err(wrong(changed)))?;
    if fault.victim == Victim::Fork {
        check_fork(&finished)?;
    }
    // Killed before it could listen, it could not clean up either.
    if finished.signal.is_none() {
        let left = tree::names(&round.scratch());
        ensure(left.is_empty(), || format!("left in the folder for temporary files: {}", left.join(" ")))?;
    }
    Ok(())
}

/// A fork that was cut short has nothing to compare; one that has was not.
fn check_fork(finished: &Finished) -> Verdict {
    if finished.code != Some(0) {
        return ensure(finished.out.is_empty(), || {
            format!("a fork cut short printed {}", finished.out.trim())
        });
    }
    let found: Value =
        serde_json::from_str(&finished.out).map_err(|e| wrong(format!("{}: {e}", finished.describe())))?;
    let ticks = [&found["same"]["tick"], &found["fork"]["tick"]];
    ensure(ticks.iter().all(|tick| **tick == FORK_TICKS), || {
        format!(
            "{}; a fork of {FORK_TICKS} ticks compares {} with {}",
            finished.describe(),
            ticks[0],
            ticks[1]
        )
    })
}

/// A run that was told to end: interrupted with a snapshot, done, or not begun.
fn check_run(
    round: &Round,
    fault: &Fault,
    finished: &Finished,
    ledger: &mut Ledger,
    [has_begun, is_fed]: [bool; 2],
) -> Verdict {
    let status = manifest(round, "run").map_or("none".into(), |manifest| manifest["status"].to_string());
    let describe = || format!("{}; its manifest says {status}", finished.describe());
    match status.trim_matches('"') {
        "done" => {
            ensure(finished.code == Some(0), describe)?;
            return ledger.check(round, "run");
        }
        "interrupted" => {
            let codes = fault.signals.map(|signal| Some(128 + number(signal)));
            ensure(codes.contains(&finished.code), describe)?;
            ledger.check_digests("run", &manifest(round, "run")?)?;
            let snapshots = tree::names(&round.path("run/snapshots"));
            ensure(!snapshots.is_empty(), || format!("{}; it left no snapshot", describe()))?;
        }
        // Told before it began. What one that is restored finds says "running", of the one that was killed.
        "none" => ensure(fault.ended(finished), describe)?,
        "running" if !has_begun => ensure(fault.ended(finished), describe)?,
        _ => return Err(wrong(describe())),
    }
    let must_have_begun = fault.victim == Victim::Run(Feed::Pipe) && is_fed;
    ensure(!must_have_begun || status != "none", || format!("{} after many rows", describe()))?;
    ledger.heal(round, "run")
}
