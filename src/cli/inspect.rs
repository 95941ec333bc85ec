//! `corec inspect`: what is in a snapshot or a journal.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use corec_run::RunError;
use corec_run::manifest::FILE;
use corec_run::recorded::RecordedRun;
use corec_run::settings::{counted, grouped};
use corec_run::snapshots::summary;
use corec_run::snapshots::{Part, Snapshot, SnapshotError, latest};
use serde_json::{Value, json};

/// Show what is in a snapshot (run, kinds, columns, blocks, resources, first rows) or in a journal (records by what they are)
#[derive(Args)]
pub struct InspectArgs {
    /// A snapshot's file, a folder of them or a run's folder for the newest; a journal's folder
    #[arg(value_parser = super::path())]
    file: PathBuf,

    /// Rows to show of each kind, in hexadecimal
    #[arg(long, value_name = "N", default_value = "3")]
    rows: usize,

    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Shows it.
///
/// # Errors
/// A file that can't be read.
pub fn main(args: &InspectArgs) -> Result<ExitCode, RunError> {
    if args.file.join("00000001.log").is_file() {
        return journal(args);
    }
    let snapshot = newest(&args.file)?;
    let facts = facts(&snapshot, args.rows).map_err(|e| RunError::Usage(e.to_string()))?;
    Ok(super::print(&if args.json { format!("{facts}\n") } else { text(&snapshot, &facts) }))
}

/// A snapshot: a file, the newest whole one of a folder, or of a run.
///
/// # Errors
/// No snapshot that is whole.
pub(super) fn newest(path: &Path) -> Result<Snapshot, RunError> {
    if path.join(FILE).is_file() {
        let run = RecordedRun::open(path)?;
        if run.is_going_on() {
            super::tell(&format!("{}: is still going on: shown is what is on disk now", path.display()));
        }
        let found = run.snapshot(u64::MAX, run.extent()?.as_ref());
        return found.ok_or_else(|| {
            RunError::Usage(format!("{}: found no whole snapshot, must hold one", run.snapshots().display()))
        });
    }
    latest(path).map(|(snapshot, _)| snapshot).map_err(|e| RunError::Usage(e.to_string()))
}

fn journal(args: &InspectArgs) -> Result<ExitCode, RunError> {
    let summary = summary(&args.file).map_err(|e| RunError::Usage(e.to_string()))?;
    if args.json {
        return Ok(super::print(&format!("{}\n", json!(summary))));
    }
    let mut out = format!("{}\n", args.file.display());
    for what in &summary.inputs {
        let (name, records, bytes) = (&what.input, grouped(what.records), grouped(what.bytes));
        _ = writeln!(
            out,
            "{name:<10} {records:>12} records of ticks {}..={}, {bytes} bytes",
            what.tick_first, what.tick_last
        );
    }
    _ = writeln!(
        out,
        "{} bytes on disk, {} of them a torn tail",
        grouped(summary.file_bytes),
        summary.torn_bytes
    );
    Ok(super::print(&out))
}

fn facts(snapshot: &Snapshot, rows: usize) -> Result<Value, SnapshotError> {
    let head = snapshot.head();
    let packed = |is_it: &dyn Fn(&Part) -> bool| {
        snapshot.frames().iter().filter(|frame| is_it(&frame.part)).map(|frame| frame.bytes).sum::<u64>()
    };
    let mut kinds = Vec::new();
    for (k, kind) in head.kinds.iter().enumerate() {
        let columns: Vec<Vec<u8>> =
            (0..kind.columns.len()).map(|c| snapshot.column(k, c)).collect::<Result<_, _>>()?;
        let row = |row: usize| -> Value {
            let value = |(bytes, (name, size)): (&Vec<u8>, &(String, u32))| {
                let size = *size as usize;
                let hex: String =
                    bytes[row * size..(row + 1) * size].iter().map(|byte| format!("{byte:02x}")).collect();
                (name.clone(), Value::from(hex))
            };
            columns.iter().zip(&kind.columns).map(value).collect::<serde_json::Map<_, _>>().into()
        };
        let of_column = |c: usize| {
            packed(&|part| matches!(part, Part::Column(k_, c_, _) if (*k_ as usize, *c_ as usize) == (k, c)))
        };
        kinds.push(json!({
            "kind": kind.name, "recycled": kind.recycled, "rows": kind.live(), "blocks": kind.blocks.len(),
            "columns": kind.columns.iter().enumerate().map(|(c, (name, size))| json!({
                "column": name, "bytes": size, "packed_bytes": of_column(c),
            })).collect::<Vec<_>>(),
            "first_rows": (0..rows.min(kind.live() as usize)).map(row).collect::<Vec<_>>(),
        }));
    }
    let resources = snapshot.frames().iter().filter_map(|frame| match &frame.part {
        Part::Resource(name) => {
            Some(json!({ "resource": name, "bytes": frame.raw_bytes, "packed_bytes": frame.bytes }))
        }
        Part::Column(..) => None,
    });
    Ok(json!({
        "file": snapshot.path(), "id": head.id, "run": head.run, "epoch": head.epoch, "tick": head.tick, "next_id": head.next_id,
        "digest": format!("{:016x}", head.digest), "journal_sequence": head.journal_sequence, "kinds": kinds,
        "resources": resources.collect::<Vec<_>>(),
        "scenario": serde_json::from_str::<Value>(&head.scenario).unwrap_or_default(),
    }))
}

fn text(snapshot: &Snapshot, facts: &Value) -> String {
    let (head, mut out) = (snapshot.head(), String::new());
    _ = writeln!(out, "{}", snapshot.path().display());
    _ = writeln!(
        out,
        "tick {}, epoch {}, digest {:016x}, of run {}",
        grouped(head.tick),
        head.epoch,
        head.digest,
        head.run
    );
    for kind in facts["kinds"].as_array().into_iter().flatten() {
        let count = |key: &str, thing| counted(kind[key].as_u64().unwrap_or(0), thing);
        let (rows, blocks) = (count("rows", "row"), count("blocks", "block"));
        _ = writeln!(out, "\nkind {}: {rows} in {blocks}", kind["kind"].as_str().unwrap_or(""));
        for column in kind["columns"].as_array().into_iter().flatten() {
            let (name, packed) =
                (column["column"].as_str().unwrap_or(""), column["packed_bytes"].as_u64().unwrap_or(0));
            _ = writeln!(
                out,
                "  {name:<16} {:>5} bytes a row, {:>9.1} kB packed",
                column["bytes"],
                packed as f64 / 1e3
            );
        }
        for row in kind["first_rows"].as_array().into_iter().flatten() {
            _ = writeln!(out, "  {row}");
        }
    }
    for resource in facts["resources"].as_array().into_iter().flatten() {
        let (name, bytes) = (resource["resource"].as_str().unwrap_or(""), &resource["bytes"]);
        _ = writeln!(out, "\nresource {name}: {bytes} bytes, {} packed", resource["packed_bytes"]);
    }
    out
}
