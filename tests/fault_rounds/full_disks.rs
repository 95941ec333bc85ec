//! Full disks and limits of a file's size are survived: the run goes on without what it can do without, or ends and says why; what was
//! good stays, and once there is room it goes on to the undisturbed run's end.
//!
//! The small disk is a tmpfs in a namespace of the round's own: the round is played by a process of this same program, so that nothing
//! stays mounted whatever happens.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ledger::Ledger;
use crate::options::Options;
use crate::process::{Finished, OutputTarget, Process, sleep_ms, through};
use crate::round::{Outcome, Round, Subject, Verdict, ensure, to_strings, wrong};
use crate::setup::{Feed, Setup};
use crate::tree;

pub const SUBJECTS: &[Subject] = &[
    Subject { name: "full_disk", full: 60, few: 3, play: full_disk },
    Subject { name: "file_size_limit", full: 40, few: 3, play: file_size_limit },
];

/// Whether small disks can be mounted in a namespace here.
fn can_mount() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let tried = Command::new("unshare")
            .args(["-rm", "mount", "-t", "tmpfs", "tmpfs"])
            .arg(folder.path())
            .output();
        tried.is_ok_and(|output| output.status.success())
    })
}

fn full_disk(round: &mut Round) -> Verdict {
    if Options::is_inner() {
        return on_small_disk(round);
    }
    // The same draws as in there, for this round's line.
    Fault::draw(round);
    if !can_mount() {
        return Err(Outcome::Skipped("no small file system can be mounted here".into()));
    }
    let program = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(["-rm", "--"])
        .arg(program)
        .envs(Options::inner("full_disk", round.seed))
        .env("TMPDIR", round.folder())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let why = text.lines().nth(1).unwrap_or_default().trim().to_string();
    match text.split_whitespace().next() {
        Some("right") => Ok(()),
        Some("refused") => Err(Outcome::Refused(why)),
        Some("LOST") => Err(Outcome::Lost(why)),
        Some("skipped") => Err(Outcome::Skipped(why)),
        _ => Err(wrong(format!("{why}{}", String::from_utf8_lossy(&output.stderr)))),
    }
}

struct Fault {
    setup: Setup,
    /// What is on the small disk.
    on_disk: &'static str,
    kilobytes: u64,
    full_after_ms: u64,
    /// How long it is full; none until the run has ended.
    full_for_ms: Option<u64>,
}

impl Fault {
    fn draw(round: &mut Round) -> Self {
        let draws = &mut round.draws;
        let feeds = [Feed::Population, Feed::Table];
        let setup = Setup::draw(draws, &feeds).paced(draws, &[300, 500]);
        let on_disk = draws.pick("on_disk", &["run", "run-without-store", "snapshots", "store"]);
        // Empty, it has room for what is put there: SQLite's log alone takes some hundred kilobytes.
        let sizes: &[u64] = if on_disk == "snapshots" { &[60, 100, 300] } else { &[1000, 2000] };
        let kilobytes = draws.pick("kilobytes", sizes);
        let full_after_ms = draws.number("full_after_ms", 0..=400);
        let is_freed = draws.once_in("freed_meanwhile", 2);
        let full_for_ms = is_freed.then(|| draws.number("full_for_ms", 20..=200));
        Self { setup, on_disk, kilobytes, full_after_ms, full_for_ms }
    }
}

