//! A round, its outcome, and the table of all.

use std::cell::RefCell;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use tempfile::TempDir;

use crate::draws::Draws;
use crate::process::{self, Finished, Process, end_leftovers, now};

/// What came of a round that was not right.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A clean refusal where going on was not possible.
    Refused(String),
    /// Something acknowledged is gone.
    Lost(String),
    /// Anything else that was promised and is not so.
    Wrong(String),
    /// The fault can't be made on this machine.
    Skipped(String),
}

/// `Ok` is right.
pub type Verdict = Result<(), Outcome>;

pub fn wrong(text: impl Into<String>) -> Outcome {
    Outcome::Wrong(text.into())
}

/// Wrong with this text unless it holds.
pub fn ensure(holds: bool, text: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(wrong(text())) }
}

/// What rounds are about.
#[derive(Clone, Copy)]
pub struct Subject {
    pub name: &'static str,
    /// Rounds that CI plays, and those of a plain `cargo test`.
    pub full: u64,
    pub few: u64,
    /// Plays one.
    pub play: fn(&mut Round) -> Verdict,
}

/// One experiment.
pub struct Round {
    pub seed: u64,
    pub draws: Draws,
    /// Whether all rounds are asked for, or this one alone: then some may take their time.
    pub is_full: bool,
    temporary: TempDir,
}

impl Round {
    /// Where everything of the round happens.
    pub fn folder(&self) -> PathBuf {
        self.temporary.path().join("round")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Where temporary files of the program go.
    pub fn scratch(&self) -> PathBuf {
        self.temporary.path().join("scratch")
    }

    pub fn words(&self) -> PathBuf {
        self.temporary.path().join("words")
    }

    /// Starts the program.
    pub fn start(&self, name: &str, arguments: &[String]) -> Process {
        self.launch(name, process::corec(&self.folder(), arguments))
    }

    pub fn launch(&self, name: &str, command: Command) -> Process {
        Process::start(&self.words(), name, command)
    }

    /// Runs the program to its end.
    pub fn run(&self, name: &str, arguments: &[String]) -> Result<Finished, Outcome> {
        self.start(name, arguments).end()
    }

    /// Runs it to its end, which must be exit status 0.
    pub fn run_well(&self, name: &str, arguments: &[String]) -> Result<Finished, Outcome> {
        let finished = self.run(name, arguments)?;
        finished.must_exit(0).map(|()| finished)
    }
}

/// Arguments as the functions here want them.
pub fn words<S: AsRef<str>>(arguments: impl IntoIterator<Item = S>) -> Vec<String> {
    arguments.into_iter().map(|argument| argument.as_ref().to_string()).collect()
}

/// What the command line and the environment ask for.
pub struct Asked {
    filters: Vec<String>,
    skips: Vec<String>,
    is_exact: bool,
    pub is_list: bool,
    /// `subject/seed`.
    one: Option<(String, u64)>,
    /// Rounds of each subject, if they are given as a number.
    rounds: Option<u64>,
    is_full: bool,
    base: u64,
    workers: usize,
    /// Whether the folders of rounds that are not right stay.
    keeps: bool,
}

impl Asked {
    /// Reads what libtest would: filters, `--skip`, `--exact`, `--list`; other flags change nothing here.
    pub fn read(arguments: impl Iterator<Item = String>) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let one = variable("COREC_ROUND_SEED").map(|text| {
            let (subject, seed) = text.split_once('/').expect("COREC_ROUND_SEED is subject/seed");
            (subject.to_string(), u64::from_str_radix(seed, 16).expect("a seed is hexadecimal"))
        });
        let rounds = variable("COREC_ROUNDS");
        let number = |name: &str| variable(name).and_then(|text| text.parse::<u64>().ok());
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get);
        let mut asked = Self {
            filters: Vec::new(),
            skips: Vec::new(),
            is_exact: false,
            is_list: false,
            keeps: one.is_some() || variable("COREC_ROUND_KEEP").is_some(),
            is_full: rounds.as_deref() == Some("full") || one.is_some(),
            rounds: rounds.and_then(|rounds| rounds.parse().ok()),
            one,
            base: number("COREC_ROUND_BASE").unwrap_or(1),
            workers: number("COREC_ROUND_WORKERS").map_or(2 * processors, |n| n.max(1) as usize),
        };
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => asked.is_list = true,
                "--exact" => asked.is_exact = true,
                "--skip" => asked.skips.extend(arguments.next()),
                "--test-threads" | "--format" | "--color" | "--logfile" | "-Z" => _ = arguments.next(),
                flag if flag.starts_with('-') => {}
                _ => asked.filters.push(argument),
            }
        }
        asked
    }

    /// Whether this process plays a round for another one, in a namespace of its own.
    pub fn is_inner() -> bool {
        std::env::var_os("COREC_ROUND_INNER").is_some()
    }

    /// The environment that makes a process play this round as an inner one.
    pub fn inner(subject: &str, seed: u64) -> [(&'static str, String); 2] {
        [("COREC_ROUND_INNER", "1".into()), ("COREC_ROUND_SEED", format!("{subject}/{seed:x}"))]
    }

    pub fn wants(&self, name: &str) -> bool {
        let meets =
            |filter: &String| if self.is_exact { filter == name } else { name.contains(filter.as_str()) };
        match &self.one {
            Some((subject, _)) => subject == name,
            None => {
                (self.filters.is_empty() || self.filters.iter().any(meets)) && !self.skips.iter().any(meets)
            }
        }
    }

    fn seeds(&self, subject: &Subject) -> Vec<u64> {
        if let Some((_, seed)) = &self.one {
            return vec![*seed];
        }
        let count = self.rounds.unwrap_or(if self.is_full { subject.full } else { subject.few });
        // Another stream for each subject, so that a subject's rounds don't depend on which others there are.
        let name = subject
            .name
            .bytes()
            .fold(self.base, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        let mut draws = Draws::new(name);
        (0..count).map(|_| draws.word() >> 16).collect()
    }
}

/// What came of a subject's rounds.
pub struct Tally {
    name: &'static str,
    rounds: u64,
    right: u64,
    refused: u64,
    lost: u64,
    wrong: u64,
    skipped: u64,
    seconds: f64,
}

impl Tally {
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.wrong == 0
    }

    fn note(&mut self, verdict: &Verdict) {
        let count = match verdict {
            Ok(()) => &mut self.right,
            Err(Outcome::Refused(_)) => &mut self.refused,
            Err(Outcome::Lost(_)) => &mut self.lost,
            Err(Outcome::Wrong(_)) => &mut self.wrong,
            Err(Outcome::Skipped(_)) => &mut self.skipped,
        };
        *count += 1;
    }
}

