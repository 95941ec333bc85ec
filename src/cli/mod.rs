//! Subcommands, and what they have in common: logs, exit codes.

mod ask;
mod diff;
mod fork;
mod inspect;
mod plugin;
mod replay;
mod run;
mod runs;
mod scenarios;
mod schema;
mod verify;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// CoreC: a million small entities, headless, the same bits from the same seed at any thread count.
///
/// Without a subcommand it runs the scenario `ecosystem`.
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    /// What is logged to stderr: error, warn, info, debug, trace, or `target=level,..`, a plugin's name being its target; RUST_LOG if not given
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Run a scenario
    Run(Box<run::RunArgs>),
    /// Run a scenario at several thread counts, killed and restored, and compare every digest
    Verify(verify::VerifyArgs),
    /// Run a run again from its journal, and compare every recorded digest
    Replay(replay::ReplayArgs),
    /// Go on from a tick of a run twice: as it was, and with other settings
    Fork(fork::ForkArgs),
    /// Ask a run something, in Spanish or English
    Ask(ask::AskArgs),
    /// List the runs of a folder
    Runs(runs::RunsArgs),
    /// Show what is in a snapshot
    Inspect(inspect::InspectArgs),
    /// Name what differs between two snapshots
    Diff(diff::DiffArgs),
    /// Plugins: list, check, new, sync
    Plugin(plugin::PluginArgs),
    /// List the built-in scenarios
    Scenarios(scenarios::ScenariosArgs),
    /// Print the JSON schema of a scenario
    Schema,
}

/// Parses the command line and does what it says.
pub fn main(started: Instant) -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = start_log(cli.log.as_deref()) {
        eprintln!("error: --log: {error}");
        return ExitCode::from(2);
    }
    match cli.command.unwrap_or_else(|| Command::Run(Box::new(run::RunArgs::parse_from(["run"])))) {
        Command::Run(args) => run::main(*args, started),
        Command::Verify(args) => verify::main(&args),
        Command::Replay(args) => replay::main(&args),
        Command::Fork(args) => fork::main(&args),
        Command::Ask(args) => ask::main(&args),
        Command::Runs(args) => runs::main(&args),
        Command::Inspect(args) => inspect::main(&args),
        Command::Diff(args) => diff::main(&args),
        Command::Plugin(args) => plugin::main(&args),
        Command::Scenarios(args) => scenarios::main(&args),
        Command::Schema => schema::main(),
    }
}

fn start_log(filter: Option<&str>) -> anyhow::Result<()> {
    let filter: Targets = match filter {
        Some(filter) => targets(filter)?,
        None => std::env::var("RUST_LOG").ok().and_then(|filter| targets(&filter).ok()).unwrap_or_default(),
    };
    // What a filter says nothing of is logged from warnings on: `--log my_plugin=debug` adds to that.
    let default = filter.default_level().unwrap_or(LevelFilter::WARN);
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).without_time().with_target(false);
    let log = log.with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry().with(log).with(filter.with_default(default)).init();
    Ok(())
}

/// `level` and `target=level`, with commas between them. Not `EnvFilter`: that brings regular expressions along, for
/// the fields of spans that nobody here has.
fn targets(filter: &str) -> Result<Targets, tracing_subscriber::filter::ParseError> {
    // An empty one would be taken for `error`.
    let given: Vec<&str> = filter.split(',').map(str::trim).filter(|directive| !directive.is_empty()).collect();
    if given.is_empty() { Ok(Targets::new()) } else { given.join(",").parse() }
}

/// A variable of the environment, for a config.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Says what was wrong, and gives the status of bad usage.
fn usage(error: impl std::fmt::Display) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(2)
}

/// Writes a text to stdout; a reader that has gone away (`| head`) is no error.
fn print(text: &str) -> ExitCode {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: stdout: {error}");
            ExitCode::FAILURE
        }
    }
}
