//! `corec plugin`: list, check, new, sync.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use corec_plugins::REGISTRY;
use corec_run::RunError;
use corec_run::plugins::{About, Finding, Tree, about};
use serde_json::json;

/// Plugins: what is there, whether it is right, a new one
#[derive(Args)]
#[command(after_help = "A new plugin, from nothing to a run:
  corec plugin new my_plugin                    writes plugins/my_plugin and names it in the registry
  cargo test -p my_plugin                       its own test
  cargo run --release -- run --plugins plugins  a run with it")]
pub struct PluginArgs {
    #[command(subcommand)]
    command: Command,
}

const LINT_HELP: &str = "--lint goes by names and knows no types. A line that is fine says so, on it or above it:
  // lint: allow(local) room that is used again, and no state
What a test can find, and what only this can: the table of slips in docs/plugin-guide.md. `corec verify` runs the test.";

#[derive(Subcommand)]
enum Command {
    /// List the plugins that this program was built with and those of a folder
    List {
        /// The folder with NAME/config.json
        #[arg(long, value_name = "DIR", default_value = "plugins", value_parser = super::path())]
        plugins: PathBuf,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Check the config.json of a plugin's folder, or of every plugin in a folder; exit status 2 if one is wrong
    #[command(after_help = LINT_HELP)]
    Check {
        /// A plugin's folder, or one with several
        #[arg(value_parser = super::path())]
        dir: PathBuf,
        /// Look at the source instead, of a crate of this tree or of any other; exit status 1 if something is found
        #[arg(long)]
        lint: bool,
        /// Print what was found as a JSON array
        #[arg(long, requires = "lint")]
        json: bool,
    },
    /// Write a new plugin that builds, runs and passes its test at once
    New {
        /// Its name: a-z, 0-9 and '_'
        name: String,
    },
    /// Write the registry of plugins/ (Cargo.toml and src/lib.rs) anew
    Sync {
        /// Only say whether it is current: exit status 1 if not
        #[arg(long)]
        check: bool,
    },
}

/// Does it, and gives the exit status.
///
/// # Errors
/// What was wrong.
pub fn main(args: &PluginArgs) -> Result<ExitCode, RunError> {
    match &args.command {
        Command::List { plugins, json } => list(plugins, *json),
        Command::Check { dir, lint: true, json } => lint(dir, *json),
        Command::Check { dir, .. } => check(dir),
        Command::New { name } => new(name),
        Command::Sync { check } => sync(*check),
    }
}

fn list(folder: &Path, is_json: bool) -> Result<ExitCode, RunError> {
    let plugins = about(folder, REGISTRY, &super::environment)?;
    if is_json {
        return Ok(super::print(&format!("{}\n", json!(plugins))));
    }
    let width = plugins.iter().map(|plugin| plugin.name.len()).max().unwrap_or(0).max(4);
    let mut text = format!(
        "{:<width$}  {:<9}  {:>7}  {:>9}  {:>7}  source\n",
        "name", "state", "channel", "entities", "systems"
    );
    for plugin in &plugins {
        let or_dash = |number: Option<u64>| number.map_or("-".into(), |number| number.to_string());
        let channel = plugin.channel.map_or("-".into(), |channel| channel.to_string());
        let (entities, systems) = (or_dash(plugin.entities), or_dash(plugin.systems));
        let name = &plugin.name;
        let source = plugin.source.as_deref().unwrap_or("no config.json in this folder");
        _ = writeln!(
            text,
            "{name:<width$}  {:<9}  {channel:>7}  {entities:>9}  {systems:>7}  {source}",
            state(plugin)
        );
    }
    Ok(super::print(&text))
}

fn state(plugin: &About) -> &'static str {
    match (plugin.is_built_in, plugin.enabled) {
        (false, _) => "not built",
        (true, Some(true)) => "enabled",
        (true, Some(false)) => "disabled",
        (true, None) => "-",
    }
}

fn check(dir: &Path) -> Result<ExitCode, RunError> {
    let checked = corec_run::plugins::check(dir, REGISTRY, &super::environment)?;
    let lines: Vec<String> =
        checked.iter().map(|(name, source)| format!("{source}: {name}: fine\n")).collect();
    Ok(super::print(&lines.concat()))
}

fn lint(dir: &Path, is_json: bool) -> Result<ExitCode, RunError> {
    let found = corec_run::plugins::lint(dir)?;
    let text = if is_json {
        let one = |finding: &Finding| {
            json!({
                "file": finding.file, "line": finding.line, "column": finding.column, "rule": finding.rule.name(),
                "what": finding.what, "advice": finding.rule.advice(),
            })
        };
        format!("{}\n", json!(found.iter().map(one).collect::<Vec<_>>()))
    } else {
        let lines: Vec<String> = found.iter().map(|finding| format!("{finding}\n")).collect();
        let count = match found.len() {
            0 => format!("{}: nothing found\n", dir.display()),
            n => format!(
                "{n} found; a line that is fine says so: // lint: allow({}) why\n",
                found[0].rule.name()
            ),
        };
        lines.concat() + &count
    };
    let code = super::print(&text);
    Ok(if found.is_empty() { code } else { ExitCode::FAILURE })
}

fn new(name: &str) -> Result<ExitCode, RunError> {
    let tree = Tree::around(Path::new("."))?;
    let folder = tree.create(name)?;
    Ok(super::print(&format!(
        "{}: written, and named in the registry. Next:\n  cargo test -p {name}\n  cargo run --release -- run --plugins {}\n",
        folder.display(),
        tree.folder().display()
    )))
}

fn sync(is_check: bool) -> Result<ExitCode, RunError> {
    let tree = Tree::around(Path::new("."))?;
    if !is_check {
        let written = tree.sync()?;
        let lines: Vec<String> =
            written.iter().map(|path| format!("{}: written\n", path.display())).collect();
        return Ok(super::print(
            if lines.is_empty() { "the registry is current\n".into() } else { lines.concat() }.as_str(),
        ));
    }
    let stale = tree.stale()?;
    for (path, _) in &stale {
        super::complain(&format!(
            "{}: is not current, must be as `corec plugin sync` writes it",
            path.display()
        ));
    }
    Ok(if stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
