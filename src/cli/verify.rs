//! `corec verify`: the same bits at every thread count, and across kills and restores.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use clap::Args;
use corec_plugins::REGISTRY;
use corec_systems::plugins::PluginSet;
use corec_systems::prelude::{Draws, Scenario, rng};
use corec_systems::run::RunError;
use corec_systems::run::manifest::Manifest;
use corec_systems::scenarios::{find, scale};
use corec_systems::settings::{load, parse_count};
use corec_systems::verify::{Again, Digests};
use serde_json::{Value, json};

/// Run a scenario at several thread counts, killed and restored, and compare every digest
///
/// Prints one digest, or the first tick, column, block and entity that differ.
///
/// Exit status: 0 the same bits, 1 others, 2 bad usage.
#[derive(Args)]
#[command(after_help = "Examples:
  corec verify ecosystem --entities 100k --ticks 100 --threads 1,2,8 --kill
  corec verify runs/0001                          against the digests that a run has recorded")]
pub struct VerifyArgs {
    /// A run's folder, a built-in scenario or a JSON file
    #[arg(default_value = "ecosystem")]
    what: String,

    /// Entities in all
    #[arg(long, value_name = "N", value_parser = parse_count)]
    entities: Option<u64>,

    /// Ticks
    #[arg(long, value_name = "N", value_parser = parse_count)]
    ticks: Option<u64>,

    /// Seed of every random draw
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Thread counts to compare
    #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "1,2,8",
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Vec<u32>,

    /// Load every enabled plugin of this folder; what the scenario names if not given
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,