fn on_small_disk(round: &mut Round) -> Verdict {
    let fault = Fault::draw(round);
    let disk = round.path("disk");
    fs::create_dir(&disk).unwrap();
    let size = format!("size={}k", fault.kilobytes);
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&disk).status();
    assert!(mount.is_ok_and(|status| status.success()), "a tmpfs in a namespace of our own");
    let mut ledger = Ledger::open(round, &fault.setup);
    let url = |folder: &Path| format!("sqlite://{}/store.db", folder.display());
    let (run, more) = match fault.on_disk {
        "run" => ("disk/run", vec![]),
        "run-without-store" => ("disk/run", to_strings(["--store", &url(&round.folder())])),
        "snapshots" => ("run", to_strings(["--snapshot", "disk"])),
        _ => ("run", to_strings(["--store", &url(&disk)])),
    };
    ledger.more = more.clone();
    let process = round.start("run", &[fault.setup.run(run), more].concat());
    let fill = disk.join("fill");
    sleep_ms(fault.full_after_ms);
    let snapshots =
        if fault.on_disk == "snapshots" { disk.clone() } else { round.path(run).join("snapshots") };
    let has_snapshot = || tree::names(&snapshots).iter().any(|name| name.ends_with(".corec"));
    let had_snapshot = has_snapshot();
    let is_over = AtomicBool::new(false);
    let finished = std::thread::scope(|scope| {
        scope.spawn(|| keep_full(&fill, fault.full_for_ms, &is_over));
        let finished = process.end();
        is_over.store(true, Ordering::Relaxed);
        finished
    })?;
    _ = fs::remove_file(&fill);
    ensure(has_snapshot() || !had_snapshot, || {
        format!("{}; the last good snapshot is gone", finished.describe())
    })?;
    judge(round, &mut ledger, run, &finished, fault.on_disk == "snapshots")?;
    if fault.on_disk == "snapshots" && !tree::names(&disk).is_empty() {
        round.run_well("inspect", &to_strings(["inspect", "disk"]))?;
    }
    Ok(())
}

/// Takes all room that there is or becomes, for so long or until it is over.
fn keep_full(file: &Path, for_ms: Option<u64>, is_over: &AtomicBool) {
    let mut fill = fs::File::create(file);
    let mut ms = 0;
    while for_ms.is_none_or(|end| ms < end) && !is_over.load(Ordering::Relaxed) {
        if let Ok(file) = &mut fill {
            while file.write(&[0; 1024]).is_ok_and(|count| count > 0) {}
        } else {
            fill = fs::File::create(file);
        }
        sleep_ms(2);
        ms += 2;
    }
    drop(fill);
    _ = fs::remove_file(file);
}

/// Done with the right end; or ended with a status and a reason, and gone on with to the right end once there is room. What can do
/// without what was not written ends no sooner for it.
fn judge(round: &Round, ledger: &mut Ledger, run: &str, finished: &Finished, goes_on: bool) -> Verdict {
    if finished.code == Some(0) {
        return ledger.check(round, run);
    }
    ensure(matches!(finished.code, Some(1 | 2)), || finished.describe())?;
    let reasons = ["No space left", "disk is full", "File too large", "disk I/O error"];
    let has_reason = reasons.iter().any(|reason| finished.err.contains(reason));
    ensure(has_reason, || format!("{}: no reason", finished.describe()))?;
    if goes_on {
        ledger.check_last_tick(round, run)?;
    }
    ledger.heal(round, run)
}

/// A limit of a file's size, as `ulimit -f` sets it: the signal that comes with it is not the run's end.
fn file_size_limit(round: &mut Round) -> Verdict {
    let feeds = [Feed::Population, Feed::Table];
    let setup = Setup::draw(&mut round.draws, &feeds);
    let blocks = round.draws.pick("blocks", &[0, 1, 2, 4, 8, 16, 32, 64, 100, 200]);
    let has_store = round.draws.once_in("store_in_memory", 2);
    let mut ledger = Ledger::open(round, &setup);
    if has_store {
        ledger.more = to_strings(["--store", "memory"]);
    }
    let limit = format!("ulimit -f {blocks}; exec \"$@\"");
    let arguments = [setup.run("run"), ledger.more.clone()].concat();
    let command = through(&round.folder(), &["sh", "-c", &limit, "sh"], &arguments);
    let limited = Process::start_with(
        &round.output_folder(),
        "limited",
        command,
        [OutputTarget::Pipe, OutputTarget::Pipe],
    )
    .end()?;
    judge(round, &mut ledger, "run", &limited, false)
}
