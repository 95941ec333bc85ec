//! Signals: the tick in hand, a snapshot, the right exit status; nothing hangs.
//!
//! Whatever is told to end does so within five seconds, with 128 + the signal's number unless it was done already. A run that had begun
//! leaves a snapshot and a manifest that says "interrupted", from which it goes on to the end of one that was never interrupted. A second
//! signal within a second of the first changes nothing (`timeout` and terminals send two); a later one ends what is stuck.

use std::fmt::{self, Display};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::feeder::{After, Feeder};
use crate::ledger::{Ledger, manifest};
use crate::process::{Finished, Process, Words, child_of, corec, signal, sleep_ms, through, wait_until};
use crate::round::{Outcome, Round, Subject, Verdict, ensure, repository, words, wrong};
use crate::setup::{Feed, Setup, make_pipe};
use crate::tree::{self, Tree};

pub const SUBJECTS: &[Subject] = &[
    Subject { name: "signals", full: 200, few: 6, play: signals },
    Subject { name: "signal_to_a_stuck_one", full: 6, few: 1, play: stuck },
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

/// What is told to end.
#[derive(Clone, Copy, PartialEq)]
enum Victim {
    Run(Feed),
    /// A run of a pipe: nobody writes to it; a header is all that comes; a row, then an empty line.
    NoWriter,
    HeaderOnly,
    RowThenEmptyLine,
    Restore(Feed),
    Fork,
    /// Of a run that had the communicator, and of one that had not.
    Ask(bool),
    Verify,
    VerifyKill,
    Replay,
    Runs,
    Inspect,
}

const VICTIMS: [Victim; 16] = [
    Victim::Run(Feed::Population),
    Victim::Run(Feed::Table),
    Victim::Run(Feed::Pipe),
    Victim::NoWriter,
    Victim::HeaderOnly,
    Victim::RowThenEmptyLine,
    Victim::Restore(Feed::Population),
    Victim::Restore(Feed::Table),
    Victim::Fork,
    Victim::Ask(true),
    Victim::Ask(false),
    Victim::Verify,
    Victim::VerifyKill,
    Victim::Replay,
    Victim::Runs,
    Victim::Inspect,
];

impl Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(feed) => write!(f, "run-{feed}"),
            Self::NoWriter => f.write_str("run-pipe-without-writer"),
            Self::HeaderOnly => f.write_str("run-pipe-header-only"),
            Self::RowThenEmptyLine => f.write_str("run-pipe-row-then-empty-line"),
            Self::Restore(feed) => write!(f, "restore-{feed}"),
            Self::Fork => f.write_str("fork"),
            Self::Ask(true) => f.write_str("ask-run-with-communicator"),
            Self::Ask(false) => f.write_str("ask-run-without-communicator"),
            Self::Verify => f.write_str("verify"),
            Self::VerifyKill => f.write_str("verify-kill"),
            Self::Replay => f.write_str("replay"),
            Self::Runs => f.write_str("runs"),
            Self::Inspect => f.write_str("inspect"),
        }
    }
}

impl Victim {
    fn feed(self) -> Feed {
        match self {
            Self::Run(feed) | Self::Restore(feed) => feed,
            Self::NoWriter | Self::HeaderOnly | Self::RowThenEmptyLine => Feed::Pipe,
            _ => Feed::Population,
        }
    }

    /// Whether it writes to the run's folder, and so leaves something to go on from.
    fn is_run(self) -> bool {
        matches!(
            self,
            Self::Run(_) | Self::NoWriter | Self::HeaderOnly | Self::RowThenEmptyLine | Self::Restore(_)
        )
    }

    /// What it is called with. What takes its time by itself is given more to do.
    fn arguments(self, setup: &Setup) -> Vec<String> {
        let plugins = repository("plugins").display().to_string();
        match self {
            Self::Restore(_) => setup.restore("run"),
            Self::Fork => {
                let ticks = FORK_TICKS.to_string();
                let set = ["--set", "blocks[0].load=0.9"];
                let more = ["--ticks", &ticks, "--out", "f", "--json"];
                words(["fork", "run", "--at", "10"].into_iter().chain(set).chain(more))
            }
            Self::Ask(_) => words(["ask", "how is it going?", "--run", "run", "--plugins", &plugins]),
            Self::Verify => {
                words(["verify", "ecosystem", "--entities", "1k", "--ticks", "10k", "--threads", "1,2"])
            }
            Self::VerifyKill => {
                words(["verify", "--entities", "1k", "--ticks", "2k", "--threads", "1", "--kill", "5"])
            }
            Self::Replay => words(["replay", "run"]),
            Self::Runs => words(["runs", "."]),
            Self::Inspect => words(["inspect", "run/journal"]),
            _ => setup.run("run"),
        }
    }
}

/// How it is told.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    Once,
    Twice,
    /// By timeout(1), which signals its child and then its group.
    Timeout,
    /// As the first process of a namespace, which has no default actions: a container without an init.
    First,
}

