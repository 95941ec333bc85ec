//! `corec runs`: the runs of a folder.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use corec_systems::run::manifest::Manifest;
use corec_systems::settings::grouped;
use serde_json::json;

/// List the runs of a folder
///
/// A run that is still "running" though no process runs it was killed: `corec run --restore RUN` goes on from its last
/// snapshot.
#[derive(Args)]
pub struct RunsArgs {
    /// The folder that holds the runs' folders
    #[arg(default_value = "runs")]
    folder: PathBuf,

    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

/// Lists them.
pub fn main(args: &RunsArgs) -> ExitCode {
    let entries = match std::fs::read_dir(&args.folder) {
        Ok(entries) => entries,
        Err(error) => return super::usage(format!("{}: {error}", args.folder.display())),
    };
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    let runs = folders.iter().filter_map(|folder| Some((folder, Manifest::read(folder).ok()?)));
    let (mut text, mut list) = (String::new(), Vec::new());
    _ = writeln!(
        text,
        "{:<24} {:<12} {:<12} {:>12} {:>9} {:<16}",
        "run", "status", "scenario", "tick", "seconds", "digest"
    );
    for (folder, m) in runs {
        let digest = m.digests.last().map_or("", |(_, digest)| digest);
        let status = format!("{:?}", m.status).to_lowercase();
        let (run, tick) = (folder.display().to_string(), grouped(m.tick));
        _ = writeln!(
            text,
            "{run:<24} {status:<12} {:<12} {tick:>12} {:>9.2} {digest:<16}",
            m.scenario, m.seconds
        );
        list.push(json!({
            "run": run, "status": status, "scenario": m.scenario, "seed": m.seed, "epoch": m.epoch, "tick": m.tick,
            "seconds": m.seconds, "digest": digest,
        }));
    }
    super::print(&if args.json { format!("{}\n", serde_json::Value::from(list)) } else { text })
}
