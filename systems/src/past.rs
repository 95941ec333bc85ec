//! Past: a run as it was at a tick, from its last snapshot before and its journal.

use std::path::{Path, PathBuf};

use corec_core::config::Scenario;
use corec_core::journal::Journal;
use corec_core::simulation::Simulation;
use corec_core::snapshot::{Snapshot, list};

use crate::plugins::PluginSet;
use crate::run::{JOURNAL, RunError, refusal};
use crate::telemetry::follow::TableInput;

/// Takes the run in `folder` to the tick `at`. Gives it, and how far its journal has been taken in. `option` is what the user
/// asked for the tick with.
///
/// # Errors
/// A run that can't be read, or that has no such tick.
pub(crate) fn past(
    folder: &Path,
    mut scenario: Scenario,
    plugins: &PluginSet,
    at: u64,
    option: &str,
) -> Result<(Simulation, u64), RunError> {
    let usage = |e: &dyn std::fmt::Display| RunError::Usage(format!("{}: {e}", folder.display()));
    let snapshots = list(&folder.join("snapshots")).unwrap_or_default();
    let whole =
        |path: &PathBuf| Snapshot::open(path).ok().filter(|s| s.head().tick <= at && s.verify().is_ok());
    let snapshot = snapshots.iter().rev().find_map(whole);
    let sequence = snapshot.as_ref().map_or(0, |snapshot| snapshot.head().journal_sequence);
    let (mut journal, taken) =
        Journal::replay_after(&folder.join(JOURNAL), sequence).map_err(|e| usage(&e))?;
    let mut app = plugins.app(&mut scenario);
    if let Some(columns) = taken.columns.or_else(|| journal.pass_digests(0)) {
        app.insert_resource(TableInput::recorded(columns));
    }
    app.insert_resource(journal);
    let simulation = match &snapshot {
        None => Simulation::new(app, scenario),
        Some(snapshot) => Simulation::restore(app, scenario, snapshot),
    };
    let mut simulation = simulation.map_err(refusal)?;
    while simulation.tick() < at {
        let tick = simulation.tick();
        simulation.world_mut().resource_mut::<Journal>().pass_digests(tick);
        simulation.run(1).map_err(|e| RunError::Failed(e.to_string()))?;
        if simulation.tick() == tick {
            return Err(usage(&format!(
                "{option}: found {at}, must be at most {tick}, where its journal ends"
            )));
        }
    }
    let mut journal = simulation.world_mut().resource_mut::<Journal>();
    journal.pass_digests(at);
    let sequence = journal.sequence();
    Ok((simulation, sequence))
}
