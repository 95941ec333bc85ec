//! `corec run`: a scenario, what the flags change of it, a progress bar, a summary.

mod flags;
mod service;
mod show;
mod study;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use corec_plugins::REGISTRY;
use corec_run::Stop;
use corec_run::plugins::PluginSet;
use corec_run::recorded::Continuation;
use corec_run::scenarios::find;
use corec_run::settings::{RowDetector, parse_count};
use corec_run::{InputChanged, Options, RunError, RunPlan, SnapshotInterval, Summary, rss_bytes, run};

use super::progress::Bar;
use flags::{check_same, with_flags};

/// Run a scenario
///
/// Ctrl-C, SIGTERM and SIGHUP end the run after the tick in hand, make a snapshot, flush the store and still print the summary; a
/// second one more than a second later ends it at once. A run's folder, journal, snapshots and --ack file belong to one process at a time.
///
/// Exit status: 0 done, 1 the run failed, 2 bad usage or configuration or in use by another process, 129, 130 or 143 interrupted by
/// SIGHUP, SIGINT or SIGTERM.
#[derive(clap::Parser)]
#[command(after_help = "Examples:
  corec run                                       1,000,000 entities, 1000 ticks
  corec run --entities 10M --ticks 100 --load 1   ten times as many, all of them every tick
  corec run telemetry --input machine.csv.gz      replay a table and score its rows
  corec run telemetry --bus redis://localhost     rows as they come on the stream `telemetry`: corec feed --help
  corec run chaos --plot chaos.svg                faults by seed, who noticed, what repair saved: corec chaos --help
  corec run --http --ticks 100k                   watch it at http://127.0.0.1:8000/, or with: corec top
  corec run --snapshot-interval 100               ready for a kill at any tick; then: corec run --restore runs/0001
  corec run my-scenario.json --json | jq .state_digest")]
pub struct RunArgs {
    /// A built-in scenario (see `corec scenarios`) or a JSON file (see `corec schema`)
    #[arg(default_value = "ecosystem")]
    scenario: String,

    /// Entities in all, spread over the groups as the scenario has them: 250000, 10k, 1M
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    entities: Option<u64>,

    /// Ticks to run; a table is replayed to its end unless this is less
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    ticks: Option<u64>,

    /// Seed of every random draw
    #[arg(long, value_name = "N", value_parser = super::whole, allow_negative_numbers = true)]
    seed: Option<u64>,

    /// Worker threads; as many as the process may use if not given. Results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024), allow_negative_numbers = true)]
    threads: Option<u32>,

    /// Share of each block processed in a tick, 0 to 1, for all groups
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    load: Option<f32>,

    /// At most so many ticks a second; as fast as it goes if not given. Results do not depend on it
    #[arg(long, value_name = "HZ", value_parser = parse_rate, allow_negative_numbers = true)]
    tick_rate: Option<f64>,

    /// Table to replay: CSV, plain or gzipped, or a named pipe whose rows are taken as they come
    #[arg(long, value_name = "FILE", value_parser = super::path())]
    input: Option<PathBuf>,

    /// Go on with a table that is not as it was when the run was started: `accept` takes its rows from now on
    #[arg(long, value_name = "accept", requires = "restore", value_parser = ["accept"])]
    input_changed: Option<String>,

    /// Write the `sequence` of the last row that is safe in the journal to this file, for whoever feeds the pipe
    #[arg(long, value_name = "FILE", value_parser = super::path())]
    ack: Option<PathBuf>,

    /// Where the table's anomalies are, as NAB's combined_windows.json has them; one without a zone is on the table's own clock
    #[arg(long, value_name = "FILE", value_parser = super::path())]
    windows: Option<PathBuf>,

    /// Who scores a table's rows, unless a plugin does: `normal`, the twins, by the three columns furthest from their normal; `forest`, an
    /// isolation forest of the last 1024 rows, which also sees columns that are odd only together. As the scenario has it if not given
    #[arg(long, value_name = "NAME", value_parser = RowDetector::NAMES)]
    detector: Option<String>,

