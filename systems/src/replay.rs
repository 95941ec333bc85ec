//! Replay: a run again, from its journal alone, with the digest of every tick that has one recorded.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use corec_core::config::Threads;
use corec_core::digest::Digest;
use corec_core::journal::{Input, Journal};
use corec_core::plugin::Registered;
use corec_core::simulation::Simulation;
use serde::Serialize;

use crate::plugins::PluginSet;
use crate::run::manifest::Manifest;
use crate::run::{JOURNAL, RunError, now, per_second, refusal};
use crate::telemetry::follow::TableInput;

/// What a replay has found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayReport {
    /// Finished ticks.
    pub tick: u64,
    /// The digest there, 16 hex digits.
    pub digest: String,
    /// Recorded digests that were compared, and are the same.
    pub same: u64,
    /// The first recorded digest that is not: tick, recorded, found.
    pub differs: Option<(u64, String, String)>,
    /// Seconds from the first tick's start to the end.
    pub seconds: f64,
    /// `tick / seconds`.
    pub ticks_per_second: f64,
}

/// Replays the run in `folder` to its last recorded tick, or to `to`. Its plugins are of `registry`. Needs neither its inputs
/// nor any server. Ends at the first digest that differs.
///
/// # Errors
/// A run that can't be read, or that fails.
pub fn replay(
    registry: &[Registered],
    folder: &Path,
    to: Option<u64>,
    threads: Option<u32>,
    signal: &AtomicUsize,
) -> Result<ReplayReport, RunError> {
    let manifest = Manifest::read(folder).map_err(RunError::Usage)?;
    let settings = manifest.settings.to_string();
    let source = format!("{}: settings", folder.display());
    let lookup = |name: &str| std::env::var(name).ok();
    let mut scenario = corec_core::config::load(&source, &settings, &lookup)?.scenario;
    scenario.threads = threads.map_or(scenario.threads, Threads::Count);
    let mut journal =
        Journal::replay_of(&folder.join(JOURNAL)).map_err(|e| RunError::Usage(format!("journal: {e}")))?;
    let plugins = PluginSet::recorded(&manifest.plugins, registry, &lookup)?.read_only();
    let mut app = plugins.app(&mut scenario);
    if let Some(Input::Columns(columns)) = journal.replay(0, |input| matches!(input, Input::Columns(_))) {
        app.insert_resource(TableInput::recorded(columns));
    }
    app.insert_resource(journal);
    let mut simulation = Simulation::new(app, scenario).map_err(refusal)?;
    // `Simulation::new` makes sure that there is a journal; this one was there.
    let start = now();
    let mut report = ReplayReport {
        tick: 0,
        digest: String::new(),
        same: 0,
        differs: None,
        seconds: 0.0,
        ticks_per_second: 0.0,
    };
    loop {
        let tick = simulation.tick();
        compare(&mut simulation, &mut report);
        let next = simulation.world().resource::<Journal>().next_tick();
        let end = to.unwrap_or(u64::MAX);
        let Some(next) = next.filter(|_| report.differs.is_none() && tick < end) else { break };
        if signal.load(Ordering::Relaxed) != 0 {
            return Err(RunError::Failed(format!("interrupted at tick {tick}")));
        }
        simulation
            .run((next.max(tick + 1) - tick).min(end - tick))
            .map_err(|e| RunError::Failed(e.to_string()))?;
        if simulation.tick() == tick {
            return Err(RunError::Failed(format!(
                "tick {tick}: found a journal that goes on to tick {next}, must end with the run"
            )));
        }
    }
    finish(&mut simulation, report, start)
}

/// Compares the digest of this tick with the recorded one, if there is one.
fn compare(simulation: &mut Simulation, report: &mut ReplayReport) {
    let tick = simulation.tick();
    let mut journal = simulation.world_mut().resource_mut::<Journal>();
    let Some(Input::Digest(recorded)) = journal.replay(tick, |input| matches!(input, Input::Digest(_)))
    else {
        return;
    };
    let found = simulation.in_pool(Digest::of).value;
    if found == recorded {
        report.same += 1;
    } else {
        report.differs.get_or_insert((tick, format!("{recorded:016x}"), format!("{found:016x}")));
    }
}

fn finish(
    simulation: &mut Simulation,
    report: ReplayReport,
    start: Instant,
) -> Result<ReplayReport, RunError> {
    if let Some(failure) = simulation.world().resource::<Journal>().failure() {
        return Err(RunError::Failed(failure.to_string()));
    }
    let (tick, seconds) = (simulation.tick(), start.elapsed().as_secs_f64());
    let digest = simulation.digest().to_string();
    simulation.shut_down().map_err(|e| RunError::Failed(e.to_string()))?;
    Ok(ReplayReport { tick, digest, seconds, ticks_per_second: per_second(tick, seconds), ..report })
}
