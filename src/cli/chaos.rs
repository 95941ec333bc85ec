//! `corec chaos`: faults injected by many seeds; who notices, how fast, and what repair saves, on average.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use corec::prelude::Scenario;
use corec_plugins::REGISTRY;
use corec_run::chaos::{SeedRun, Seeds, Study};
use corec_run::plugins::PluginSet;
use corec_run::scenarios::{find, scale};
use corec_run::settings::{Threads, parse_count};
use corec_run::{RunError, Stop};

use super::plot;
use super::progress::Bar;

/// Inject faults by many seeds, and say who noticed, how fast, and what repair saved
///
/// A scenario with a section `chaos` is run with the seeds 0, 1, ..; each time also without repair, and without faults. What goes wrong (a share
/// of a block fails, its values stand still, drift or jump, a plugin fails, bad messages come in) is drawn from the seed alone, so the same
/// seed has the same faults whatever is there to notice them. Printed is the mean of each figure over the runs and their standard deviation; --json has the least and the most too:
///
///   recall          events on whose block, plugin or stream an alert was raised within 10 ticks, of all
///   detected        ticks from an event's first to the alert, the median of a run
///   healed          ticks until no entity was afflicted any more: repaired, replaced, or left alone, the median of a run
///   fitness lost    what blocks were below the calm run, summed over ticks; and the same without repair
///   saved           the share of that which repair has saved
///   precision       alerts with an event where they were raised, of all
///
/// Nothing is kept: runs are in memory. A single one with folder, store and journal: `corec run chaos`. Ctrl-C prints what is done.
///
/// Exit status: 0 done, or interrupted with seeds done, 1 a run failed, 2 bad usage, 129, 130 or 143 interrupted before.
#[derive(Args)]
#[command(after_help = "Examples:
  corec chaos                                     twenty seeds of the built-in scenario
  corec chaos --seeds 5 --plot chaos.svg          and a figure of the first
  corec scenarios chaos > mine.json; corec chaos mine.json --plugins plugins --json | jq .all.recall")]
pub struct ChaosArgs {
    /// A built-in scenario or a JSON file, with a section `chaos`
    #[arg(default_value = "chaos")]
    scenario: String,

    /// Seeds, from 0 on
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000), allow_negative_numbers = true)]
    seeds: u64,

    /// Entities in all
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    entities: Option<u64>,

    /// Ticks of a run
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    ticks: Option<u64>,

    /// Worker threads; as many as the process may use if not given. Results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024), allow_negative_numbers = true)]
    threads: Option<u32>,

    /// Load every enabled plugin of this folder; what the scenario names if not given
    #[arg(long, value_name = "DIR", value_parser = super::path())]
    plugins: Option<PathBuf>,

    /// A figure of the first seed: fitness and faults over time, with and without repair, and what went wrong when. SVG
    #[arg(long, value_name = "FILE.svg", value_parser = super::path())]
    plot: Option<PathBuf>,

    /// Print what was found as one JSON object, each run and each event included
    #[arg(long)]
    json: bool,

    /// No progress
    #[arg(long, short)]
    quiet: bool,
}

/// Runs all, and says what came of it.
///
/// # Errors
/// What keeps a run from starting or lets it fail; an interruption before the first is done.
pub fn main(args: &ChaosArgs, started: Instant, stop: &Stop) -> Result<ExitCode, RunError> {
    let scenario = scenario(args)?;
    let beside = Path::new(&args.scenario).parent();
    let plugins = PluginSet::find(&scenario, args.plugins.as_deref(), beside, REGISTRY, &super::environment)?;
    let plugins = plugins.read_only();
    let app = |scenario: &mut Scenario| plugins.app(scenario);
    let (mut bar, mut done) = (Bar::new("ticks", args.quiet || args.json), 0);
    let (mut runs, mut entities) = (Vec::new(), 0);
    for seed in 0..args.seeds {
        let scenario = Scenario { seed, ..scenario.clone() };
        let study = Study { ticks: scenario.ticks, scenario, app: &app, stop };
        let of = study.ticks_in_all() * args.seeds;
        let studied = study.run(&mut || {
            done += 1;
            bar.tell(done, Some(of), started.elapsed().as_secs_f64(), || format!("seed {seed}"));
        });
        let studied = match studied {
            Err(RunError::Interrupted(_)) if !runs.is_empty() => break,
            studied => studied?,
        };
        // A run is told of its end too; what it did before its first tick is no tick.
        done = study.ticks_in_all() * (seed + 1);
        if let Some(path) = args.plot.as_deref().filter(|_| seed == 0) {
            plot::write(
                path,
                &format!("{}, seed {seed}: faults injected, with and without repair", study.scenario.name),
                &studied,
            )?;
        }
        entities = studied.entities;
        runs.push(SeedRun { seed, state_digest: studied.this.digest, report: studied.report });
    }
    bar.finish();
    let seeds = Seeds::of(&scenario.name, entities, scenario.ticks, args.seeds, runs);
    Ok(if args.json {
        let json = serde_json::to_string(&seeds).expect("a report is text and numbers");
        super::print(&format!("{json}\n"))
    } else {
        super::print(&seeds.to_string())
    })
}

/// The scenario with everything that a flag says otherwise, checked again.
fn scenario(args: &ChaosArgs) -> Result<Scenario, RunError> {
    let loaded = find(&args.scenario, &super::environment)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let mut scenario = loaded.scenario;
    if let Some(total) = args.entities {
        scale(&mut scenario, total).map_err(RunError::Usage)?;
    }
    scenario.ticks = args.ticks.unwrap_or(scenario.ticks);
    scenario.threads = args.threads.map_or(scenario.threads, Threads::Count);
    scenario.check("the command line")?;
    Ok(scenario)
}
