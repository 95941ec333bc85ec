//! `corec verify`: the same bits twice, at every thread count, and across kills and restores.

mod kill;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use corec::prelude::Scenario;
use corec_plugins::REGISTRY;
use corec_run::RunError;
use corec_run::Stop;
use corec_run::manifest::FILE;
use corec_run::plugins::PluginSet;
use corec_run::recorded::RecordedRun;
use corec_run::scenarios::{find, scale};
use corec_run::settings::parse_count;
use corec_run::snapshots::{DIGEST_FORMAT, Input, Inputs, LogError};
use corec_run::verify::{Digests, Divergence, Mark, OutputDigests, Rerun, Suspect, outputs};
use serde_json::{Value, json};

use kill::Killed;

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
    let (scenario, run) = what(args)?;
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
    let Recorded { digests: recorded, interval, old_until } =
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
    let again = Rerun { scenario, journal: journal.as_deref(), ticks, interval, old_until, app: &app, stop };

    let counts = thread_counts(args);
    let mut found = Vec::new();
    let runs = counts.iter().map(|&threads| (threads, false)).chain([(counts[0], true)]);
    for (threads, is_again) in runs {
        let (start, name) = (now(), format!("threads {threads}{}", if is_again { ", again" } else { "" }));
        let (digests, told) = again.run(threads, &mut |_| {})?;
        super::tell(&format!(
            "{name}: {ticks} ticks .. {} in {:.2} s",
            last_of(&digests),
            start.elapsed().as_secs_f64()
        ));
        let method = if is_again { Method::Rerun } else { Method::Threads(threads) };
        found.push(Found { name, method, digests, told: Some(told), broke_off: None });
    }
    // What differs from run to run differs anyhow: tell of that first.
    let twice = found.pop().expect("one at least is done again");
    found.insert(1, twice);
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

/// What one of the runs has come to.
struct Found {
    name: String,
    method: Method,
    digests: Digests,
    /// What it has said; none where only digests were recorded.
    told: Option<OutputDigests>,
    /// Why it did not come to its end.
    broke_off: Option<String>,
}

/// What it mostly is that differs in another process only.
const OF_THE_PROCESS: &str = "it follows from the process: its id, its working folder, an environment variable, an address, a file that a \
                              plugin has written";

/// How a run was done.
#[derive(Clone, Copy)]
enum Method {
    Threads(u32),
    Rerun,
    Killed,
    Recorded,
}

impl Method {
    /// What it mostly is that makes such a run differ.
    fn likely_cause(self) -> &'static str {
        match self {
            Self::Rerun => {
                "it changes from run to run, at the same number of threads: a random draw that is not of the seed (rand), a clock, the order \
                 of a HashMap or HashSet, an address, a static"
            }
            Self::Threads(_) => {
                "it follows from threads: who is first under a lock or in an atomic, a sum of floats under a lock or by rayon, the number \
                 of threads, commands that several threads queue at once"
            }
            Self::Killed => {
                "what a restore does not bring back starts anew: a Local, a static, a plain Bevy entity, a timer, run_once, resource_changed, a \
                 message that is held over a tick, or a resource that is not saved (impl Saved and app.save_resource)"
            }
            Self::Recorded => {
                "the program, a plugin or a file that it reads is another than then, or it changes from run to run"
            }
        }
    }
}

impl Found {
    /// Whether its digest at this tick is another's as well.
    fn has(&self, mark: &Mark) -> bool {
        let at = self.digests.binary_search_by_key(&mark.tick, |own| own.tick);
        at.is_ok_and(|at| self.digests[at].agrees(mark))
    }
}

/// Says whether all of them are the same.
fn judge(
    args: &VerifyArgs,
    again: &Rerun,
    found: &[Found],
    killed: Option<&Killed>,
) -> Result<ExitCode, RunError> {
    let (ticks, reference) = (again.ticks, &found[0]);
    let last = reference.digests.last();
    let odd = found.iter().find(|found| {
        if found.broke_off.is_some() {
            return true;
        }
        let is_same = found.digests.iter().filter(|mark| mark.tick <= ticks).all(|mark| reference.has(mark));
        let ends = found.digests.last().map(|mark| mark.tick) == last.map(|mark| mark.tick);
        !is_same || (!matches!(found.method, Method::Recorded) && !ends)
    });
    let compared = found.iter().map(|f| json!({ "what": f.name, "digests": f.digests.len() }));
    let mut report = json!({
        "same": odd.is_none(), "digest": last_of(&reference.digests), "output_digest": said_last(&reference.digests),
        "tick": last.map(|mark| mark.tick), "compared": compared.collect::<Vec<_>>(),
    });
    let mut text = format!("the same bits: {}\n", last_of(&reference.digests));
    let compared: Vec<String> = found.iter().map(|f| format!("{} ({})", f.name, f.digests.len())).collect();
    _ = writeln!(
        text,
        "compared, with so many digests of the state and of what is said: {}",
        compared.join(", ")
    );
    if let Some(odd) = odd {
        text = explain(odd, reference, again, killed, &mut report)?;
    }
    let code = super::print(&if args.json { format!("{report}\n") } else { text });
    Ok(if odd.is_none() { code } else { ExitCode::FAILURE })
}

