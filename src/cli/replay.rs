//! `corec replay`: a run again, from its journal.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use corec_plugins::REGISTRY;
use corec_run::RunError;
use corec_run::Stop;
use corec_run::recorded::RecordedRun;
use corec_run::replay::{Replay, ReplayReport};
use corec_run::settings::parse_count;

/// Run a run again from its journal, and compare every recorded digest
///
/// Needs neither the run's inputs nor any server.
///
/// Exit status: 0 the recorded digests, 1 another one, 2 bad usage, 129, 130 or 143 interrupted.
#[derive(Args)]
pub struct ReplayArgs {
    /// The run's folder
    #[arg(value_parser = super::path())]
    run: PathBuf,

    /// Stop after so many ticks
    #[arg(long, value_name = "TICK", value_parser = parse_count, allow_negative_numbers = true)]
    to: Option<u64>,

    /// Worker threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024), allow_negative_numbers = true)]
    threads: Option<u32>,

    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

/// Replays.
///
/// # Errors
/// What the replay says.
pub fn main(args: &ReplayArgs, stop: &Stop) -> Result<ExitCode, RunError> {
    let run = RecordedRun::open(&args.run)?;
    if run.is_going_on() {
        super::tell(&format!("{}: is still going on: replayed is what is on disk now", args.run.display()));
    }
    let replay = Replay { run: &run, registry: REGISTRY, to: args.to, threads: args.threads, stop };
    let report = replay.run()?;
    let text = if args.json {
        format!("{}\n", serde_json::to_string(&report).expect("a report is text and numbers"))
    } else {
        text(&report)
    };
    let code = super::print(&text);
    Ok(if report.differs.is_some() { ExitCode::FAILURE } else { code })
}

fn text(report: &ReplayReport) -> String {
    let rate = report.ticks_per_second.map(|rate| format!(", {rate:.1} a second")).unwrap_or_default();
    let ticks = format!("{} ticks{rate}", report.tick);
    match (&report.differs, report.same) {
        (None, 0) => {
            format!(
                "{ticks}: no digest was recorded up to there, so none was compared; the last is {}\n",
                report.digest
            )
        }
        (None, same) => {
            format!("{ticks}: {same} recorded digests, all the same; the last is {}\n", report.digest)
        }
        (Some((tick, recorded, found)), _) => {
            let what = if report.is_said { "output digest" } else { "digest" };
            format!("{ticks}: at tick {tick} found the {what} {found}, recorded was {recorded}\n")
        }
    }
}
