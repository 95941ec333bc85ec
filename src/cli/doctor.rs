//! `corec doctor`: what a run would stand on.

use std::process::ExitCode;

use clap::Args;
use corec_plugins::REGISTRY;
use corec_run::RunError;
use corec_run::doctor::{Checkup, Finding, examine};
use serde_json::json;

/// Look whether bus, store and machine are fit for a run
///
/// A line for each thing: `ok` or `FIX`, what was found, and what to change. Nothing is started or left behind; no password is printed.
///
/// Exit status: 0 all is well, 1 something would hurt, 2 bad usage.
#[derive(Args)]
#[command(after_help = "Examples:
  corec doctor                                              the machine alone
  corec doctor --bus redis://localhost:6379                 a Redis server: version, rights, memory, persistence
  corec doctor mine.json --store postgres://ana:PASSWORD@db/runs
  corec doctor mine.json --json | jq '.findings[] | select(.is_ok | not)'")]
pub struct DoctorArgs {
    /// A built-in scenario or a JSON file: its bus, store, input stream and memory; the URLs alone if not given
    scenario: Option<String>,

    /// The bus, in place of the scenario's
    #[arg(long, value_name = "URL")]
    bus: Option<String>,

    /// The store, in place of the scenario's
    #[arg(long, value_name = "URL")]
    store: Option<String>,

    /// Print what was found as one JSON object
    #[arg(long)]
    json: bool,
}

/// Looks, and gives the exit status.
///
/// # Errors
/// What was asked wrongly.
pub fn main(args: &DoctorArgs) -> Result<ExitCode, RunError> {
    let findings = examine(&Checkup {
        scenario: args.scenario.as_deref(),
        bus: args.bus.as_deref(),
        store: args.store.as_deref(),
        registry: REGISTRY,
        lookup: &super::environment,
    })?;
    let is_well = findings.iter().all(|finding| finding.is_ok);
    let text = if args.json {
        format!("{}\n", json!({ "is_ok": is_well, "findings": findings }))
    } else {
        findings.iter().map(line).collect()
    };
    let code = super::print(&text);
    Ok(if is_well { code } else { ExitCode::FAILURE })
}

fn line(Finding { what, is_ok, text }: &Finding) -> String {
    format!("{:<4} {what}: {text}\n", if *is_ok { "ok" } else { "FIX" })
}
