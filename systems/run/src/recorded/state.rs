//! State: a recorded run as it was at a tick, computed again in memory.

use corec_core::journal::Journal;
use corec_core::simulation::Simulation;
use corec_core::stop::Stop;
use corec_telemetry::feed::Feed;

use super::RecordedRun;
use crate::error::{RunError, refusal};
use crate::plugin_set::PluginSet;

impl RecordedRun {
    /// Takes the run to tick `at`, in memory, with `plugins`. Gives it, and how far its journal has been taken in. `option` is
    /// what the user asked for the tick with.
    ///
    /// # Errors
    /// A run that can't be read, or that has no such tick; an interruption.
    pub fn state_at(
        &self,
        plugins: &PluginSet,
        at: u64,
        option: &str,
        stop: &Stop,
    ) -> Result<(Simulation, u64), RunError> {
        let usage = |e: &dyn std::fmt::Display| RunError::Usage(format!("{}: {e}", self.folder.display()));
        let extent = self.extent()?;
        let last = self.last_tick(extent.as_ref());
        if at > last {
            return Err(usage(&format!("{option}: found {at}, must be at most {last}, where the run ends")));
        }
        let snapshot = self.snapshot(at, extent.as_ref());
        let sequence = snapshot.as_ref().map_or(0, |snapshot| snapshot.head().journal_sequence);
        let mut scenario = self.scenario.clone();
        let mut app = plugins.app(&mut scenario);
        if self.journal().is_dir() {
            let (mut journal, taken) =
                Journal::replay_after(&self.journal(), sequence).map_err(|e| usage(&e))?;
            let table = taken.columns.map(Feed::recorded);
            if let Some(table) = table.or_else(|| Feed::recorded_in(&mut journal)) {
                corec_telemetry::insert(app.world_mut(), table);
            }
            app.insert_resource(journal.without_digests().map_err(|e| usage(&e))?);
        }
        let simulation = match &snapshot {
            None => Simulation::new(app, scenario),
            Some(snapshot) => Simulation::restore(app, scenario, snapshot),
        };
        let mut simulation = simulation.map_err(refusal)?;
        while simulation.tick() < at {
            if let Some(signal) = stop.signal() {
                return Err(RunError::Interrupted(signal));
            }
            let tick = simulation.tick();
            simulation.run((at - tick).min(10)).map_err(|e| RunError::Failed(e.to_string()))?;
            if simulation.tick() == tick {
                return Err(usage(&format!(
                    "{option}: found {at}, must be at most {tick}, where its journal ends"
                )));
            }
        }
        let sequence = simulation.world().resource::<Journal>().sequence();
        Ok((simulation, sequence))
    }
}
