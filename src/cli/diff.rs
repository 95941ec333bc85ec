//! `corec diff`: what differs between two snapshots.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use corec_run::RunError;
use corec_run::snapshots::{SnapshotError, diff};
use serde_json::json;

/// Name what differs between two snapshots
///
/// Exit status: 0 the same state, 1 another, 2 a file that can't be read.
#[derive(Args)]
pub struct DiffArgs {
    /// A snapshot's file, or a run's folder for its newest
    #[arg(value_parser = super::path())]
    a: PathBuf,

    /// Another
    #[arg(value_parser = super::path())]
    b: PathBuf,

    /// Print the differences as JSON
    #[arg(long)]
    json: bool,
}

/// Compares them.
///
/// # Errors
/// A snapshot that can't be read.
pub fn main(args: &DiffArgs) -> Result<ExitCode, RunError> {
    let usage = |e: SnapshotError| RunError::Usage(e.to_string());
    let (a, b) = (super::inspect::newest(&args.a)?, super::inspect::newest(&args.b)?);
    let found = diff(&a, &b).map_err(usage)?;
    let mut text = String::new();
    if args.json {
        let list: Vec<_> = found.iter().map(|d| json!({
            "part": d.part, "block": d.row.as_ref().map(|(block, _)| block), "entity": d.row.as_ref().map(|(_, id)| id),
            "rows": d.rows, "a": d.values[0], "b": d.values[1],
        })).collect();
        _ = writeln!(text, "{}", serde_json::Value::from(list));
    } else if found.is_empty() {
        text.push_str("the same state\n");
    }
    for difference in found.iter().filter(|_| !args.json) {
        _ = writeln!(text, "{difference}");
    }
    let code = super::print(&text);
    Ok(if found.is_empty() { code } else { ExitCode::FAILURE })
}
