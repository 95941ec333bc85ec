//! Log: what the program says on stderr, as text for people or a JSON object a line for machines.

mod json;
mod repeats;

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

use clap::ValueEnum;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use repeats::Repeats;

/// How it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// A JSON object a line: time, level, target, tick, plugin, block, message
    Json,
}

static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// A log that has been started. Dropped, it tells what it has kept back.
pub(super) struct Log(Repeats);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.tell_all();
    }
}

/// Starts it, with a filter of the form of `--log`, else `RUST_LOG`.
///
/// # Errors
/// A filter that is none.
pub(super) fn start(filter: Option<&str>, format: LogFormat) -> Result<Log, ParseError> {
    _ = FORMAT.set(format);
    let filter: Targets = match filter {
        Some(filter) => targets(filter)?,
        None => std::env::var("RUST_LOG").ok().and_then(|filter| targets(&filter).ok()).unwrap_or_default(),
    };
    // What a filter says nothing of is logged from warnings on: `--log my_plugin=debug` adds to that.
    let default = filter.default_level().unwrap_or(LevelFilter::WARN);
    let repeats = Repeats::default();
    let log = tracing_subscriber::fmt::layer().with_writer(|| Unfailing(std::io::stderr()));
    let log = log.log_internal_errors(false);
    let log = match format {
        LogFormat::Json => log.event_format(json::Line).with_filter(repeats.clone()).boxed(),
        LogFormat::Text => {
            let log = log.without_time().with_target(false).with_ansi(std::io::stderr().is_terminal());
            log.with_filter(repeats.clone()).boxed()
        }
    };
    tracing_subscriber::registry()
        .with(log)
        .with(filter.with_default(default).with_target(repeats::TARGET, LevelFilter::TRACE))
        .init();
    Ok(Log(repeats))
}

/// `level` and `target=level`, with commas between them. Not `EnvFilter`: that brings regular expressions along, for
/// the fields of spans that nobody here has.
fn targets(filter: &str) -> Result<Targets, ParseError> {
    // An empty one would be taken for `error`.
    let given: Vec<&str> =
        filter.split(',').map(str::trim).filter(|directive| !directive.is_empty()).collect();
    if given.is_empty() { Ok(Targets::new()) } else { given.join(",").parse() }
}

/// Whether people read it as it comes: on a terminal, and as text.
pub(super) fn is_for_people() -> bool {
    std::io::stderr().is_terminal() && FORMAT.get() != Some(&LogFormat::Json)
}

/// Says something that is no event: how far it is, or an error that ends it.
pub(super) fn say(is_error: bool, text: &str) {
    let line = match FORMAT.get() {
        Some(LogFormat::Json) => json::line(is_error, text),
        _ => format!("{}{}", if is_error { "error: " } else { "" }, super::harmless(text)),
    };
    _ = writeln!(Unfailing(std::io::stderr()), "{line}");
}

/// Says as JSON what is wrong with a command line, before there is a log.
pub(super) fn refuse(text: &str) {
    _ = FORMAT.set(LogFormat::Json);
    say(true, text.trim_end().trim_start_matches("error: "));
}

/// Stderr that is lost, full or gone, is no reason for a run to end: what can't be written is left out.
struct Unfailing(std::io::Stderr);

impl Write for Unfailing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        _ = self.0.write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        _ = self.0.flush();
        Ok(())
    }
}
