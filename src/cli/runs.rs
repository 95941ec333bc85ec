//! `corec runs`: the runs of a folder.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use corec_run::manifest::{FILE, Status};
use corec_run::recorded::RecordedRun;
use corec_run::settings::grouped;
use corec_run::{JOURNAL, RunError};
use serde_json::{Value, json};

/// List the runs of a folder
///
/// A run that is "killed" goes on from its last snapshot with `corec run --restore RUN`. What can't be read is listed with the reason.
#[derive(Args)]
pub struct RunsArgs {
    /// The folder that holds the runs' folders
    #[arg(default_value = "runs", value_parser = super::path())]
    folder: PathBuf,

    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

/// Lists them.
///
/// # Errors
/// A folder that can't be read.
pub fn main(args: &RunsArgs) -> Result<ExitCode, RunError> {
    let fail = |e: std::io::Error| RunError::Usage(format!("{}: {e}", args.folder.display()));
    let entries = std::fs::read_dir(&args.folder).map_err(fail)?;
    let mut folders: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_run(path)).collect();
    folders.sort_by_cached_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Those with a number by it, before those with a name.
        (name.parse::<u64>().unwrap_or(u64::MAX), name)
    });
    let (mut text, mut list) = (String::new(), Vec::new());
    _ = writeln!(
        text,
        "{:<24} {:<12} {:<12} {:>12} {:>9} {:<16}",
        "run", "status", "scenario", "tick", "seconds", "digest"
    );
    for folder in folders {
        let run = folder.display().to_string();
        let facts = match RecordedRun::open(&folder) {
            Ok(recorded) => facts(&run, &recorded),
            Err(error) => json!({ "run": run, "status": "unreadable", "error": error.to_string() }),
        };
        _ = writeln!(text, "{}", line(&facts));
        list.push(facts);
    }
    Ok(super::print(&if args.json { format!("{}\n", Value::from(list)) } else { text }))
}

/// Whether there is, or should be, a run in a folder.
fn is_run(folder: &Path) -> bool {
    folder.join(FILE).exists() || folder.join(JOURNAL).is_dir()
}

fn facts(run: &str, recorded: &RecordedRun) -> Value {
    let m = recorded.manifest();
    let status = match m.status {
        Status::Running if recorded.is_going_on() => "running".into(),
        Status::Running => "killed".into(),
        // It is what it was, until the process that goes on with it says otherwise.
        other => format!("{other:?}").to_lowercase(),
    };
    let digest = m.digest.as_ref().map_or("", |(_, digest)| digest);
    json!({
        "run": run, "id": m.id, "status": status, "scenario": m.scenario, "seed": m.seed, "epoch": m.epoch, "tick": m.tick,
        "seconds": m.seconds, "digest": digest, "digests": m.digest_count,
    })
}

fn line(facts: &Value) -> String {
    let text = |key: &str| facts[key].as_str().unwrap_or_default();
    let (run, status) = (text("run"), text("status"));
    if let Some(error) = facts["error"].as_str() {
        return format!("{run:<24} {status:<12} {error}");
    }
    let (tick, seconds) =
        (grouped(facts["tick"].as_u64().unwrap_or(0)), facts["seconds"].as_f64().unwrap_or(0.0));
    let (scenario, digest) = (text("scenario"), text("digest"));
    format!("{run:<24} {status:<12} {scenario:<12} {tick:>12} {seconds:>9.2} {digest:<16}")
}
