//! The runner plays the rounds of all faults, some at a time, and says what came of each.

use std::cell::RefCell;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::faults::Fault;
use crate::inner::play_apart;
use crate::options::Options;
use crate::process::{end_leftovers, now};
use crate::round::{Played, play};
use crate::support::postgres::Postgres;
use crate::support::skip::skip;
use crate::table::Tally;
use crate::verdict::{Trouble, wrong};

/// What a worker keeps from round to round.
#[derive(Default)]
struct Worker {
    /// A PostgreSQL server, which takes long to make; none where there is none to be had.
    postgres: Option<Option<Postgres>>,
}

/// Plays what is asked for.
pub fn play_all(faults: &[Fault], options: &Options) -> Vec<Tally> {
    let mut jobs: Vec<(usize, u64)> = Vec::new();
    for (at, fault) in faults.iter().enumerate() {
        jobs.extend(options.seeds(fault).into_iter().map(|seed| (at, seed)));
    }
    let tallies: Vec<Tally> = faults
        .iter()
        .map(|fault| Tally { name: fault.name, number: fault.number, ..Tally::default() })
        .collect();
    let (tallies, next) = (Mutex::new(tallies), AtomicUsize::new(0));
    let work = || {
        let mut worker = Worker::default();
        while let Some((at, seed)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let played = worker.play(&faults[*at], *seed, options);
            tallies.lock().unwrap()[*at].note(&played.verdict, &played.recoveries);
        }
    };
    std::thread::scope(|scope| (0..options.workers.min(jobs.len())).for_each(|_| _ = scope.spawn(work)));
    let tallies = tallies.into_inner().unwrap();
    tallies.iter().filter(|tally| tally.skipped > 0).for_each(|tally| {
        // Each says why in its round's line.
        skip(&format!("{}: {} rounds", tally.name, tally.skipped));
    });
    tallies
}

impl Worker {
    fn play(&mut self, fault: &Fault, seed: u64, options: &Options) -> Played {
        let mut folder = tempfile::Builder::new().prefix("corec-faults-").tempdir().unwrap();
        folder.disable_cleanup(true);
        let (path, start) = (folder.path().to_path_buf(), now());
        let played = catch_unwind(AssertUnwindSafe(|| {
            if fault.has_small_disk {
                return play_apart(fault, seed, options.is_few(), &folder);
            }
            let server = match fault.needs.has_database {
                true => self.postgres.get_or_insert_with(Postgres::start).as_mut(),
                false => None,
            };
            play(fault, seed, options.is_few(), folder, server)
        }));
        let panicked = |_| Played {
            verdict: Err(wrong(format!("the checker panicked: {}", PANIC.take()))),
            told: String::new(),
            recoveries: Vec::new(),
        };
        let mut played = played.unwrap_or_else(panicked);
        let left = end_leftovers(&path);
        if played.verdict.is_ok() && !left.is_empty() {
            played.verdict = Err(wrong(format!("left behind: {}", left.join("; "))));
        }
        let (word, why) = played.verdict.as_ref().map_or_else(Trouble::told, |()| ("survived", ""));
        let seconds = start.elapsed().as_secs_f64();
        let mut line =
            format!("{word:<8} --fault {} --seed {seed:012x} {} ({seconds:.1} s)", fault.name, played.told);
        if !why.is_empty() {
            _ = write!(line, "\n         {why}");
        }
        let has_failed = !matches!(played.verdict, Ok(()) | Err(Trouble::Skipped(_)));
        if has_failed && options.keeps {
            _ = write!(line, "\n         kept: {}", path.display());
        } else {
            _ = std::fs::remove_dir_all(&path);
        }
        println!("{line}");
        played
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
