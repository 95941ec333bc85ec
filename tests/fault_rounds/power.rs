//! A loss of power may come at any moment: a run is traced once and cut off somewhere, its disk is rebuilt as it would be then, and the
//! run gone on with. It must come to the undisturbed run's end, each row taken once.
//!
//! A refusal is allowed where no manifest had ever been safe: nothing tells what the run was. With `--journal-sync` a row that was
//! acknowledged may not be missing; without it nothing is promised, and whoever feeds the pipe sends everything again.

use std::fmt::{self, Display};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::disk::{Disk, UnsyncedData};
use crate::draws::Draws;
use crate::feeder::{EndOfInput, Feeder};
use crate::ledger::{Ledger, rows_in_journal};
use crate::process::{Process, corec, through};
use crate::round::{Outcome, Round, Subject, Verdict, ensure, home, to_strings, wrong};
use crate::setup::{Feed, Setup};
use crate::trace::{self, Event};
use crate::tree::{self, Tree};

pub const SUBJECTS: &[Subject] = &[Subject { name: "power", full: 300, few: 6, play: power }];

/// What is traced.
#[derive(Clone, Copy, PartialEq)]
enum TracedRun {
    Population,
    Table,
    TableSync,
    Pipe,
    PipeSync,
    /// A run that goes on after a kill.
    Restored,
}

const TRACED_RUNS: [TracedRun; 6] = [
    TracedRun::Population,
    TracedRun::Table,
    TracedRun::TableSync,
    TracedRun::Pipe,
    TracedRun::PipeSync,
    TracedRun::Restored,
];

impl Display for TracedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Population => "population",
            Self::Table => "table",
            Self::TableSync => "table-sync",
            Self::Pipe => "pipe",
            Self::PipeSync => "pipe-sync",
            Self::Restored => "restored-table",
        })
    }
}

impl TracedRun {
    fn setup(self) -> Setup {
        let feed = match self {
            Self::Population => Feed::Population,
            Self::Table | Self::TableSync | Self::Restored => Feed::Table,
            Self::Pipe | Self::PipeSync => Feed::Pipe,
        };
        let entities = if feed == Feed::Population { 500 } else { 0 };
        let journal_sync = matches!(self, Self::TableSync | Self::PipeSync);
        Setup {
            feed,
            entities,
            ticks: 180,
            seed: 1,
            threads: 2,
            snapshot_interval: 25,
            tick_rate: 0,
            journal_sync,
        }
    }
}

/// A run's events, and the disk before the first.
struct Recording {
    events: Vec<Event>,
    /// A copy of the folder as it was then.
    before: PathBuf,
}

/// The recording of a run; made once, whoever asks. None where processes can't be traced.
fn recording(traced: TracedRun) -> Option<Arc<Recording>> {
    static KEPT: Mutex<[Option<Arc<Recording>>; TRACED_RUNS.len()]> =
        Mutex::new([const { None }; TRACED_RUNS.len()]);
    static WORKS: OnceLock<bool> = OnceLock::new();
    let works = || {
        Command::new("strace").args(["-o", "/dev/null", "true"]).output().is_ok_and(|o| o.status.success())
    };
    if !WORKS.get_or_init(works) {
        return None;
    }
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let at = TRACED_RUNS.iter().position(|one| *one == traced).expect("it is one of all");
    if kept[at].is_none() {
        // Strace says where files are without any links on the way.
        let place = home().canonicalize().unwrap().join(format!("traced-{traced}"));
        kept[at] = Some(Arc::new(record(traced, &place)));
    }
    kept[at].clone()
}

fn record(traced: TracedRun, place: &Path) -> Recording {
    let (setup, folder, before) = (traced.setup(), place.join("round"), place.join("before"));
    let output = place.join("output");
    fs::create_dir_all(&folder).unwrap();
    fs::create_dir_all(&before).unwrap();
    setup.lay_out(&folder);
    let mut arguments = setup.run("run");
    if traced == TracedRun::Restored {
        let first = [arguments, to_strings(["--kill-at", "95"])].concat();
        Process::start(&output, "first", corec(&folder, &first)).end().unwrap();
        tree::copy(&folder, &before);
        arguments = setup.restore("run");
    }
    let log = place.join("log");
    let calls = format!("trace={}", trace::CALLS);
    let strace = ["strace", "-f", "-y", "-xx", "-s", "16777216", "-e", &calls, "-o", log.to_str().unwrap()];
    let feed = |lines| Feeder::start(folder.join("pipe"), lines, Duration::ZERO, EndOfInput::Close);
    let feeder = (setup.feed == Feed::Pipe).then(|| feed(setup.lines(0)));
    let run = Process::start(&output, "traced", through(&folder, &strace, &arguments)).end().unwrap();
    drop(feeder);
    assert_eq!(run.code, Some(0), "{}", run.describe());
    let events = trace::read(&fs::read_to_string(log).unwrap(), &folder);
    let mut disk = Disk::of(&before);
    events.iter().for_each(|event| disk.apply(event));
    let after = place.join("after");
    disk.survive(&after, UnsyncedData::All, &mut Draws::new(0));
    // With nothing cut off, the rebuilt disk is the real one: the checker has understood every call.
    if let Some(changed) = Tree::of(&folder.join("run")).changed(&after.join("run")) {
        panic!("the checker misread the log: {changed}");
    }
    Recording { events, before }
}

