//! `corec verify`: the same bits at every thread count, and across kills and restores.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use corec_plugins::REGISTRY;
use corec_systems::plugins::PluginSet;
use corec_systems::prelude::{Draws, Scenario, rng};
use corec_systems::recorded::RecordedRun;
use corec_systems::run::manifest::FILE;
use corec_systems::run::{JOURNAL, RunError, SUMMARY};
use corec_systems::scenarios::{find, scale};
use corec_systems::settings::parse_count;
use corec_systems::snapshots::{DIGEST_FORMAT, Input, Inputs, LogError};
use corec_systems::stop::Stop;
use corec_systems::verify::{Again, Digests, Mark, Told, outputs};
use serde_json::{Value, json};

/// Run a scenario at several thread counts, killed and restored, and compare every digest
///
/// Prints one digest, or the first tick, column, block and entity that differ. A run that has been is done again from its journal: what
/// came from outside, its plugins' files and messages included, is as it was.
///
/// Exit status: 0 the same bits, 1 others, 2 bad usage, 129, 130 or 143 interrupted.
#[derive(Args)]
#[command(after_help = "Examples:
  corec verify ecosystem --entities 100k --ticks 100 --threads 1,2,8 --kill
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

    /// Thread counts to compare
    #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "1,2,8",
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Vec<u32>,

    /// Load every enabled plugin of this folder; what the scenario names if not given
    #[arg(long, value_name = "DIR", value_parser = super::path())]
    plugins: Option<PathBuf>,

    /// Also kill the run (SIGKILL) at random ticks, and restore it each time
    #[arg(long, value_name = "TIMES", num_args = 0..=1, default_missing_value = "3")]
    kill: Option<u32>,

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
    let again = Again { scenario, journal: journal.as_deref(), ticks, interval, old_until, app: &app, stop };

    let mut found = Vec::new();
    if run.is_some() {
        found.push(Found { name: "recorded".into(), digests: recorded, told: None });
    }
    for &threads in &args.threads {
        let (start, name) = (now(), format!("threads {threads}"));
        let (digests, told) = again.run(threads, &mut |_| {})?;
        super::tell(&format!(
            "{name}: {ticks} ticks .. {} in {:.2} s",
            last_of(&digests),
            start.elapsed().as_secs_f64()
        ));
        found.push(Found { name, digests, told: Some(told) });
    }
    if let Some(times) = args.kill {
        found.push(kill_and_restore(args, &again, run.as_ref(), times)?);
    }
    judge(args, &again, &found)
}

/// What one of the runs has come to.
struct Found {
    name: String,
    digests: Digests,
    /// What it has said; none where only digests were recorded.
    told: Option<Told>,
}

impl Found {
    /// Whether its digest at this tick is another's as well.
    fn has(&self, mark: &Mark) -> bool {
        let at = self.digests.binary_search_by_key(&mark.tick, |own| own.tick);
        at.is_ok_and(|at| self.digests[at].agrees(mark))
    }
}

