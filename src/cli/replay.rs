//! `corec replay`: a run again, from its journal.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use corec_plugins::REGISTRY;
use corec_systems::replay::replay;
use corec_systems::run::RunError;
use corec_systems::settings::parse_count;

/// Run a run again from its journal, and compare every recorded digest
///
/// Needs neither the run's inputs nor any server.
///
/// Exit status: 0 the recorded digests, 1 another one, 2 bad usage.
#[derive(Args)]
pub struct ReplayArgs {
    /// The run's folder
    run: PathBuf,

    /// Stop after so many ticks
    #[arg(long, value_name = "TICK", value_parser = parse_count)]
    to: Option<u64>,

    /// Worker threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,

    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

/// Replays.
pub fn main(args: &ReplayArgs) -> ExitCode {
    match try_replay(args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn try_replay(args: &ReplayArgs) -> Result<ExitCode, RunError> {
    let signal = super::run::listen()?;
    let report = replay(REGISTRY, &args.run, args.to, args.threads, &signal)?;
    let text = if args.json {
        format!("{}\n", serde_json::to_string(&report).expect("a report is text and numbers"))
    } else {
        let ticks = format!("{} ticks, {:.1} a second", report.tick, report.ticks_per_second);
        match &report.differs {
            None => format!(
                "{ticks}: {} recorded digests, all the same; the last is {}\n",
                report.same, report.digest
            ),
            Some((tick, recorded, found)) => {
                format!("{ticks}: at tick {tick} found the digest {found}, recorded was {recorded}\n")
            }
        }
    };
    let code = super::print(&text);
    Ok(if report.differs.is_some() { ExitCode::FAILURE } else { code })
}
