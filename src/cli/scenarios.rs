//! `corec scenarios`: what comes with CoreC.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use corec_run::scenarios::BUILT_IN;

/// List the built-in scenarios
#[derive(Args)]
pub struct ScenariosArgs {
    /// Print the JSON of one of them, to start your own from
    #[arg(value_name = "NAME", value_parser = BUILT_IN.iter().map(|b| b.name).collect::<Vec<_>>())]
    show: Option<String>,

    /// Print the list as JSON
    #[arg(long, conflicts_with = "show")]
    json: bool,
}

/// Lists them.
pub fn main(args: &ScenariosArgs) -> ExitCode {
    if let Some(built_in) = BUILT_IN.iter().find(|b| Some(b.name) == args.show.as_deref()) {
        return super::print(built_in.text);
    }
    if args.json {
        let list: Vec<_> =
            BUILT_IN.iter().map(|b| serde_json::json!({ "name": b.name, "about": b.about })).collect();
        return super::print(&format!("{}\n", serde_json::Value::Array(list)));
    }
    let mut out = String::new();
    for built_in in BUILT_IN {
        _ = writeln!(out, "{:<12} {}", built_in.name, built_in.about);
    }
    super::print(&out)
}