/// Tells in what a run differs, who can have written it, and what it mostly is.
fn explain(
    odd: &Found,
    reference: &Found,
    again: &Rerun,
    killed: Option<&Killed>,
    report: &mut Value,
) -> Result<String, RunError> {
    let Found { name, method, digests, told, broke_off } = odd;
    let first = digests.iter().find(|mark| !reference.has(mark)).map(|mark| mark.tick);
    let mut text = match (broke_off, first) {
        (Some(why), _) => format!("not the same bits: {name}: {why}\n"),
        (None, first) => format!(
            "not the same bits: {name} differs from {} at tick {} or within the {} before it\n",
            reference.name,
            first.unwrap_or(0),
            again.interval
        ),
    };
    (report["differs"], report["recorded_tick"], report["broke_off"]) =
        (json!(name), json!(first), json!(broke_off));
    let Method::Threads(threads) = reference.method else {
        unreachable!("the reference is the first thread count")
    };
    let (parting, restored) = match (method, killed) {
        (Method::Threads(other), _) => (again.diverges([threads, *other])?, None),
        (Method::Rerun, _) => (again.diverges([threads, threads])?, None),
        (Method::Killed, Some(killed)) => killed.diverges(again, threads)?,
        (Method::Killed | Method::Recorded, _) => (None, None),
    };
    let mut said = Vec::new();
    if let Some(Divergence { tick, differences, said: by, suspects }) = parting {
        match restored {
            Some(at) => _ = writeln!(text, "restored after tick {at}, the first tick that differs: {tick}"),
            None => _ = writeln!(text, "the first tick that differs: {tick}"),
        }
        differences.iter().for_each(|d| _ = writeln!(text, "  {d}"));
        let list: Vec<String> = differences.iter().map(ToString::to_string).collect();
        (report["tick"], report["restored_tick"], report["differences"]) =
            (json!(tick), json!(restored), json!(list));
        report["suspects"] = suspects.iter().map(suspect_json).collect();
        suspects.iter().for_each(|suspect| _ = writeln!(text, "  {}", suspect_text(suspect)));
        said = by;
    }
    if let Some((told, reference)) = told.as_ref().zip(reference.told.as_ref()).filter(|_| said.is_empty()) {
        said = outputs::differences(reference, told);
    }
    said.iter().for_each(|what| _ = writeln!(text, "  {what}"));
    let cause = match (method, restored) {
        // Restored in one process it is the same.
        (Method::Killed, None) if again.journal.is_none() => OF_THE_PROCESS,
        _ => method.likely_cause(),
    };
    _ = writeln!(text, "likely: {cause}");
    (report["said"], report["likely"]) = (json!(said), json!(cause));
    Ok(text)
}

fn suspect_json(suspect: &Suspect) -> Value {
    json!({ "plugin": suspect.plugin(), "system": suspect.system, "unsaved": suspect.unsaved })
}

fn suspect_text(suspect: &Suspect) -> String {
    let mut text = format!("can be written by system '{}'", suspect.system);
    if let Some(plugin) = suspect.plugin() {
        _ = write!(text, " of plugin '{plugin}'");
    }
    if !suspect.unsaved.is_empty() {
        _ = write!(text, ", which uses {}: not saved", suspect.unsaved.join(", "));
    }
    text
}

/// The scenario to verify, and the run if it is that of one.
fn what(args: &VerifyArgs) -> Result<(Scenario, Option<RecordedRun>), RunError> {
    let folder = Path::new(&args.what);
    if folder.join(FILE).exists() {
        if args.entities.is_some() || args.seed.is_some() || args.plugins.is_some() {
            return Err(RunError::Usage(
                "--entities, --seed and --plugins: a run's own are taken, must not be given with a run"
                    .into(),
            ));
        }
        let run = RecordedRun::open(folder)?;
        return Ok((run.scenario().clone(), Some(run)));
    }
    let mut scenario = find(&args.what, &super::environment)?.scenario;
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    if let Some(total) = args.entities {
        scale(&mut scenario, total).map_err(RunError::Usage)?;
    }
    if scenario.has_section("telemetry") {
        let message = format!("{}: takes a table: run it, then verify the run's folder", args.what);
        return Err(RunError::Usage(message));
    }
    Ok((scenario, None))
}

/// The digests that a journal has up to a tick; of very many of them not all.
struct Recorded {
    digests: Digests,
    /// How far they are apart.
    interval: u64,
    /// The last tick whose digest is of the format before.
    old_until: u64,
}

impl Default for Recorded {
    fn default() -> Self {
        Self { digests: Digests::new(), interval: 10, old_until: 0 }
    }
}

fn recorded(journal: &Path, ticks: u64) -> Result<Recorded, RunError> {
    let fail = |e: LogError| RunError::Usage(format!("journal: {e}"));
    let (mut inputs, mut found, mut is_first) =
        (Inputs::of(journal).map_err(fail)?, Recorded::default(), true);
    while let Some((_, tick, input)) = inputs.next_input().map_err(fail)? {
        let state = match input {
            Input::Digest(state) => state,
            Input::Outputs(value) => {
                // It follows that of the state.
                found
                    .digests
                    .last_mut()
                    .filter(|mark| mark.tick == tick)
                    .into_iter()
                    .for_each(|mark| mark.said = Some(value));
                continue;
            }
            _ => continue,
        };
        if tick > ticks {
            break;
        }
        if std::mem::take(&mut is_first) {
            let tick = tick.max(1);
            found.interval = tick.max((ticks / DIGESTS_MAX).next_multiple_of(tick));
        }
        if tick.is_multiple_of(found.interval) || tick == ticks {
            found.digests.push(Mark { tick, state, said: None });
        }
        if inputs.digest_format() < DIGEST_FORMAT {
            found.old_until = tick;
        }
    }
    Ok(found)
}

fn last_of(digests: &Digests) -> String {
    digests.last().map_or_else(String::new, |mark| format!("{:016x}", mark.state))
}

fn said_last(digests: &Digests) -> Option<String> {
    Some(format!("{:016x}", digests.last()?.said?))
}

#[expect(clippy::disallowed_methods, reason = "progress for a person; no result depends on it")]
fn now() -> Instant {
    Instant::now()
}