/// Says whether all of them are the same.
fn judge(args: &VerifyArgs, again: &Again, found: &[Found]) -> Result<ExitCode, RunError> {
    let (ticks, interval) = (again.ticks, again.interval);
    let reference =
        found.iter().find(|found| found.name != "recorded").expect("clap asks for one thread count");
    let last = reference.digests.last();
    let odd = found.iter().find(|found| {
        let is_same = found.digests.iter().filter(|mark| mark.tick <= ticks).all(|mark| reference.has(mark));
        let ends = found.digests.last().map(|mark| mark.tick) == last.map(|mark| mark.tick);
        !is_same || (found.name != "recorded" && !ends)
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
    if let Some(Found { name, digests, told }) = odd {
        let first = digests.iter().find(|mark| !reference.has(mark)).map_or(0, |mark| mark.tick);
        text = format!(
            "not the same bits: {name} differs from threads {} at tick {first} or within the {interval} before it\n",
            args.threads[0]
        );
        (report["differs"], report["recorded_tick"]) = (json!(name), json!(first));
        let threads = name.strip_prefix("threads ").and_then(|n| n.parse().ok());
        let parting = threads.and_then(|n| again.part([args.threads[0], n]).transpose()).transpose()?;
        let mut said = Vec::new();
        if let Some(parting) = parting {
            _ = writeln!(text, "the first tick that differs: {}", parting.tick);
            parting.differences.iter().for_each(|d| _ = writeln!(text, "  {d}"));
            let list: Vec<String> = parting.differences.iter().map(ToString::to_string).collect();
            (report["tick"], report["differences"]) = (json!(parting.tick), json!(list));
            said = parting.said;
        } else if let Some((told, reference)) = told.as_ref().zip(reference.told.as_ref()) {
            said = outputs::differences(reference, told);
        }
        said.iter().for_each(|what| _ = writeln!(text, "  {what}"));
        report["said"] = json!(said);
    }
    let code = super::print(&if args.json { format!("{report}\n") } else { text });
    Ok(if odd.is_none() { code } else { ExitCode::FAILURE })
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
    if scenario.telemetry.is_some() {
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

/// Runs it as a process that is killed so many times, each time at a tick that the seed decides, and restored from what is there.
fn kill_and_restore(
    args: &VerifyArgs,
    again: &Again,
    run: Option<&RecordedRun>,
    times: u32,
) -> Result<Found, RunError> {
    let folder = std::env::temp_dir().join(format!("corec-verify-kill-{}", std::process::id()));
    let done = kill_in(&folder, args, again, run, times);
    _ = std::fs::remove_dir_all(&folder);
    done
}

fn kill_in(
    folder: &Path,
    args: &VerifyArgs,
    again: &Again,
    run: Option<&RecordedRun>,
    times: u32,
) -> Result<Found, RunError> {
    let failed = |what: String| RunError::Failed(format!("--kill: {what}"));
    std::fs::create_dir_all(folder).map_err(|e| failed(e.to_string()))?;
    let scenario = folder.join("scenario.json");
    let text = serde_json::to_vec(&again.scenario).map_err(|e| failed(e.to_string()))?;
    std::fs::write(&scenario, text).map_err(|e| failed(e.to_string()))?;
    let out = folder.join("run");
    if let Some(run) = run {
        run.copy_without_digests(&out)?;
    }
    let draws = Draws::new(again.scenario.seed, "verify");
    // A run over a table ends with its last tick, before it could be killed there.
    let below = again.ticks.saturating_sub(1).clamp(1, u64::from(u32::MAX)) as u32;
    let mut kills: Vec<u64> =
        (0..times).map(|i| 1 + u64::from(rng::below(draws.words(u64::from(i), 0, 0)[0], below))).collect();
    kills.sort_unstable();
    for kill in kills.iter().map(Some).chain([None]) {
        let mut command = kill_command(args, again)?;
        if run.is_some() || has_snapshot(&out) {
            command.arg("--restore").arg(&out);
        } else {
            _ = std::fs::remove_dir_all(&out);
            command.arg(&scenario).arg("--out").arg(&out);
            if let Some(plugins) = &args.plugins {
                command.arg("--plugins").arg(plugins);
            }
        }
        if run.is_some() {
            command.arg("--input-recorded");
        }
        if let Some(tick) = kill {
            command.args(["--kill-at", &tick.to_string()]);
        }
        let status = finish(command, again.stop).map_err(failed)?;
        if let Some(signal) = again.stop.signal() {
            return Err(RunError::Interrupted(signal));
        }
        let is_as_asked = if kill.is_some() { status.code().is_none() } else { status.success() };
        if !is_as_asked {
            return Err(failed(format!("the run ended with {status}")));
        }
        if let Some(tick) = kill {
            super::tell(&format!("killed at tick {tick}"));
        }
    }
    let mut digests = recorded(&out.join(JOURNAL), again.ticks)?.digests;
    digests.retain(|mark| mark.tick.is_multiple_of(again.interval) || mark.tick == again.ticks);
    let summary = std::fs::read(out.join(SUMMARY)).map_err(|e| failed(e.to_string()))?;
    let summary: Value = serde_json::from_slice(&summary).map_err(|e| failed(e.to_string()))?;
    let hex = |key: &str| summary[key].as_str().and_then(|hex| u64::from_str_radix(hex, 16).ok());
    let (end, said) = (hex("state_digest"), hex("output_digest"));
    if let (Some(end), Some(tick)) = (end, summary["tick"].as_u64())
        && digests.last().is_none_or(|last| last.tick < tick)
    {
        digests.push(Mark { tick, state: end, said });
    }
    let told = serde_json::from_value(summary["outputs"].clone()).ok();
    super::tell(&format!("killed {times} times and restored: {}", last_of(&digests)));
    Ok(Found { name: "killed and restored".into(), digests, told })
}

fn kill_command(args: &VerifyArgs, again: &Again) -> Result<Command, RunError> {
    let program = std::env::current_exe().map_err(|e| RunError::Failed(format!("--kill: {e}")))?;
    let mut command = Command::new(program);
    let (ticks, every) = (again.ticks.to_string(), (again.ticks / 10).max(1).to_string());
    command.args([
        "run",
        "--ticks",
        &ticks,
        "--snapshot-interval",
        &every,
        "--quiet",
        "--store",
        "memory",
        "--plugins-read-only",
    ]);
    command.args(["--digest-interval", &again.interval.to_string()]);
    command.args(["--threads", &args.threads[args.threads.len() - 1].to_string()]);
    command.stdin(Stdio::null());
    Ok(command)
}

/// Waits for a process, and takes it along if a signal comes.
fn finish(mut command: Command, stop: &Stop) -> Result<ExitStatus, String> {
    let mut child = command.spawn().map_err(|e| e.to_string())?;
    loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            return Ok(status);
        }
        if stop.is_set() {
            _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn has_snapshot(run: &Path) -> bool {
    RecordedRun::open(run).is_ok_and(|run| {
        let extent = run.extent().ok().flatten();
        run.snapshot(u64::MAX, extent.as_ref()).is_some()
    })
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
