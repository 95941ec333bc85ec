//! Readers beside a run that goes on need no lock, never hold it up, and change nothing.

use crate::ledger::Ledger;
use crate::process::{sleep_ms, wait_until};
use crate::round::{Round, Subject, Verdict, ensure, repository, to_strings, wrong};
use crate::setup::{Feed, Setup};
use crate::tree::{self, Tree};

pub const SUBJECTS: &[Subject] = &[Subject { name: "readers", full: 100, few: 3, play: readers }];

fn readers(round: &mut Round) -> Verdict {
    let feeds = [Feed::Population, Feed::Table];
    let setup = Setup::draw(&mut round.draws, &feeds).paced(&mut round.draws, &[200, 400]);
    let killed_at = round.draws.number("killed_at", 1..=setup.ticks - 1).to_string();
    let names: Vec<&str> = (0..4)
        .map(|_| round.draws.pick("reader", &["replay", "inspect", "inspect-journal", "runs", "ask"]))
        .collect();
    let delays: Vec<u64> = (0..4).map(|_| round.draws.number("delay_ms", 0..=60)).collect();
    let mut ledger = Ledger::open(round, &setup);
    let killed =
        round.run("killed", &[setup.run("runs/0001"), to_strings(["--kill-at", &killed_at])].concat())?;
    ensure(killed.signal == Some(9), || killed.describe())?;

    let mut restored = round.start("restored", &setup.restore("runs/0001"));
    for (name, delay) in names.iter().zip(delays) {
        sleep_ms(delay);
        let snapshots = tree::names(&round.path("runs/0001/snapshots"));
        let is_young = *name == "inspect" && !snapshots.iter().any(|name| name.ends_with(".corec"));
        let reader = round.run(name, &arguments(name))?;
        ensure(reader.code == Some(0) || (is_young && reader.code == Some(2)), || {
            format!("beside a run: {}", reader.describe())
        })?;
    }
    wait_until(crate::process::PATIENCE, || restored.has_ended());
    restored.end()?.must_exit(0)?;
    ledger.check(round, "runs/0001")?;
    let before = Tree::of(&round.folder());
    for name in names {
        round.run_well(name, &arguments(name))?;
    }
    before.changed(&round.folder()).map_or(Ok(()), |changed| Err(wrong(changed)))
}

fn arguments(name: &str) -> Vec<String> {
    let plugins = repository("plugins").display().to_string();
    match name {
        "replay" => to_strings(["replay", "runs/0001"]),
        "inspect" => to_strings(["inspect", "runs/0001"]),
        "inspect-journal" => to_strings(["inspect", "runs/0001/journal"]),
        "runs" => to_strings(["runs"]),
        _ => to_strings(["ask", "how is it going?", "--run", "runs/0001", "--plugins", &plugins]),
    }
}
