//! `corec verify`: the same bits twice, at every thread count, and across kills and restores.

mod recorded;
mod run;

mod kill;
mod target;

mod verdict;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use corec::prelude::Scenario;
use corec_plugins::REGISTRY;
use corec_run::RunError;
use corec_run::Stop;
use corec_run::plugins::PluginSet;
use corec_run::recorded::RecordedRun;
use corec_run::settings::parse_count;
use corec_run::verify::Rerun;

use kill::Killed;
use recorded::{Recorded, last_of, recorded};
use run::{Found, Method};
use target::target;
use verdict::judge;

/// Run a scenario twice, at several thread counts, killed and restored, and compare every digest
///
/// Prints one digest, or the first tick, column, block and entity that differ, what is said otherwise, who can have written it, and what
/// it mostly is. A run that has been is done again from its journal: what came from outside, its plugins' files and messages
/// included, is as it was.
///
/// Exit status: 0 the same bits, 1 others, 2 bad usage, 129, 130 or 143 interrupted.
#[derive(Args)]
#[command(after_help = "Examples:
  corec verify ecosystem --entities 100k --ticks 100
  corec verify scenario.json --plugins plugins    a plugin that is not the same bits is named, with the column or the stream
  corec verify ecosystem --threads 1,2,3,16 --kill 20
  corec verify runs/0001                          against the digests that a run has recorded")]
pub struct VerifyArgs {
    /// A run's folder, a built-in scenario or a JSON file
    #[arg(default_value = "ecosystem")]
    what: String,

    /// Entities in all
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    entities: Option<u64>,

    /// Ticks
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    ticks: Option<u64>,

    /// Seed of every random draw
    #[arg(long, value_name = "N", value_parser = super::whole, allow_negative_numbers = true)]
    seed: Option<u64>,

    /// Thread counts to compare, the first of them twice; 1, as many as this machine has, and 8 if not given
    #[arg(long, value_name = "N,N,..", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Vec<u32>,

    /// Load every enabled plugin of this folder; what the scenario names if not given
    #[arg(long, value_name = "DIR", value_parser = super::path())]
    plugins: Option<PathBuf>,

    /// Kill the run (SIGKILL) so many times, at ticks spread over it, and restore it each time; 0 for never
    #[arg(long, value_name = "TIMES", num_args = 0..=1, default_value_t = 3, default_missing_value = "3",
          value_parser = clap::value_parser!(u32).range(..=10_000))]
    kill: u32,

    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

/// Digests that are kept of a run at most: of a longer one they are further apart.
const DIGESTS_MAX: u64 = 100_000;

/// Verifies.
///
/// # Errors
/// What can't be run.
pub fn main(args: &VerifyArgs, stop: &Stop) -> Result<ExitCode, RunError> {
    let (scenario, run) = target(args)?;
    if let Some(run) = run.as_ref().filter(|run| run.is_going_on()) {
        super::tell(&format!(
            "{}: is still going on: verified is what is on disk now",
            run.folder().display()
        ));
    }
    let extent = run.as_ref().map(RecordedRun::extent).transpose()?.flatten();
    let last = run.as_ref().map(|run| run.last_tick(extent.as_ref()));
    let ticks = args.ticks.or(last.filter(|tick| *tick > 0)).unwrap_or(scenario.ticks);
    if ticks == 0 {
        return Err(RunError::Usage("--ticks: found 0, must be at least 1".into()));
    }
    if let Some(last) = last.filter(|last| *last < ticks) {
        let message = format!("--ticks: found {ticks}, must be at most {last}, where {} ends", args.what);
        return Err(RunError::Usage(message));
    }
    let journal = run.as_ref().map(RecordedRun::journal).filter(|_| extent.is_some());
    let Recorded { digests: recorded, interval, old_until, old_format } =
        journal.as_deref().map_or(Ok(Recorded::default()), |of| recorded(of, ticks))?;
    let plugins = match &run {
        Some(run) => run.plugins(REGISTRY)?,
        None => {
            let beside = Path::new(&args.what).parent();
            PluginSet::find(&scenario, args.plugins.as_deref(), beside, REGISTRY, &super::environment)?
        }
    };
    let plugins = plugins.read_only();
    let app = |scenario: &mut Scenario| plugins.app(scenario);
    let interval = interval.max(ticks / DIGESTS_MAX);
    let journal = journal.as_deref();
    let again = Rerun { scenario, journal, ticks, interval, old_until, old_format, app: &app, stop };

    let counts = thread_counts(args);
    let mut found = at_thread_counts(&again, &counts)?;
    let mut killed = None;
    if args.kill > 0 {
        let end = found[0].digests.last().map_or(0, |mark| mark.tick);
        let threads = *counts.last().expect("there is one");
        let of = Killed::new(args, &again, run.as_ref(), threads, end)?;
        found.push(Found {
            name: "killed and restored".into(),
            method: Method::Killed,
            digests: of.digests.clone(),
            told: of.told.clone(),
            broke_off: of.broke_off.clone(),
        });
        killed = Some(of);
    }
    if run.is_some() {
        found.push(Found {
            name: "recorded".into(),
            method: Method::Recorded,
            digests: recorded,
            told: None,
            broke_off: None,
        });
    }
    judge(args, &again, &found, killed.as_ref())
}

/// Runs it at every thread count, and at the first of them once more.
fn at_thread_counts(again: &Rerun, counts: &[u32]) -> Result<Vec<Found>, RunError> {
    let mut found = Vec::new();
    let runs = counts.iter().map(|&threads| (threads, false)).chain([(counts[0], true)]);
    for (threads, is_again) in runs {
        let (start, name) = (now(), format!("threads {threads}{}", if is_again { ", again" } else { "" }));
        let (digests, told) = again.run(threads, &mut |_| {})?;
        super::tell(&format!(
            "{name}: {} ticks .. {} in {:.2} s",
            again.ticks,
            last_of(&digests),
            start.elapsed().as_secs_f64()
        ));
        let method = if is_again { Method::Rerun } else { Method::Threads(threads) };
        found.push(Found { name, method, digests, told: Some(told), broke_off: None });
    }
    // What differs from run to run differs anyhow: tell of that first.
    let twice = found.pop().expect("one at least is done again");
    found.insert(1, twice);
    Ok(found)
}

/// The thread counts to compare.
fn thread_counts(args: &VerifyArgs) -> Vec<u32> {
    if !args.threads.is_empty() {
        return args.threads.clone();
    }
    let own = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u32);
    let mut counts = vec![1, own, 8];
    counts.sort_unstable();
    counts.dedup();
    counts
}

#[expect(clippy::disallowed_methods, reason = "progress for a person; no result depends on it")]
fn now() -> Instant {
    Instant::now()
}