    /// Load every enabled plugin of this folder: DIR/NAME/config.json; what the scenario names if not given
    #[arg(long, value_name = "DIR", value_parser = super::path())]
    plugins: Option<PathBuf>,

    /// Message bus: memory, redis://USER:PASSWORD@HOST:PORT or rediss://HOST?ca=FILE
    #[arg(long, value_name = "URL")]
    bus: Option<String>,

    /// The stream that messages come on, of a telemetry scenario without --input its rows: `telemetry` if not given
    #[arg(long, value_name = "NAME")]
    input_stream: Option<String>,

    /// Store: memory, sqlite://relative.db (in the run's folder), sqlite:///absolute.db or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, value_name = "URL")]
    store: Option<String>,

    /// Seconds that the start waits for a bus or a store that is not there; 10 if not given
    #[arg(long, value_name = "SECONDS", value_parser = super::seconds, allow_negative_numbers = true)]
    connect_timeout: Option<f64>,

    /// The run's folder; the next runs/NNNN if not given
    #[arg(long, value_name = "DIR", value_parser = super::path())]
    out: Option<PathBuf>,

    /// Make a snapshot every so many ticks (100) or seconds (30s); one is always made on Ctrl-C, SIGTERM and SIGHUP
    #[arg(long, value_name = "N|Ns", allow_negative_numbers = true)]
    snapshot_interval: Option<SnapshotInterval>,

    /// Where snapshots go; `snapshots` in the run's folder if not given
    #[arg(long, value_name = "DIR", value_parser = super::path())]
    snapshot: Option<PathBuf>,

    /// Snapshots kept, the newest; 3 if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), allow_negative_numbers = true)]
    snapshot_keep: Option<u16>,

    /// Record a digest of the state every so many ticks, 10 if not given; 0 for none, which makes ticks 4 or 5 % faster
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    digest_interval: Option<u64>,

    /// Where the journal is; `journal` in the run's folder if not given
    #[arg(long, value_name = "DIR", value_parser = super::path())]
    journal: Option<PathBuf>,

    /// Let the journal wait for the disk: inputs then survive a loss of power, not only a kill
    #[arg(long)]
    journal_sync: bool,

    /// A figure of a scenario with chaos: fitness and faults over time, with and without repair, and what went wrong when. SVG
    #[arg(long, value_name = "FILE.svg", value_parser = super::path())]
    plot: Option<PathBuf>,

    /// Kill the process before this tick, for `corec verify --kill`
    #[arg(long, value_name = "TICK", hide = true)]
    kill_at: Option<u64>,

    /// Kill the process in this tick, when its row is in the journal and not applied yet
    #[arg(long, value_name = "TICK", hide = true)]
    kill_in: Option<u64>,

    /// Take rows from the journal alone, for `corec verify --kill`
    #[arg(long, hide = true, requires = "restore")]
    input_recorded: bool,

    /// Let plugins write no files, for `corec verify --kill`
    #[arg(long, hide = true)]
    plugins_read_only: bool,

    /// Show it to nobody, whatever it was asked for, for `corec verify --kill`
    #[arg(long, hide = true, conflicts_with = "http")]
    no_http: bool,

    /// Look for the scenario's plugins beside this folder and not beside its file, for `corec verify`
    #[arg(long, value_name = "DIR", hide = true)]
    plugins_beside: Option<PathBuf>,

    /// Go on with a run: its folder, or a snapshot of it, or a folder of snapshots. What the run was asked for goes on too (snapshots,
    /// pace, windows, acknowledgements, digests) unless it is given anew; with --out it goes on as a run of its own
    #[arg(long, value_name = "DIR|FILE", conflicts_with = "scenario", value_parser = super::path())]
    restore: Option<PathBuf>,

    /// Write which thread ran which system and blocks when, for Perfetto or chrome://tracing
    #[arg(long, value_name = "FILE.json", value_parser = super::path())]
    profile: Option<PathBuf>,