impl Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Once => "once",
            Self::Twice => "twice",
            Self::Timeout => "timeout",
            Self::First => "as-process-1",
        })
    }
}

struct Fault {
    victim: Victim,
    style: Style,
    signals: [&'static str; 2],
    delay_ms: u64,
    gap_ms: u64,
}

impl Fault {
    fn draw(round: &mut Round) -> Self {
        let draws = &mut round.draws;
        let victim = draws.pick("victim", &VICTIMS);
        let style =
            draws.pick("style", &[Style::Once, Style::Twice, Style::Twice, Style::Timeout, Style::First]);
        let signal = draws.pick("signal", &SIGNALS);
        let is_twice = style == Style::Twice;
        let second = if is_twice { draws.pick("second", &SIGNALS) } else { signal };
        let quick = matches!(victim, Victim::Replay | Victim::Runs | Victim::Inspect);
        Self {
            victim,
            style,
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
    if fault.style == Style::First && namespace().is_none() {
        return Err(Outcome::Skipped("unshare -p is not permitted here".into()));
    }
    let mut ledger = Ledger::open(round, &setup);
    prepare(round, fault.victim, &setup)?;
    let before = Tree::of(&round.path("run"));
    let old_manifest = fs::read(round.path("run/manifest.json")).ok();
    let feeder = feed(round, fault.victim, &ledger);
    let finished = tell(round, &fault, &fault.victim.arguments(&setup));
    let fed = feeder.as_ref().map_or(0, Feeder::sent);
    drop(feeder);
    let finished = finished?;
    if fault.victim.is_run() {
        // What it writes when it begins has the time that starting took: never the same as the killed run's.
        let has_begun = fs::read(round.path("run/manifest.json")).ok() != old_manifest;
        return check_run(round, &fault, &finished, &mut ledger, [has_begun, fed > 20]);
    }
    ensure(finished.code == Some(0) || fault.ended(&finished), || finished.told())?;
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
        serde_json::from_str(&finished.out).map_err(|e| wrong(format!("{}: {e}", finished.told())))?;
    let ticks = [&found["same"]["tick"], &found["fork"]["tick"]];
    ensure(ticks.iter().all(|tick| **tick == FORK_TICKS), || {
        format!("{}; a fork of {FORK_TICKS} ticks compares {} with {}", finished.told(), ticks[0], ticks[1])
    })
}

/// Makes the run that is restored, forked or read.
fn prepare(round: &mut Round, victim: Victim, setup: &Setup) -> Verdict {
    let calm = Setup { tick_rate: 0, ..setup.clone() };
    match victim {
        Victim::Restore(_) => {
            let tick = round.draws.number("killed_at", 1..=setup.ticks / 2).to_string();
            round.run("killed", &[calm.run("run"), words(["--kill-at", &tick])].concat()).map(|_| ())
        }
        Victim::Ask(true) => {
            let own = round.path("plugins/communicator");
            fs::create_dir_all(&own).unwrap();
            fs::copy(repository("plugins/communicator/config.json"), own.join("config.json")).unwrap();
            round.run_well("run", &[calm.run("run"), words(["--plugins", "plugins"])].concat()).map(|_| ())
        }
        _ if victim.is_run() || matches!(victim, Victim::Verify | Victim::VerifyKill) => Ok(()),
        _ => round.run_well("run", &calm.run("run")).map(|_| ()),
    }
}

/// Whoever writes to the pipe, as far as somebody does.
fn feed(round: &Round, victim: Victim, ledger: &Ledger) -> Option<Feeder> {
    let start = |lines: Vec<String>, pause: u64, after| {
        Feeder::start(round.path("pipe"), lines, Duration::from_millis(pause), after)
    };
    let lines = || ledger.setup.lines(0);
    match victim {
        Victim::HeaderOnly => Some(start(lines()[..1].to_vec(), 0, After::Hold)),
        Victim::RowThenEmptyLine => {
            Some(start([&lines()[..2], &["\n".to_string()]].concat(), 0, After::Hold))
        }
        Victim::Run(Feed::Pipe) => Some(start(lines(), 2, After::Close)),
        _ => None,
    }
}

/// Starts it, signals it, waits for its end.
fn tell(round: &Round, fault: &Fault, arguments: &[String]) -> Result<Finished, Outcome> {
    let (signal_name, seconds) = (fault.signals[0], format!("{:.3}", fault.delay_ms.max(1) as f64 / 1000.0));
    if fault.style == Style::Timeout {
        let before = ["timeout", "--preserve-status", "-s", signal_name, &seconds];
        let process = round.launch("told", through(&round.folder(), &before, arguments));
        return process
            .end_within(LIMIT + Duration::from_millis(fault.delay_ms), "its start, and the signal");
    }
    let mut process = match fault.style {
        Style::First => round.launch("told", through(&round.folder(), &namespace().unwrap(), arguments)),
        _ => round.start("told", arguments),
    };
    sleep_ms(fault.delay_ms);
    let target =
        if fault.style == Style::First { wait_for_ears(round, &mut process) } else { Some(process.pid()) };
    let Some(target) = target else { return process.end() };
    signal(target, signal_name);
    if fault.style == Style::Twice {
        sleep_ms(fault.gap_ms);
        signal(target, fault.signals[1]);
    }
    let finished = process.end_within(LIMIT, signal_name);
    if finished.is_err() {
        signal(target, "KILL");
    }
    finished
}

/// The first process of a namespace gets no signal that it does not listen for: waits until it does, gives its id.
fn wait_for_ears(round: &Round, process: &mut Process) -> Option<u32> {
    let pid = process.pid();
    let mut inner = None;
    wait_until(Duration::from_secs(5), || {
        inner = child_of(pid).filter(|inner| catches(*inner, 15));
        inner.is_some() || process.has_ended() || round.path("run/manifest.json").exists()
    });
    inner.or_else(|| child_of(pid)).filter(|_| !process.has_ended())
}

/// Whether a process has a handler for a signal.
fn catches(pid: u32, signal: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// How a process is started as the first of a namespace, if that is permitted.
fn namespace() -> Option<Vec<&'static str>> {
    static FOUND: OnceLock<Option<Vec<&'static str>>> = OnceLock::new();
    let ways = [vec!["unshare", "-pf", "--mount-proc"], vec!["unshare", "-rpf", "--mount-proc"]];
    let works = |way: &Vec<&str>| {
        let tried = Command::new(way[0]).args(&way[1..]).arg("true").output();
        tried.is_ok_and(|output| output.status.success())
    };
    FOUND.get_or_init(|| ways.into_iter().find(works)).clone()
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
    let said_so = || format!("{}; its manifest says {status}", finished.told());
    match status.trim_matches('"') {
        "done" => {
            ensure(finished.code == Some(0), said_so)?;
            return ledger.check(round, "run");
        }
        "interrupted" => {
            let codes = fault.signals.map(|signal| Some(128 + number(signal)));
            ensure(codes.contains(&finished.code), said_so)?;
            ledger.check_digests("run", &manifest(round, "run")?)?;
            let snapshots = tree::names(&round.path("run/snapshots"));
            ensure(!snapshots.is_empty(), || format!("{}; it left no snapshot", said_so()))?;
        }
        // Told before it began. What one that is restored finds says "running", of the one that was killed.
        "none" => ensure(fault.ended(finished), said_so)?,
        "running" if !has_begun => ensure(fault.ended(finished), said_so)?,
        _ => return Err(wrong(said_so())),
    }
    let must_have_begun = fault.victim == Victim::Run(Feed::Pipe) && is_fed;
    ensure(!must_have_begun || status != "none", || format!("{} after many rows", said_so()))?;
    ledger.heal(round, "run")
}

/// One that is stuck, because nobody reads what it has to say: the second signal, more than a second later, ends it at once.
fn stuck(round: &mut Round) -> Verdict {
    let setup = Setup::draw(&mut round.draws, &[Feed::Population]).paced(&mut round.draws, &[400]);
    let signal_name = round.draws.pick("signal", &SIGNALS);
    let gap = round.draws.number("gap_ms", 1100..=1500);
    let mut ledger = Ledger::open(round, &setup);
    let full = round.path("full");
    make_pipe(&full);
    let (_reader, writer) = fill(&full);
    let mut arguments = setup.run("run");
    arguments.retain(|argument| argument != "--quiet");
    let command = corec(&round.folder(), &[arguments, words(["--json"])].concat());
    let mut process = Process::start_with(&round.words(), "stuck", command, [Words::To(writer), Words::Kept]);
    wait_until(LIMIT, || round.path("run/manifest.json").exists());
    sleep_ms(50);
    process.signal(signal_name);
    sleep_ms(gap);
    if process.has_ended() {
        return Err(wrong(format!(
            "the first signal ended it though its summary was not read: {}",
            process.end()?.told()
        )));
    }
    process.signal(signal_name);
    let finished = process.end_within(Duration::from_secs(1), "the second signal")?;
    finished.must_exit(128 + number(signal_name))?;
    ensure(!finished.err.is_empty(), || "it said nothing".into())?;
    let status = manifest(round, "run")?["status"].clone();
    ensure(status == "interrupted", || format!("its manifest says {status}"))?;
    ledger.heal(round, "run")
}

/// A pipe that takes no more: its reader, and a writer that waits.
fn fill(pipe: &std::path::Path) -> (File, File) {
    let mut both = OpenOptions::new().read(true).write(true).custom_flags(0o4000).open(pipe).unwrap();
    while both.write(&[b' '; 4096]).is_ok() {}
    // Down to the last byte.
    while both.write(b" ").is_ok() {}
    let writer = OpenOptions::new().write(true).open(pipe).unwrap();
    (both, writer)
}
