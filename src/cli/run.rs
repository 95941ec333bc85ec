//! `corec run`: a scenario, what the flags change of it, a progress bar, a summary.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::{Duration, Instant};

use corec_plugins::REGISTRY;
use corec_systems::plugins::PluginSet;
use corec_systems::prelude::Scenario;
use corec_systems::run::manifest::Manifest;
use corec_systems::run::{Every, Progress, RunError, RunPlan, SnapshotPlan, folder_of, rss_bytes, run};
use corec_systems::scenarios::{find, scale};
use corec_systems::settings::{Loaded, Threads, load, parse_count};
use corec_systems::snapshots::{Snapshot, latest};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};

/// Run a scenario
///
/// Ctrl-C and SIGTERM end the run after the tick in hand, make a snapshot, flush the store and still print the summary.
///
/// Exit status: 0 done, 1 the run failed, 2 bad usage or configuration, 130 or 143 interrupted.
#[derive(clap::Parser)]
#[command(after_help = "Examples:
  corec run                                       1,000,000 entities, 1000 ticks
  corec run --entities 10M --ticks 100 --load 1   ten times as many, all of them every tick
  corec run telemetry --input machine.csv.gz      replay a table and score its rows
  corec run --snapshot-interval 100               ready for a kill at any tick; then: corec run --restore runs/0001
  corec run my-scenario.json --json | jq .state_digest")]
pub struct RunArgs {
    /// A built-in scenario (see `corec scenarios`) or a JSON file (see `corec schema`)
    #[arg(default_value = "ecosystem")]
    scenario: String,

    /// Entities in all, spread over the groups as the scenario has them: 250000, 10k, 1M
    #[arg(long, value_name = "N", value_parser = parse_count)]
    entities: Option<u64>,

    /// Ticks to run; a table is replayed to its end unless this is less
    #[arg(long, value_name = "N", value_parser = parse_count)]
    ticks: Option<u64>,

    /// Seed of every random draw
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Worker threads; as many as the process may use if not given. Results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,

    /// Share of each block processed in a tick, 0 to 1, for all groups
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    load: Option<f32>,

    /// At most so many ticks a second; as fast as it goes if not given. Results do not depend on it
    #[arg(long, value_name = "HZ", value_parser = parse_rate, allow_negative_numbers = true)]
    tick_rate: Option<f64>,

    /// Table to replay: CSV, plain or gzipped, or a named pipe whose rows are taken as they come
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,

    /// Write the `sequence` of the last row that is safe in the journal to this file, for whoever feeds the pipe
    #[arg(long, value_name = "FILE", requires = "input")]
    ack: Option<PathBuf>,

    /// Where the table's anomalies are, as NAB's combined_windows.json has them; a time without a zone is UTC
    #[arg(long, value_name = "FILE", requires = "input")]
    windows: Option<PathBuf>,

    /// Load every enabled plugin of this folder: DIR/NAME/config.json; what the scenario names if not given
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,

    /// Message bus: memory
    #[arg(long, value_name = "URL")]
    bus: Option<String>,

    /// Store: memory, sqlite://relative.db (in the run's folder) or sqlite:///absolute.db
    #[arg(long, value_name = "URL")]
    store: Option<String>,

    /// The run's folder; the next runs/NNNN if not given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Make a snapshot every so many ticks (100) or seconds (30s); one is always made on Ctrl-C and SIGTERM
    #[arg(long, value_name = "N|Ns")]
    snapshot_interval: Option<Every>,

    /// Where snapshots go; `snapshots` in the run's folder if not given
    #[arg(long, value_name = "DIR")]
    snapshot: Option<PathBuf>,

    /// Snapshots kept, the newest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), default_value = "3")]
    snapshot_keep: u16,

    /// Record a digest of the state every so many ticks; 0 for none, which makes ticks 4 or 5 % faster
    #[arg(long, value_name = "N", value_parser = parse_count, default_value = "10")]
    digest_interval: u64,

    /// Where the journal is; `journal` in the run's folder if not given
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,

    /// Let the journal wait for the disk: inputs then survive a loss of power, not only a kill
    #[arg(long)]
    journal_sync: bool,

    /// Kill the process before this tick, for `corec verify --kill`
    #[arg(long, value_name = "TICK", hide = true)]
    kill_at: Option<u64>,

    /// Kill the process in this tick, when its row is in the journal and not applied yet
    #[arg(long, value_name = "TICK", hide = true)]
    kill_in: Option<u64>,

    /// Let plugins write no files, for `corec verify --kill`
    #[arg(long, hide = true)]
    plugins_read_only: bool,

    /// Go on from a snapshot: its file, or the newest whole one of a folder or of a run's folder
    #[arg(long, value_name = "DIR|FILE", conflicts_with = "scenario")]
    restore: Option<PathBuf>,

    /// Write which thread ran which system and blocks when, for Perfetto or chrome://tracing
    #[arg(long, value_name = "FILE.json")]
    profile: Option<PathBuf>,