    /// Show the run over HTTP as it goes: a page at /, /metrics for Prometheus, /api/v1. 127.0.0.1:8000 if no address is given; another machine
    /// sees it only at an address that is named (0.0.0.0:8000). Whoever changes something needs a token: COREC_HTTP_TOKEN, or the one that
    /// is in http.json in the run's folder
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:8000")]
    http: Option<String>,

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
///
/// # Errors
/// What kept the run from starting.
pub fn main(args: RunArgs, started: Instant, stop: &Stop) -> Result<ExitCode, RunError> {
    let restore =
        args.restore.as_deref().map(|path| Continuation::find(path, args.journal.as_deref())).transpose()?;
    let loaded = match &restore {
        None => find(&args.scenario, &super::environment)?,
        Some(restore) => restore.settings()?,
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let before = loaded.scenario.clone();
    let mut scenario = with_flags(loaded.scenario, &args)?;
    if restore.is_some() {
        check_same(&before, &scenario)?;
    }
    let source = restore.as_ref().and_then(|restore| restore.run.as_ref());
    let plugins = match source {
        Some(_) if args.plugins.is_some() => {
            let message = "--plugins: found with --restore, must not be given: a run's own plugins are taken";
            return Err(RunError::Usage(message.into()));
        }
        Some(run) => run.plugins(REGISTRY)?,
        None => {
            let beside = args.plugins_beside.as_deref().or(Path::new(&args.scenario).parent());
            PluginSet::find(&scenario, args.plugins.as_deref(), beside, REGISTRY, &super::environment)?
        }
    };
    let plugins = if args.plugins_read_only { plugins.read_only() } else { plugins };
    study::check(&scenario, args.plot.as_deref())?;
    let study = study::AfterRun { scenario: scenario.clone(), plugins: plugins.clone(), plot: args.plot };
    let app = plugins.app(&mut scenario);
    let mut bar = Bar::new("ticks", args.quiet || args.json);
    let mut plan = RunPlan::new(scenario, started);
    plan.plugins = plugins.records();
    (plan.restore, plan.scenario_given) = (restore, loaded.given);
    plan.options = Options {
        ticks: args.ticks,
        tick_rate: args.tick_rate,
        windows: args.windows,
        ack: args.ack,
        digest_interval: args.digest_interval,
        snapshot_interval: args.snapshot_interval,
        snapshot: args.snapshot,
        snapshot_keep: args.snapshot_keep.map(Into::into),
        journal: args.journal,
        connect_timeout: args.connect_timeout,
        journal_sync: args.journal_sync.then_some(true),
        http: args.http,
    };
    plan.input_changed =
        if args.input_changed.is_some() { InputChanged::Accept } else { InputChanged::Refuse };
    (plan.out, plan.input, plan.is_input_recorded) = (args.out, args.input, args.input_recorded);
    (plan.profile, plan.kill_at, plan.kill_in) = (args.profile, args.kill_at, args.kill_in);
    let server = if args.no_http { None } else { show::start(&plan, args.quiet || args.json)? };
    let service = service::Service::start(&plan.watch, stop);
    let summary = run(app, plan, stop, &mut |p| {
        let rate = p.ticks_here as f64 / p.seconds.max(1e-9);
        bar.tell(p.ticks, p.of, p.seconds, || format!("{rate:.1} ticks/s, {} MB", rss_bytes() / 1_000_000));
    })?;
    bar.finish();
    drop((server, service));
    let summary = study.add_to(summary, stop, started, args.quiet || args.json)?;
    Ok(tell(&summary, args.json, args.quiet))
}

/// Prints a summary, and gives the exit status that it comes to.
fn tell(summary: &Summary, is_json: bool, is_quiet: bool) -> ExitCode {
    let printed = if is_json {
        let json = serde_json::to_string(summary).expect("a summary is text and numbers");
        super::print(&format!("{json}\n"))
    } else if is_quiet {
        ExitCode::SUCCESS
    } else {
        super::print(&summary.to_string())
    };
    if let Some(error) = &summary.error {
        super::complain(error);
        return ExitCode::FAILURE;
    }
    // A shell's convention: 128 and the signal's number.
    summary.interrupted_by.map_or(printed, |signal| ExitCode::from(128 + signal as u8))
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (1e-3..=1e6).contains(&rate) => Ok(rate),
        _ => Err(format!("found '{text}', must be within 0.001..=1000000 ticks a second")),
    }
}
