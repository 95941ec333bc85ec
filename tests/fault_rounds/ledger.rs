//! The ledger says what must come of a run, kept apart from what the run says of itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::feeder::{EndOfInput, Feeder};
use crate::process::{Process, corec};
use crate::round::{Outcome, Round, Verdict, ensure, home, to_strings, wrong};
use crate::setup::{Feed, Setup};
use crate::tree;

/// What a summary says that no fault may change.
const SUMMARY_KEYS: [&str; 10] = [
    "state_digest",
    "tick",
    "entities",
    "entity_updates",
    "faults",
    "repairs",
    "alerts",
    "error",
    "roc_auc",
    "pr_auc",
];

/// An undisturbed run.
pub struct Control {
    /// Its summary.
    pub summary: Value,
    /// The digest after so many ticks, where one was recorded.
    pub digests: BTreeMap<u64, String>,
    /// Its folder, which nobody writes to any more.
    pub folder: PathBuf,
}

impl Control {
    /// The one of these options; played once, whoever asks.
    pub fn of(setup: &Setup) -> Arc<Self> {
        static KEPT: Mutex<BTreeMap<String, Arc<Control>>> = Mutex::new(BTreeMap::new());
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let place = home().join(format!("control-{}", kept.len()));
        let play = || Arc::new(Self::play(setup, &place));
        Arc::clone(kept.entry(setup.key()).or_insert_with(play))
    }

    fn play(setup: &Setup, place: &Path) -> Self {
        let folder = place.join("round");
        fs::create_dir_all(&folder).unwrap();
        let feed = if setup.feed == Feed::Pipe { Feed::Table } else { setup.feed };
        let calm = Setup {
            feed,
            threads: 1,
            snapshot_interval: 0,
            tick_rate: 0,
            journal_sync: false,
            ..setup.clone()
        };
        calm.lay_out(&folder);
        let run = Process::start(&place.join("output"), "control", corec(&folder, &calm.run("run")));
        let run = run.end().unwrap_or_else(|outcome| panic!("{outcome:?}"));
        assert_eq!(run.code, Some(0), "{}", run.describe());
        let folder = folder.join("run");
        let manifest = read_json(&folder.join("manifest.json")).unwrap();
        Self {
            summary: read_json(&folder.join("summary.json")).unwrap(),
            digests: digests(&manifest),
            folder,
        }
    }

    pub fn digest(&self) -> &str {
        self.summary["state_digest"].as_str().unwrap()
    }

    pub fn tick(&self) -> u64 {
        self.summary["tick"].as_u64().unwrap()
    }
}

/// A run of a round, and what is known of it from outside.
pub struct Ledger {
    pub control: Arc<Control>,
    pub setup: Setup,
    /// The highest sequence that was seen acknowledged.
    pub acknowledged: u64,
    /// Flags that it is started and gone on with beside those of its setup.
    pub more: Vec<String>,
}

impl Ledger {
    /// Of a run whose input is laid out by the round itself.
    pub fn of(setup: &Setup) -> Self {
        Self { control: Control::of(setup), setup: setup.clone(), acknowledged: 0, more: Vec::new() }
    }

    /// Lays out the input in the round's folder and plays the undisturbed run.
    pub fn open(round: &Round, setup: &Setup) -> Self {
        setup.lay_out(&round.folder());
        Self::of(setup)
    }

    /// Looks at what is acknowledged by now; it never goes back.
    pub fn read_ack(&mut self, round: &Round) -> Verdict {
        let text = fs::read_to_string(round.path("ack")).unwrap_or_default();
        let now = text.trim().parse().unwrap_or(0);
        if now < self.acknowledged {
            return Err(Outcome::Lost(format!("ack: found {now} after {}", self.acknowledged)));
        }
        self.acknowledged = now;
        Ok(())
    }

    /// Whoever feeds the pipe, if there is one: what is acknowledged is not sent again.
    pub fn feeder(&self, round: &Round, pause: Duration) -> Option<Feeder> {
        self.feeder_of(round, "pipe", self.acknowledged, pause)
    }

    pub fn feeder_of(&self, round: &Round, pipe: &str, after: u64, pause: Duration) -> Option<Feeder> {
        let start = || Feeder::start(round.path(pipe), self.setup.lines(after), pause, EndOfInput::Close);
        (self.setup.feed == Feed::Pipe).then(start)
    }

    /// Goes on with a run to its end, which must be the undisturbed run's.
    pub fn heal(&mut self, round: &Round, run: &str) -> Verdict {
        self.read_ack(round)?;
        let setup = Setup { tick_rate: 0, ..self.setup.clone() };
        let _feeder = self.feeder(round, Duration::ZERO);
        // Without a manifest it had not begun, and is started once more.
        let has_begun = round.path(run).join("manifest.json").is_file();
        let arguments = if has_begun { setup.restore(run) } else { setup.run(run) };
        let healed = round.run("healed", &[arguments, self.more.clone()].concat())?;
        ensure(healed.code == Some(0), || format!("going on with {run}: {}", healed.describe()))?;
        self.check(round, run)
    }