    /// Refuse to start if more memory would be needed: 800MB, 1GiB, 90%
    #[arg(long, value_name = "SIZE")]
    memory_max: Option<String>,

    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,

    /// No progress and no summary
    #[arg(long, short)]
    quiet: bool,
}

/// Runs, and gives the exit status.
pub fn main(args: RunArgs, started: Instant) -> ExitCode {
    match try_run(args, started) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn try_run(args: RunArgs, started: Instant) -> Result<ExitCode, RunError> {
    let Restored { snapshot: restore, folder, loaded } = match args.restore.as_deref() {
        None => Restored { loaded: find(&args.scenario, &super::environment)?, ..Default::default() },
        Some(path) => Restored::find(path)?,
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let before = loaded.scenario.clone();
    let scenario = with_flags(loaded.scenario, &args)?;
    if args.restore.is_some() {
        check_same(&before, &scenario)?;
    }
    let manifest = folder.as_deref().map(Manifest::read).transpose().map_err(RunError::Usage)?;
    let (mut scenario, beside) = (scenario, Path::new(&args.scenario).parent());
    let plugins = match &manifest {
        Some(_) if args.plugins.is_some() => {
            let message = "--plugins: found with --restore, must not be given: a run's own plugins are taken";
            return Err(RunError::Usage(message.into()));
        }
        Some(manifest) => PluginSet::recorded(&manifest.plugins, REGISTRY, &super::environment)?,
        None => PluginSet::find(&scenario, args.plugins.as_deref(), beside, REGISTRY, &super::environment)?,
    };
    let plugins = if args.plugins_read_only { plugins.read_only() } else { plugins };
    let app = plugins.app(&mut scenario);
    let mut plan = RunPlan::new(scenario, started);
    plan.plugins = plugins.records();
    plan.resume = folder.filter(|_| restore.is_none());
    (plan.restore, plan.scenario_given) = (restore, loaded.given);
    (plan.digest_interval, plan.journal_sync, plan.kill_at) =
        (args.digest_interval, args.journal_sync, args.kill_at);
    plan.snapshots = SnapshotPlan {
        every: args.snapshot_interval,
        folder: args.snapshot,
        keep: Some(args.snapshot_keep.into()),
    };
    plan.ticks = args.ticks.or(plan.ticks);
    (plan.out, plan.windows, plan.ack) = (args.out, args.windows, args.ack);
    let input = manifest.and_then(|manifest| manifest.input);
    if let (Some(found), Some(expected)) = (&args.input, &input)
        && found != expected
    {
        let (found, expected) = (found.display(), expected.display());
        let message = format!("--input: found {found}, must be {expected} as the run had it, or not given");
        return Err(RunError::Usage(message));
    }
    (plan.input, plan.journal, plan.kill_in) = (args.input.or(input), args.journal, args.kill_in);
    (plan.tick_rate, plan.profile) = (args.tick_rate, args.profile);
    let ticks = plan.ticks;
    let signal = listen()?;
    let mut bar = Bar::new(ticks, args.quiet || args.json);
    let summary = run(app, plan, &signal, &mut |progress| bar.tell(progress))?;
    bar.finish();
    if args.json {
        super::print(&format!(
            "{}\n",
            serde_json::to_string(&summary).expect("a summary is text and numbers")
        ));
    } else if !args.quiet {
        super::print(&summary.to_string());
    }
    if let Some(error) = &summary.error {
        eprintln!("error: {error}");
        return Ok(ExitCode::FAILURE);
    }
    // A shell's convention: 128 and the signal's number.
    Ok(ExitCode::from(summary.interrupted_by.map_or(0, |signal| 128 + signal as u8)))
}

/// What `--restore` has found.
#[derive(Default)]
struct Restored {
    /// The snapshot; none if the run was killed before its first one.
    snapshot: Option<Snapshot>,
    /// The run's folder, if it is there.
    folder: Option<PathBuf>,
    loaded: Loaded,
}

impl Restored {
    /// Looks for the newest whole snapshot of a folder or of a run's folder, or takes the file itself.
    fn find(path: &Path) -> Result<Self, RunError> {
        let usage = |e: &dyn std::fmt::Display| RunError::Usage(format!("--restore: {e}"));
        let environment = super::environment;
        let snapshots = path.join("snapshots");
        let found = latest(if snapshots.is_dir() { &snapshots } else { path });
        let (snapshot, refused) = match found {
            Ok(found) => found,
            // The journal has a run's inputs from the first tick: without a snapshot it only takes longer.
            Err(error) if path.join("manifest.json").is_file() => {
                tracing::warn!("{error}; the run begins again, with what its journal has");
                let settings = Manifest::read(path).map_err(|e| usage(&e))?.settings.to_string();
                let loaded = load(&format!("{}: settings", path.display()), &settings, &environment)?;
                return Ok(Self { snapshot: None, folder: Some(path.into()), loaded });
            }
            Err(error) => return Err(usage(&error)),
        };
        for error in refused {
            tracing::warn!("passed over: {error}");
        }
        tracing::info!("restoring {}", snapshot.path().display());
        let source = format!("{}: scenario", snapshot.path().display());
        let loaded = load(&source, &snapshot.head().scenario, &environment)?;
        Ok(Self { folder: folder_of(&snapshot), snapshot: Some(snapshot), loaded })
    }
}

/// What a restored run's rows depend on is the snapshot's to say.
fn check_same(saved: &Scenario, asked: &Scenario) -> Result<(), RunError> {
    let differs = |flag: &str, found: String, allowed: String| {
        Err(RunError::Usage(format!(
            "{flag}: found {found}, must be {allowed} as in the snapshot, or not given"
        )))
    };
    if saved.seed != asked.seed {
        return differs("--seed", asked.seed.to_string(), saved.seed.to_string());
    }
    let total =
        |scenario: &Scenario| scenario.blocks.iter().map(|group| group.entities).sum::<u64>().to_string();
    if total(saved) != total(asked) {
        return differs("--entities", total(asked), total(saved));
    }
    let load =
        |scenario: &Scenario| scenario.blocks.iter().map(|group| group.load.to_string()).collect::<Vec<_>>();
    if load(saved) != load(asked) {
        return differs("--load", load(asked).join(", "), load(saved).join(", "));
    }
    Ok(())
}

/// The scenario with everything that a flag says otherwise, checked again.
fn with_flags(mut scenario: Scenario, args: &RunArgs) -> Result<Scenario, RunError> {
    let usage = RunError::Usage;
    if let Some(load) = args.load {
        if !(0.0..=1.0).contains(&load) {
            return Err(usage(format!("--load: found {load}, must be within 0..=1")));
        }
        scenario.blocks.iter_mut().for_each(|group| group.load = load);
    }
    match (args.entities, &scenario.telemetry) {
        (Some(_), Some(_)) => {
            return Err(usage(
                "--entities: a table decides how many twins there are; set replicas in the scenario".into(),
            ));
        }
        (Some(total), None) => scale(&mut scenario, total).map_err(usage)?,
        (None, _) => {}
    }
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    scenario.ticks = args.ticks.unwrap_or(scenario.ticks);
    scenario.threads = args.threads.map_or(scenario.threads, Threads::Count);
    for (flag, setting) in [
        (&args.bus, &mut scenario.bus),
        (&args.store, &mut scenario.store),
        (&args.memory_max, &mut scenario.memory_max),
    ] {
        if let Some(value) = flag {
            setting.clone_from(value);
        }
    }
    scenario.check("the command line")?;
    Ok(scenario)
}

/// A number that is the signal's once one has come; a second one ends the process at once.
pub(super) fn listen() -> Result<Arc<AtomicUsize>, RunError> {
    let (signal, armed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    for number in [SIGINT, SIGTERM] {
        // In this order: the first signal arms what the second one meets.
        signal_hook::flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&armed))
            .and_then(|_| signal_hook::flag::register(number, Arc::clone(&armed)))
            .and_then(|_| signal_hook::flag::register_usize(number, Arc::clone(&signal), number as usize))
            .map_err(|e| RunError::Failed(format!("signals can't be caught: {e}")))?;
    }
    Ok(signal)
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (1e-3..=1e6).contains(&rate) => Ok(rate),
        _ => Err(format!("found '{text}', must be within 0.001..=1000000 ticks a second")),
    }
}

