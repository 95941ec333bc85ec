//! The runner plays the rounds of a subject, some at a time, and says what came of each.

use std::cell::RefCell;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::draws::Draws;
use crate::options::Options;
use crate::process::{end_leftovers, now};
use crate::round::{Outcome, Round, Subject, Verdict, wrong};
use crate::tally::Tally;

impl Subject {
    /// Plays the rounds that are asked for, some at a time.
    pub fn play_all(&self, options: &Options) -> Tally {
        let (seeds, start) = (options.seeds(self), now());
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
                let verdict = self.play_one(*seed, options);
                tally.lock().unwrap().note(&verdict);
            }
        };
        std::thread::scope(|scope| (0..options.workers.min(seeds.len())).for_each(|_| _ = scope.spawn(work)));
        Tally { seconds: start.elapsed().as_secs_f64(), ..tally.into_inner().unwrap() }
    }

    fn play_one(&self, seed: u64, options: &Options) -> Verdict {
        let temporary = tempfile::Builder::new().prefix("corec-round-").tempdir().unwrap();
        let mut round = Round { seed, draws: Draws::new(seed), is_full: options.is_full, temporary };
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
        let mut line = format!("{word:<7} {name}/{seed:012x} {} ({seconds:.2} s)", round.draws.choices());
        if let Some(why) = why {
            _ = write!(line, "\n        {why}");
        }
        if options.keeps && matches!(verdict, Err(Outcome::Lost(_) | Outcome::Wrong(_))) {
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
