//! Damaged files are survived: the snapshot before is used, or the journal alone; what can't be gone on with is refused cleanly. Never
//! another run.

use std::fs;
use std::path::PathBuf;

use crate::draws::Draws;
use crate::ledger::Ledger;
use crate::round::{Outcome, Round, Subject, Verdict, ensure, to_strings, wrong};
use crate::setup::{Feed, Setup};
use crate::tree;

pub const SUBJECTS: &[Subject] = &[Subject { name: "damage", full: 100, few: 4, play: damage }];

/// What a way to damage a file makes of its bytes; none for no file at all.
fn damaged(mut bytes: Vec<u8>, way: &str, draws: &mut Draws) -> Option<Vec<u8>> {
    let at = draws.below(bytes.len().max(1) as u64) as usize;
    match way {
        "bit" => bytes[at] ^= 1 << draws.below(8),
        "zero-page" => {
            let end = bytes.len().min(at + 4096);
            bytes[at..end].fill(0);
        }
        "cut" => bytes.truncate(at),
        "empty" => bytes.clear(),
        "longer" => bytes.extend_from_slice(&[0x5a; 100]),
        _ => return None,
    }
    Some(bytes)
}

fn damage(round: &mut Round) -> Verdict {
    let setup = Setup::draw(&mut round.draws, &[Feed::Population, Feed::Table]);
    let what = round.draws.pick(
        "what",
        &["newest-snapshot", "newest-snapshot", "all-snapshots", "journal", "manifest", "store"],
    );
    let way = round.draws.pick("way", &["bit", "bit", "zero-page", "cut", "empty", "longer", "missing"]);
    let tick = round.draws.number("killed_at", setup.ticks / 2..=setup.ticks - 1).to_string();
    let mut ledger = Ledger::open(round, &setup);
    let killed = round.run("killed", &[setup.run("run"), to_strings(["--kill-at", &tick])].concat())?;
    ensure(killed.signal == Some(9), || killed.describe())?;
    for path in files_to_damage(round, what) {
        let bytes = fs::read(&path).unwrap();
        match damaged(bytes, way, &mut round.draws) {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
    }
    let restored = round.run("restored", &setup.restore("run"))?;
    if restored.code == Some(0) {
        return ledger.check(round, "run");
    }
    // The journal has all that a snapshot has; the others have what nothing else has.
    let may_refuse = !what.ends_with("snapshot") && !what.ends_with("snapshots");
    let is_clean = matches!(restored.code, Some(1 | 2)) && restored.err.contains("error: ");
    match is_clean && may_refuse {
        true => Err(Outcome::Refused(restored.describe())),
        false => Err(wrong(restored.describe())),
    }
}

fn files_to_damage(round: &Round, what: &str) -> Vec<PathBuf> {
    let run = round.path("run");
    let names = tree::names(&run.join("snapshots"));
    let mut snapshots: Vec<PathBuf> = names
        .iter()
        .filter(|name| name.ends_with(".corec"))
        .map(|name| run.join("snapshots").join(name))
        .collect();
    match what {
        "newest-snapshot" => snapshots.pop().into_iter().collect(),
        "all-snapshots" => snapshots,
        "journal" => vec![run.join("journal/00000001.log")],
        "manifest" => vec![run.join("manifest.json")],
        _ => vec![run.join("store.db")],
    }
}