/// Progress on stderr: a bar on a terminal, a line every ten seconds elsewhere.
struct Bar {
    bar: Option<ProgressBar>,
    is_terminal: bool,
    next_line: f64,
}

impl Bar {
    fn new(ticks: Option<u64>, is_quiet: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        if is_quiet || !is_terminal {
            return Self { bar: None, is_terminal: is_terminal || is_quiet, next_line: 10.0 };
        }
        let template = match ticks {
            Some(_) => "{wide_bar} {pos}/{len} ticks, {msg}, {eta} left",
            None => "{spinner} {pos} ticks, {msg}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let target = ProgressDrawTarget::stderr_with_hz(10);
        let bar = ProgressBar::with_draw_target(ticks, target).with_style(style);
        Self { bar: Some(bar), is_terminal, next_line: 0.0 }
    }

    fn tell(&mut self, progress: Progress) {
        let rate = progress.ticks as f64 / progress.seconds.max(1e-9);
        let message = format!("{rate:.1} ticks/s, {} MB", rss_bytes() / 1_000_000);
        if let Some(bar) = &self.bar {
            bar.set_position(progress.ticks);
            bar.set_message(message);
        } else if !self.is_terminal && progress.seconds >= self.next_line {
            let of = progress.of.map(|n| format!("/{n}")).unwrap_or_default();
            eprintln!("{}{of} ticks, {message}", progress.ticks);
            self.next_line += Duration::from_secs(10).as_secs_f64();
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