    /// Also kill the run (SIGKILL) at random ticks, and restore it each time
    #[arg(long, value_name = "TIMES", num_args = 0..=1, default_missing_value = "3")]
    kill: Option<u32>,

    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

/// Verifies.
pub fn main(args: &VerifyArgs) -> ExitCode {
    match verify(args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn verify(args: &VerifyArgs) -> Result<ExitCode, RunError> {
    let signal = super::run::listen()?;
    let (scenario, manifest) = what(args)?;
    let input = manifest.as_ref().and_then(|m| m.input.clone());
    let recorded: Digests = manifest.iter().flat_map(|m| &m.digests).filter_map(parse_digest).collect();
    let interval = recorded.first().map_or(10, |(tick, _)| (*tick).max(1));
    let ticks =
        args.ticks.or(manifest.as_ref().map(|m| m.tick).filter(|tick| *tick > 0)).unwrap_or(scenario.ticks);
    let plugins = match &manifest {
        Some(manifest) => PluginSet::recorded(&manifest.plugins, REGISTRY, &super::environment)?,
        None => {
            let beside = Path::new(&args.what).parent();
            PluginSet::find(&scenario, args.plugins.as_deref(), beside, REGISTRY, &super::environment)?
        }
    };
    let plugins = plugins.read_only();
    let app = |scenario: &mut Scenario| plugins.app(scenario);
    let again = Again { scenario, input: input.as_deref(), ticks, interval, app: &app, signal: &signal };

    let mut found = vec![("recorded".to_string(), recorded)];
    for &threads in &args.threads {
        let (start, name) = (now(), format!("threads {threads}"));
        eprint!("{name}: {ticks} ticks .. ");
        let digests = again.run(threads, &mut |_| {})?;
        eprintln!("{} in {:.2} s", last(&digests), start.elapsed().as_secs_f64());
        found.push((name, digests));
    }
    if let Some(times) = args.kill {
        found.push(kill_and_restore(args, &again, times)?);
    }
    let reference = &found[1].1;
    let odd = found.iter().find(|(name, digests)| {
        let mut shared = digests.iter().filter(|(tick, _)| *tick <= ticks);
        let is_same = shared.all(|digest| reference.contains(digest));
        !is_same || (name != "recorded" && digests.last() != reference.last())
    });
    let mut report =
        json!({ "same": odd.is_none(), "digest": last(reference), "tick": reference.last().map(|d| d.0) });
    let mut text = format!("the same bits: {}\n", last(reference));
    if let Some((name, digests)) = odd {
        let first = digests.iter().find(|digest| !reference.contains(digest)).map_or(0, |(tick, _)| *tick);
        text = format!(
            "not the same bits: {} differs from {} at tick {first} or within the {interval} before it\n",
            name, found[1].0
        );
        (report["differs"], report["recorded_tick"]) = (json!(name), json!(first));
        let threads = name.strip_prefix("threads ").and_then(|n| n.parse().ok());
        if let Some(parting) =
            threads.and_then(|n| again.part([args.threads[0], n]).transpose()).transpose()?
        {
            _ = writeln!(text, "the first tick that differs: {}", parting.tick);
            parting.differences.iter().for_each(|d| _ = writeln!(text, "  {d}"));
            let list: Vec<String> = parting.differences.iter().map(ToString::to_string).collect();
            (report["tick"], report["differences"]) = (json!(parting.tick), json!(list));
        }
    }
    let code = super::print(&if args.json { format!("{report}\n") } else { text });
    Ok(if odd.is_none() { code } else { ExitCode::FAILURE })
}

/// The scenario to verify, and the manifest if it is that of a run.
fn what(args: &VerifyArgs) -> Result<(Scenario, Option<Manifest>), RunError> {
    let environment = super::environment;
    let folder = Path::new(&args.what);
    if folder.join("manifest.json").is_file() {
        if args.entities.is_some() || args.seed.is_some() {
            return Err(RunError::Usage(
                "--entities and --seed: a run's own are taken, must not be given with a run".into(),
            ));
        }
        let manifest = Manifest::read(folder).map_err(RunError::Usage)?;
        let settings = manifest.settings.to_string();
        return Ok((load(&args.what, &settings, &environment)?.scenario, Some(manifest)));
    }
    let mut scenario = find(&args.what, &environment)?.scenario;
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    if let Some(total) = args.entities {
        scale(&mut scenario, total).map_err(RunError::Usage)?;
    }
    Ok((scenario, None))
}

/// Runs it as a process that is killed so many times, each time at a tick that the seed decides, and restored from what is there.
fn kill_and_restore(args: &VerifyArgs, again: &Again, times: u32) -> Result<(String, Digests), RunError> {
    let folder = std::env::temp_dir().join(format!("corec-verify-kill-{}", std::process::id()));
    let done = kill_in(&folder, args, again, times);
    _ = std::fs::remove_dir_all(&folder);
    done
}

fn kill_in(
    folder: &Path,
    args: &VerifyArgs,
    again: &Again,
    times: u32,
) -> Result<(String, Digests), RunError> {
    let failed = |what: String| RunError::Failed(format!("--kill: {what}"));
    std::fs::create_dir_all(folder).map_err(|e| failed(e.to_string()))?;
    let scenario = folder.join("scenario.json");
    let text = serde_json::to_vec(&again.scenario).map_err(|e| failed(e.to_string()))?;
    std::fs::write(&scenario, text).map_err(|e| failed(e.to_string()))?;
    let draws = Draws::new(again.scenario.seed, "verify");
    let mut kills: Vec<u64> = (0..times)
        .map(|i| {
            1 + u64::from(rng::below(
                draws.words(u64::from(i), 0, 0)[0],
                again.ticks.min(u64::from(u32::MAX)) as u32,
            ))
        })
        .collect();
    kills.sort_unstable();
    let (out, ticks) = (folder.join("run"), again.ticks.to_string());
    let every = (again.ticks / 10).max(1).to_string();
    for kill in kills.iter().map(Some).chain([None]) {
        let program = std::env::current_exe().map_err(|e| failed(e.to_string()))?;
        let mut command = Command::new(program);
        command.arg("run").args([
            "--ticks",
            &ticks,
            "--snapshot-interval",
            &every,
            "--quiet",
            "--plugins-read-only",
        ]);
        command.args(["--threads", &args.threads[args.threads.len() - 1].to_string()]);
        if let Some(input) = again.input {
            command.arg("--input").arg(input);
        }
        if let Some(plugins) = args.plugins.as_ref().filter(|_| !has_snapshot(&out)) {
            command.arg("--plugins").arg(plugins);
        }
        if has_snapshot(&out) {
            command.arg("--restore").arg(&out);
        } else {
            _ = std::fs::remove_dir_all(&out);
            command.arg(&scenario).arg("--out").arg(&out);
        }
        if let Some(tick) = kill {
            eprintln!("killed at tick {tick}");
            command.args(["--kill-at", &tick.to_string()]);
        }
        let status = command.stdin(Stdio::null()).status().map_err(|e| failed(e.to_string()))?;
        let is_as_asked = if kill.is_some() { status.code().is_none() } else { status.success() };
        if !is_as_asked {
            return Err(failed(format!("the run ended with {status}")));
        }
    }
    let manifest = Manifest::read(&out).map_err(failed)?;
    let mut digests: Digests = manifest.digests.iter().filter_map(parse_digest).collect();
    let summary = std::fs::read(out.join("summary.json")).map_err(|e| failed(e.to_string()))?;
    let summary: Value = serde_json::from_slice(&summary).map_err(|e| failed(e.to_string()))?;
    let end = summary["state_digest"].as_str().map(str::to_string).unwrap_or_default();
    if let Some(end) = parse_digest(&(manifest.tick, end))
        && digests.last() != Some(&end)
    {
        digests.push(end);
    }
    eprintln!("killed {times} times and restored: {}", last(&digests));
    Ok(("killed and restored".into(), digests))
}

fn has_snapshot(run: &Path) -> bool {
    let snapshots = std::fs::read_dir(run.join("snapshots"));
    snapshots.is_ok_and(|mut entries| {
        entries
            .any(|e| e.is_ok_and(|e| PathBuf::from(e.file_name()).extension().is_some_and(|x| x == "corec")))
    })
}

fn parse_digest((tick, hex): &(u64, String)) -> Option<(u64, u64)> {
    Some((*tick, u64::from_str_radix(hex, 16).ok()?))
}

fn last(digests: &Digests) -> String {
    digests.last().map_or_else(String::new, |(_, value)| format!("{value:016x}"))
}

#[expect(clippy::disallowed_methods, reason = "progress for a person; no result depends on it")]
fn now() -> Instant {
    Instant::now()
}
