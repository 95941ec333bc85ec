//! `corec ask`: a question to a run, from a terminal.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use corec_plugins::REGISTRY;
use corec_run::RunError;
use corec_run::Stop;
use corec_run::ask::{Ask, ask};

/// Ask a run something: how it is going, what is wrong, what changed, what to do
///
/// Takes the run to its last tick again, in memory, and puts the question to its plugin `communicator` as the stream would. With
/// a key in OPENROUTER_API_KEY (see plugins/communicator/README.md) a language model answers, else the plugin itself.
///
/// Exit status: 0 answered, 1 not in time, 2 bad usage, 129, 130 or 143 interrupted.
#[derive(Args)]
#[command(after_help = "Examples:
  corec ask \"¿cómo va la simulación?\"
  corec ask \"which blocks are anomalous?\" --run runs/0003 --json")]
pub struct AskArgs {
    /// The question, in Spanish or English
    text: String,

    /// How much it matters, 0 to 1
    #[arg(long, value_name = "F", default_value = "0.5", value_parser = parse_value, allow_negative_numbers = true)]
    value: f64,

    /// The run's folder; the newest of runs/ if not given
    #[arg(long, value_name = "DIR", value_parser = super::path())]
    run: Option<PathBuf>,

    /// The plugin that answers
    #[arg(long, value_name = "NAME", default_value = "communicator")]
    plugin: String,

    /// Where its config.json is if the run had it not: DIR/NAME/config.json; `plugins` if not given
    #[arg(long, value_name = "DIR", value_parser = super::path())]
    plugins: Option<PathBuf>,

    /// The stream that the plugin takes questions from
    #[arg(long, value_name = "STREAM", default_value = "user_input_stream")]
    input: String,

    /// The stream that it answers on
    #[arg(long, value_name = "STREAM", default_value = "user_output_stream")]
    output: String,

    /// Seconds to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = clap::value_parser!(u64).range(1..=3600), allow_negative_numbers = true)]
    patience: u64,

    /// Print the answer as it is on the stream, JSON
    #[arg(long)]
    json: bool,
}

/// Asks, and gives the exit status.
///
/// # Errors
/// No answer, and why.
pub fn main(args: &AskArgs, stop: &Stop) -> Result<ExitCode, RunError> {
    let answer = ask(&Ask {
        text: &args.text,
        value: args.value,
        run: args.run.clone(),
        plugin: &args.plugin,
        plugins: args.plugins.as_deref(),
        streams: [&args.input, &args.output],
        patience: Duration::from_secs(args.patience),
        registry: REGISTRY,
        stop,
    })?;
    // What a model says is text from outside: a terminal must not obey it.
    let texto = answer["texto"].as_str().unwrap_or_default();
    let plain: String = texto.chars().filter(|c| !c.is_control() || *c == '\n').collect();
    let code = super::print(&if args.json { format!("{answer}\n") } else { format!("{plain}\n") });
    Ok(if answer["source"] == "error" { ExitCode::from(2) } else { code })
}

fn parse_value(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err(format!("found '{text}', must be within 0..=1")),
    }
}
