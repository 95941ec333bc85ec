//! `corec diff`: what differs between two snapshots.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use corec_systems::snapshots::{Snapshot, diff};
use serde_json::json;

/// Name what differs between two snapshots
///
/// Exit status: 0 the same state, 1 another, 2 a file that can't be read.
#[derive(Args)]
pub struct DiffArgs {
    /// A snapshot's file
    a: PathBuf,

    /// Another
    b: PathBuf,

    /// Print the differences as JSON
    #[arg(long)]
    json: bool,
}

/// Compares them.
pub fn main(args: &DiffArgs) -> ExitCode {
    let open = |path| Snapshot::open(path).and_then(|snapshot| snapshot.verify().map(|()| snapshot));
    let found = open(&args.a).and_then(|a| open(&args.b).and_then(|b| diff(&a, &b)));
    let found = match found {
        Ok(found) => found,
        Err(error) => return super::usage(error),
    };
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
    if found.is_empty() { code } else { ExitCode::FAILURE }
}
