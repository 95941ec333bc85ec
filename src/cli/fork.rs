//! `corec fork`: two futures from one past.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use corec_systems::fork::{Fork, fork};
use corec_systems::run::{RunError, Summary};
use corec_systems::settings::{grouped, parse_count};
use serde_json::json;

/// Go on from a tick of a run twice: as it was, and with other settings
///
/// Both futures get a folder, and a table says where they have come to.
#[derive(Args)]
#[command(after_help = "Example:
  corec fork runs/0001 --at 500 --set 'blocks[0].load=0.9' --set 'blocks[0].repair=false' --ticks 1000")]
pub struct ForkArgs {
    /// The run's folder
    run: PathBuf,

    /// The tick after which the futures part
    #[arg(long, value_name = "TICK", value_parser = parse_count)]
    at: u64,

    /// What is different in the second future; may be given more than once
    #[arg(long, value_name = "PATH=VALUE", required = true)]
    set: Vec<String>,

    /// The tick to which both go; the scenario's if not given
    #[arg(long, value_name = "N", value_parser = parse_count)]
    ticks: Option<u64>,

    /// Where the two folders go; `fork-TICK` in the run's folder if not given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Print both summaries as JSON
    #[arg(long)]
    json: bool,
}

/// Forks.
pub fn main(args: &ForkArgs) -> ExitCode {
    match try_fork(args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn try_fork(args: &ForkArgs) -> Result<ExitCode, RunError> {
    let signal = super::run::listen()?;
    let out = args.out.clone().unwrap_or_else(|| args.run.join(format!("fork-{}", args.at)));
    if out.exists() {
        return Err(RunError::Usage(format!(
            "--out: {} is there already, must be a new folder",
            out.display()
        )));
    }
    let [same, other] = fork(&Fork {
        run: &args.run,
        at: args.at,
        sets: &args.set,
        ticks: args.ticks,
        out: &out,
        signal: &signal,
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
        .for_each(|error| eprintln!("error: {error}"));
    Ok(if failed { ExitCode::FAILURE } else { code })
}

fn table(same: &Summary, other: &Summary) -> String {
    let fitness = |s: &Summary| s.fitness_end.map_or("none".into(), |fitness| format!("{fitness:.4}"));
    let digest = |s: &Summary| s.state_digest.clone().unwrap_or_default();
    let mut out = format!("{:<14} {:>20} {:>20}\n", "", "same", "fork");
    let rows: [(&str, &dyn Fn(&Summary) -> String); 7] = [
        ("tick", &|s| grouped(s.tick)),
        ("fitness", &fitness),
        ("updates", &|s| grouped(s.entity_updates)),
        ("faults", &|s| grouped(s.faults)),
        ("repairs", &|s| grouped(s.repairs)),
        ("alerts", &|s| grouped(s.alerts)),
        ("digest", &digest),
    ];
    for (name, value) in rows {
        _ = writeln!(out, "{name:<14} {:>20} {:>20}", value(same), value(other));
    }
    _ = writeln!(out, "{:<14} {}\n{:<14} {}", "folders", same.out.display(), "", other.out.display());
    out
}
