//! Subcommands, and what they have in common: logs, exit codes.

mod inspect;
mod log;
mod plot;
mod progress;

mod ask;
mod chaos;
mod diff;
mod doctor;
mod feed;
mod forest;
mod fork;
mod plugin;
mod replay;
mod run;
mod runs;
mod scenarios;
mod schema;
mod tail;
mod top;
mod verify;
mod watch;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Parser, Subcommand};
use corec_live::{Client, server};
use corec_run::signals::Listener;
use corec_run::{Http, RunError};

use log::LogFormat;

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

    /// How it is logged, and whatever else is told on stderr
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

/// What each is for stands above its arguments: said here as well, it would take the place of all that `--help` tells there.
#[derive(Subcommand)]
enum Command {
    Run(Box<run::RunArgs>),
    Chaos(chaos::ChaosArgs),
    Verify(verify::VerifyArgs),
    Replay(replay::ReplayArgs),
    Fork(fork::ForkArgs),
    Ask(ask::AskArgs),
    Feed(feed::FeedArgs),
    Tail(tail::TailArgs),
    Top(top::TopArgs),
    Watch(watch::WatchArgs),
    Forest(forest::ForestArgs),
    Doctor(doctor::DoctorArgs),
    Runs(runs::RunsArgs),
    Inspect(inspect::InspectArgs),
    Diff(diff::DiffArgs),
    Plugin(plugin::PluginArgs),
    Scenarios(scenarios::ScenariosArgs),
    /// Print the JSON schema of a scenario
    Schema,
}

/// Parses the command line and does what it says.
pub fn main(started: Instant) -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| refuse(&error));
    let _log = match log::start(cli.log.as_deref(), cli.log_format) {
        Ok(log) => log,
        Err(error) => return usage(format!("--log: {error}")),
    };
    let signals = match Listener::start() {
        Ok(signals) => signals,
        Err(error) => return fail(&error),
    };
    let stop = signals.stop();
    let done = match cli.command.unwrap_or_else(|| Command::Run(Box::new(run::RunArgs::parse_from(["run"]))))
    {
        Command::Run(args) => run::main(*args, started, stop),
        Command::Chaos(args) => chaos::main(&args, started, stop),
        Command::Verify(args) => verify::main(&args, stop),
        Command::Replay(args) => replay::main(&args, stop),
        Command::Fork(args) => fork::main(&args, stop),
        Command::Ask(args) => ask::main(&args, stop),
        Command::Feed(args) => feed::main(args, stop),
        Command::Tail(args) => tail::main(args, stop),
        Command::Top(args) => top::main(&args, stop),
        Command::Watch(args) => watch::main(&args, stop),
        Command::Forest(args) => forest::main(args, stop),
        Command::Doctor(args) => doctor::main(&args),
        Command::Runs(args) => runs::main(&args),
        Command::Inspect(args) => inspect::main(&args),
        Command::Diff(args) => diff::main(&args),
        Command::Plugin(args) => plugin::main(&args),
        Command::Scenarios(args) => Ok(scenarios::main(&args)),
        Command::Schema => Ok(schema::main()),
    };
    done.unwrap_or_else(|error| fail(&error))
}

/// Ends the process as clap would, in the form in which the log was asked for.
fn refuse(error: &clap::Error) -> ! {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let is_json = arguments.iter().any(|argument| argument == "--log-format=json")
        || arguments.windows(2).any(|two| two[0] == "--log-format" && two[1] == "json");
    if error.use_stderr() && is_json {
        log::refuse(&error.to_string());
        std::process::exit(error.exit_code());
    }
    error.exit()
}

/// A variable of the environment, for a config.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Tells of something on stderr.
fn tell(text: &str) {
    log::say(false, text);
}

/// Tells of an error on stderr.
fn complain(error: &str) {
    log::say(true, error);
}

/// Tells of an error, and gives its status.
fn fail(error: &RunError) -> ExitCode {
    complain(&error.to_string());
    ExitCode::from(error.exit_code())
}

/// Says what was wrong, and gives the status of bad usage.
fn usage(error: impl std::fmt::Display) -> ExitCode {
    complain(&error.to_string());
    ExitCode::from(2)
}

/// Who asks a run that is shown: by its URL or its folder, else the newest of `runs/` that is shown, else whoever is where runs are shown.
///
/// # Errors
/// What leads to no run that is shown.
fn client(run: Option<&str>) -> Result<Client, RunError> {
    let token = environment(server::VARIABLE);
    let of = |to: &str| Client::new(to, token.clone());
    let newest = || {
        let mut runs: Vec<_> = std::fs::read_dir("runs").into_iter().flatten().flatten().collect();
        let shown_since = |run: &std::fs::DirEntry| {
            run.path().join(server::FILE).metadata().and_then(|file| file.modified()).ok()
        };
        runs.sort_by_key(shown_since);
        runs.into_iter().rev().find_map(|run| of(run.path().to_str()?).ok())
    };
    let client = match run {
        Some(run) => of(run),
        None => newest().map_or_else(|| of(&Http::default().0), Ok),
    };
    client.map_err(|error| RunError::Usage(error.to_string()))
}

/// Text with nothing in it that a terminal would obey: names may come from anywhere.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            // As JSON has it, for it may be JSON.
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// Writes a text to stdout.
fn put(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(harmless(text).as_bytes()).and_then(|()| out.flush())
}

/// Writes a text to stdout; a reader that has gone away (`| head`) is no error.
fn print(text: &str) -> ExitCode {
    put(text).map_or_else(|error| lost_output(&error), |()| ExitCode::SUCCESS)
}

/// Tells why stdout takes no more, and gives the status.
fn lost_output(error: &std::io::Error) -> ExitCode {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return ExitCode::SUCCESS;
    }
    complain(&format!("stdout: {error}"));
    ExitCode::FAILURE
}

/// A path on the command line. It goes into manifests and summaries, which are JSON.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|path: OsString| {
        let said = |path: OsString| format!("found {path:?}, must be UTF-8: it is written into JSON");
        path.into_string().map(PathBuf::from).map_err(said)
    })
}

/// A whole number of any size.
fn whole(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("found '{text}', must be a whole number of at least 0"))
}

/// How long something may take, seconds.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| format!("found '{text}', must be seconds, 0 to 86400"))
}

/// A stream's name.
fn stream(text: &str) -> Result<String, String> {
    let is_fit = !text.is_empty() && text.len() <= 512 && !text.chars().any(char::is_control);
    is_fit.then(|| text.to_string()).ok_or_else(|| "must be 1 to 512 bytes without control characters".into())
}