fn power(round: &mut Round) -> Verdict {
    let traced = round.draws.pick("run", &TRACED_RUNS);
    let cut = round.draws.number("cut_ppm", 0..=1_000_000);
    let near_sync = round.draws.once_in("near_a_sync", 2);
    let unsynced = round.draws.pick("unsafe_kept", &["none", "none", "some", "some", "some", "all"]);
    let unsynced = match unsynced {
        "none" => UnsyncedData::None,
        "some" => UnsyncedData::Some,
        _ => UnsyncedData::All,
    };
    let Some(recording) = recording(traced) else {
        return Err(Outcome::Skipped("strace can't trace here".into()));
    };
    let cut = cut_position(&recording.events, cut, near_sync, &mut round.draws);

    let mut disk = Disk::of(&recording.before);
    let (mut acknowledged, mut was_safe, mut was_safe_inside) = (0, false, false);
    for event in &recording.events[..cut] {
        disk.apply(event);
        was_safe |= disk.is_safe("", "run/manifest.json");
        was_safe_inside |= disk.is_safe("run", "manifest.json");
        let ack = disk.read("ack").and_then(|bytes| std::str::from_utf8(bytes).ok()?.trim().parse().ok());
        acknowledged = ack.unwrap_or(0).max(acknowledged);
    }
    disk.survive(&round.folder(), unsynced, &mut round.draws);
    // A folder whose own name was not safe, and is there all the same, must do as well.
    was_safe |= was_safe_inside && round.path("run").is_dir();

    let setup = traced.setup();
    setup.lay_out(&round.folder());
    let mut ledger = Ledger::of(&setup);
    if ledger.setup.journal_sync && ledger.setup.feed == Feed::Pipe && acknowledged > 0 {
        let rows = round.path("run/journal").is_dir().then(|| rows_in_journal(round, "run/journal"));
        let rows = rows.unwrap_or(Ok(0))?;
        if rows < acknowledged {
            return Err(Outcome::Lost(format!(
                "cut at event {cut}: {rows} rows of {acknowledged} acknowledged"
            )));
        }
    } else {
        acknowledged = 0;
    }
    let feeder = ledger.feeder_of(round, "pipe", acknowledged, Duration::ZERO);
    let restored = round.run("restored", &ledger.setup.restore("run"))?;
    drop(feeder);
    let at = |what: &str| {
        let before = recording.events.get(cut.wrapping_sub(1)).map(describe).unwrap_or_default();
        format!("cut at event {cut}, after {before}: {what}")
    };
    match restored.code {
        Some(0) => {}
        Some(2) if !was_safe && restored.err.contains("error: ") => {
            return Err(Outcome::Refused(at(&restored.describe())));
        }
        _ => return Err(wrong(at(&restored.describe()))),
    }
    ledger.check(round, "run").map_err(|outcome| match outcome {
        Outcome::Wrong(why) => wrong(at(&why)),
        other => other,
    })?;
    ensure(acknowledged <= ledger.acknowledged, || "an acknowledgement went back".into())
}

/// The event to cut before: anywhere, or next to a moment when something became safe or got its name.
fn cut_position(events: &[Event], ppm: u64, near_sync: bool, draws: &mut Draws) -> usize {
    let edge = |event: &Event| matches!(event, Event::Sync { .. } | Event::Rename { .. });
    let edges: Vec<usize> = (0..events.len()).filter(|at| edge(&events[*at])).collect();
    if near_sync && !edges.is_empty() {
        let at = edges[(ppm as usize * (edges.len() - 1)) / 1_000_000];
        return (at + draws.below(3) as usize).min(events.len());
    }
    ppm as usize * events.len() / 1_000_000
}

fn describe(event: &Event) -> String {
    match event {
        Event::Write { fd, offset, bytes } => {
            format!("a write of {} bytes to {fd} at {offset:?}", bytes.len())
        }
        other => format!("{other:?}"),
    }
}