/// The table of all subjects.
pub fn table(tallies: &[Tally]) -> String {
    let mut out = String::new();
    let names = ["rounds", "right", "refused", "lost", "wrong", "skipped", "seconds"];
    let line = |out: &mut String, name: &str, cells: [String; 7]| {
        _ = write!(out, "{name:<24}");
        cells.iter().for_each(|cell| _ = write!(out, " {cell:>8}"));
        out.push('\n');
    };
    out.push('\n');
    line(&mut out, "subject", names.map(String::from));
    let mut sums = [0; 6];
    for t in tallies {
        let counts = [t.rounds, t.right, t.refused, t.lost, t.wrong, t.skipped];
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        let [a, b, c, d, e, f] = counts.map(|count| count.to_string());
        line(&mut out, t.name, [a, b, c, d, e, f, format!("{:.1}", t.seconds)]);
    }
    let [a, b, c, d, e, f] = sums.map(|sum| sum.to_string());
    let seconds = tallies.iter().map(|tally| tally.seconds).sum::<f64>();
    line(&mut out, "all", [a, b, c, d, e, f, format!("{seconds:.1}")]);
    out
}

impl Subject {
    /// Plays the rounds that are asked for, some at a time.
    pub fn play_all(&self, asked: &Asked) -> Tally {
        let (seeds, start) = (asked.seeds(self), now());
        let rounds = seeds.len() as u64;
        let tally = Tally {
            name: self.name,
            rounds,
            right: 0,
            refused: 0,
            lost: 0,
            wrong: 0,
            skipped: 0,
            seconds: 0.0,
        };
        let (tally, next) = (Mutex::new(tally), AtomicU64::new(0));
        let work = || {
            while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                let verdict = self.play_one(*seed, asked);
                tally.lock().unwrap().note(&verdict);
            }
        };
        std::thread::scope(|scope| (0..asked.workers.min(seeds.len())).for_each(|_| _ = scope.spawn(work)));
        Tally { seconds: start.elapsed().as_secs_f64(), ..tally.into_inner().unwrap() }
    }

    fn play_one(&self, seed: u64, asked: &Asked) -> Verdict {
        let temporary = tempfile::Builder::new().prefix("corec-round-").tempdir().unwrap();
        let mut round = Round { seed, draws: Draws::new(seed), is_full: asked.is_full, temporary };
        std::fs::create_dir(round.folder()).unwrap();
        let start = now();
        let played = catch_unwind(AssertUnwindSafe(|| (self.play)(&mut round)));
        let left = end_leftovers(round.temporary.path());
        let verdict = match played {
            Ok(Ok(())) if !left.is_empty() => Err(wrong(format!("left behind: {}", left.join("; ")))),
            Ok(verdict) => verdict,
            Err(_) => Err(wrong(format!("the checker panicked: {}", PANIC.take()))),
        };
        let (word, why) = match &verdict {
            Ok(()) => ("right", None),
            Err(Outcome::Refused(why)) => ("refused", Some(why)),
            Err(Outcome::Lost(why)) => ("LOST", Some(why)),
            Err(Outcome::Wrong(why)) => ("WRONG", Some(why)),
            Err(Outcome::Skipped(why)) => ("skipped", Some(why)),
        };
        let (name, seconds) = (self.name, start.elapsed().as_secs_f64());
        let mut line = format!("{word:<7} {name}/{seed:012x} {} ({seconds:.2} s)", round.draws.said());
        if let Some(why) = why {
            _ = write!(line, "\n        {why}");
        }
        if asked.keeps && matches!(verdict, Err(Outcome::Lost(_) | Outcome::Wrong(_))) {
            _ = write!(line, "\n        kept: {}", round.temporary.keep().display());
        }
        println!("{line}");
        verdict
    }
}

thread_local! {
    /// Where a round of this thread panicked, and what it said.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A panic is a round's outcome, told in its line and nowhere else.
pub fn keep_panics() {
    std::panic::set_hook(Box::new(|info| PANIC.set(info.to_string())));
}

static HOME: OnceLock<PathBuf> = OnceLock::new();

/// Where what all rounds share is kept: undisturbed runs, traces. It is there as long as what this gives.
pub fn make_home() -> TempDir {
    let home = tempfile::Builder::new().prefix("corec-rounds-").tempdir().unwrap();
    _ = HOME.set(home.path().to_path_buf());
    home
}

pub fn home() -> &'static Path {
    HOME.get().expect("made before the first round")
}

/// A folder of the repository.
pub fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