    /// The run in the folder `run` must have come to the undisturbed run's end, and be replayed to it.
    pub fn check(&mut self, round: &Round, run: &str) -> Verdict {
        self.check_end(round, run)?;
        self.check_replay(round, run)
    }

    /// It has come to the undisturbed run's last tick and digest, whatever else it has to say.
    pub fn check_last_tick(&self, round: &Round, run: &str) -> Verdict {
        let summary = read_json(&round.path(run).join("summary.json")).map_err(wrong)?;
        for key in ["tick", "state_digest"] {
            let (found, expected) = (&summary[key], &self.control.summary[key]);
            ensure(found == expected, || {
                format!("{run}/summary.json: {key}: found {found}, must be {expected}")
            })?;
        }
        Ok(())
    }

    /// What its summary, manifest and journal say.
    pub fn check_end(&mut self, round: &Round, run: &str) -> Verdict {
        let summary = read_json(&round.path(run).join("summary.json")).map_err(wrong)?;
        for key in SUMMARY_KEYS {
            let (found, expected) = (&summary[key], &self.control.summary[key]);
            ensure(found == expected, || {
                format!("{run}/summary.json: {key}: found {found}, must be {expected}")
            })?;
        }
        let manifest = manifest(round, run)?;
        ensure(manifest["status"] == "done", || {
            format!("{run}: status {}, must be done", manifest["status"])
        })?;
        self.check_digests(run, &manifest)?;
        if self.setup.feed == Feed::Population {
            return Ok(());
        }
        let rows = rows_in_journal(round, &format!("{run}/journal"))?;
        let all = self.setup.ticks;
        if rows < self.acknowledged {
            return Err(Outcome::Lost(format!("{run}: {rows} rows of {} acknowledged", self.acknowledged)));
        }
        ensure(rows == all, || format!("{run}/journal: found {rows} rows, must be {all}"))?;
        if self.setup.feed == Feed::Pipe {
            self.read_ack(round)?;
            ensure(self.acknowledged == all, || format!("ack: found {}, must be {all}", self.acknowledged))?;
        }
        Ok(())
    }

    /// Every digest that it has recorded is the undisturbed run's.
    pub fn check_digests(&self, run: &str, manifest: &Value) -> Verdict {
        for (tick, digest) in digests(manifest) {
            if let Some(expected) = self.control.digests.get(&tick) {
                ensure(digest == *expected, || {
                    format!("{run}/manifest.json: tick {tick}: found the digest {digest}, must be {expected}")
                })?;
            }
        }
        Ok(())
    }

    /// Replays it: exit status 0, the digest of the undisturbed run.
    pub fn check_replay(&self, round: &Round, run: &str) -> Verdict {
        let replay = round.run_well("replay", &to_strings(["replay", run, "--json"]))?;
        let report: Value = serde_json::from_str(&replay.out).map_err(|e| wrong(format!("replay: {e}")))?;
        let tick = report["tick"].as_u64().unwrap_or(0);
        let expected = match tick == self.control.tick() {
            true => self.control.digest(),
            false => {
                return Err(wrong(format!("replay: found {tick} ticks, must be {}", self.control.tick())));
            }
        };
        ensure(report["digest"] == expected, || format!("replay: {report}, must have the digest {expected}"))
    }
}

/// Runs of somebody else, beside those of a round: nobody may touch them.
pub struct Bystander {
    folder: PathBuf,
    before: tree::Tree,
}

impl Bystander {
    /// Lays a finished run beside those of the round.
    pub fn lay(round: &Round, setup: &Setup) -> Self {
        Self::lay_at(round, setup, Path::new("bystander"))
    }

    pub fn lay_at(round: &Round, setup: &Setup, at: &Path) -> Self {
        let folder = round.folder().join(at);
        tree::copy(&Control::of(setup).folder, &folder);
        Self { before: tree::Tree::of(&folder), folder }
    }

    pub fn check(&self) -> Verdict {
        self.before.changed(&self.folder).map_or(Ok(()), |changed| Err(wrong(changed)))
    }
}

/// A run's manifest.
pub fn manifest(round: &Round, run: &str) -> Result<Value, Outcome> {
    read_json(&round.path(run).join("manifest.json")).map_err(wrong)
}

/// The rows that a journal has, as `corec inspect` counts them.
pub fn rows_in_journal(round: &Round, journal: &str) -> Result<u64, Outcome> {
    let inspect = round.run_well("inspect", &to_strings(["inspect", journal, "--json"]))?;
    let found: Value = serde_json::from_str(&inspect.out).map_err(|e| wrong(format!("inspect: {e}")))?;
    let of_rows = found["inputs"].as_array().into_iter().flatten().find(|input| input["input"] == "row");
    Ok(of_rows.and_then(|rows| rows["records"].as_u64()).unwrap_or(0))
}

pub fn read_json(path: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))
}

fn digests(manifest: &Value) -> BTreeMap<u64, String> {
    let list = manifest["digests"].as_array().into_iter().flatten();
    list.filter_map(|entry| Some((entry[0].as_u64()?, entry[1].as_str()?.to_string()))).collect()
}
