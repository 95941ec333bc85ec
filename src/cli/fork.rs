//! `corec fork`: two futures from one past.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use corec_plugins::REGISTRY;
use corec_run::Stop;
use corec_run::fork::{Fork, fork};
use corec_run::settings::{grouped, parse_count};
use corec_run::{RunError, Summary};
use serde_json::json;

/// Go on from a tick of a run twice: as it was, and with other settings
///
/// Both futures get a folder, and a table says where they have come to.
///
/// Exit status: 0 done, 1 a future failed, 2 bad usage, 129, 130 or 143 interrupted, with nothing to compare.
#[derive(Args)]
#[command(after_help = "Examples:
  corec fork runs/0001 --at 500 --set 'blocks[0].load=0.9' --set 'blocks[0].repair=false' --ticks 1000
  corec fork runs/0001 --at 500 --set plugins.alerts.rules=[]      a plugin's own key, in its config.json or at its default")]
pub struct ForkArgs {
    /// The run's folder
    #[arg(value_parser = super::path())]
    run: PathBuf,

    /// The tick after which the futures part
    #[arg(long, value_name = "TICK", value_parser = parse_count, allow_negative_numbers = true)]
    at: u64,

    /// What is different in the second future; may be given more than once
    #[arg(long, value_name = "PATH=VALUE", required = true)]
    set: Vec<String>,

    /// The tick to which both go; the scenario's if not given
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    ticks: Option<u64>,

    /// Where the two folders go; `fork-TICK` in the run's folder if not given
    #[arg(long, value_name = "DIR", value_parser = super::path())]
    out: Option<PathBuf>,

    /// Print both summaries as JSON
    #[arg(long)]
    json: bool,
}

/// Forks.
///
/// # Errors
/// What the fork says.
pub fn main(args: &ForkArgs, stop: &Stop) -> Result<ExitCode, RunError> {
    let out = args.out.clone().unwrap_or_else(|| args.run.join(format!("fork-{}", args.at)));
    let [same, other] = fork(&Fork {
        run: &args.run,
        at: args.at,
        sets: &args.set,
        ticks: args.ticks,
        out: &out,
        registry: REGISTRY,
        stop,
    })?;
    let text = if args.json {
        format!("{}\n", json!({ "same": same, "fork": other }))
    } else {
        table(&same, &other)
    };
    let code = super::print(&text);
    let failed = [&same, &other].iter().any(|summary| summary.error.is_some());
    [same, other]
        .iter()
        .filter_map(|summary| summary.error.as_ref())
        .for_each(|error| super::complain(error));
    Ok(if failed { ExitCode::FAILURE } else { code })
}

fn table(same: &Summary, other: &Summary) -> String {
    let values = |s: &Summary| {
        let fitness = s.fitness_end.map_or("none".into(), |fitness| format!("{fitness:.4}"));
        let counts = [s.entity_updates, s.faults, s.repairs, s.alerts].map(grouped);
        let [updates, faults, repairs, alerts] = counts;
        [
            grouped(s.tick),
            fitness,
            updates,
            faults,
            repairs,
            alerts,
            s.state_digest.clone().unwrap_or_default(),
        ]
    };
    let names = ["tick", "fitness", "updates", "faults", "repairs", "alerts", "digest"];
    let mut out = format!("{:<14} {:>20} {:>20}\n", "", "same", "fork");
    for ((name, same), other) in names.iter().zip(values(same)).zip(values(other)) {
        _ = writeln!(out, "{name:<14} {same:>20} {other:>20}");
    }
    _ = writeln!(out, "{:<14} {}\n{:<14} {}", "folders", same.out.display(), "", other.out.display());
    out
}
