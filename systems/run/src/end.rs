//! The end of a run: everything is closed, and it is said what became of it.

use std::path::PathBuf;

use bevy_ecs::world::World;
use corec_core::config::redact_url;
use corec_core::digest::Digest;
use corec_core::journal::Journal;
use corec_core::lock::Lock;
use corec_core::outputs::Outputs;
use corec_core::simulation::{Ending, Simulation, SimulationError};

use crate::SUMMARY;
use crate::attendants::{Attendants, fail_with_journal};
use crate::clock::per_second;
use crate::costs::PluginSummary;
use crate::manifest::{self, Manifest, Status};
use crate::profile::Profile;
use crate::summary::{Summary, summarise};
use crate::view::Ended;

/// A run that has been started.
pub(crate) struct Started {
    pub simulation: Simulation,
    pub manifest: Manifest,
    pub bus: String,
    pub store: String,
    pub out: PathBuf,
    /// What holds the run for this process.
    pub _locks: Vec<Lock>,
    pub profile: Option<Profile>,
    pub restored_at: Option<u64>,
    pub first_updates: u64,
}

impl Started {
    /// Closes everything, and says what became of the run.
    pub fn end(
        mut self,
        mut attendants: Attendants,
        ran: Result<(), SimulationError>,
        signal: Option<usize>,
    ) -> Summary {
        let is_sound = ran.is_ok();
        self.simulation.in_pool_mut(|world| {
            // The last tick may have ended the run by itself. A failed one may have left no rows to digest.
            if is_sound {
                attendants.digests.note(world, true);
            }
            world.resource_mut::<Journal>().commit();
            fail_with_journal(world);
        });
        let ended = self.simulation.world().resource::<Ending>().failure.clone();
        let (is_sound, is_interrupted) = (is_sound && ended.is_none(), signal.is_some());
        let marks = attendants.marks();
        let Attendants { digests, snapshots, pace, mut watched, .. } = attendants;
        watched.show(self.simulation.world(), marks.clone(), Some(Ended::of(is_sound, is_interrupted)));
        let snapshots =
            self.simulation.in_pool_mut(|world| snapshots.finish(is_sound.then_some(world), is_interrupted));
        // Of the state that the ticks have made: what plugins put away in Shutdown is not part of it.
        // A run that an older version began keeps the format of its digests, as its journal does.
        let digest =
            |world: &World| Digest::of_format(world, world.resource::<Journal>().digest_format()).to_string();
        let digest = self.simulation.check().is_ok().then(|| self.simulation.in_pool(digest));
        let outputs = self.simulation.world().resource::<Outputs>().clone();
        let closed = self.simulation.shut_down();
        let seconds = pace.start.elapsed().as_secs_f64();
        let traced = self.profile.take().map_or(Ok(()), Profile::write);
        let is_unsaved = is_interrupted || snapshots.is_missing;
        let unsaved = snapshots.error.clone().filter(|_| is_unsaved).map(|e| format!("no snapshot: {e}"));
        let error = ran.err().or(closed.err()).map(|e| e.to_string()).or(ended).or(traced.err()).or(unsaved);
        if is_sound && error.is_some() {
            watched.show(self.simulation.world(), marks, Some(Ended::Failed));
        }
        let mut summary = summarise(&mut self.simulation, seconds, self.manifest.startup_seconds);
        summary.state_digest = digest;
        summary.output_digest = format!("{:016x}", outputs.value());
        summary.outputs = outputs.to_hex();
        summary.ticks = summary.tick - pace.first_tick;
        summary.ticks_per_second = per_second(summary.ticks, seconds);
        summary.entity_updates_per_second = per_second(summary.entity_updates - self.first_updates, seconds);
        for plugin in &mut summary.plugins {
            plugin.ms_per_tick /= summary.ticks.max(1) as f64;
        }
        warn_of_budgets(&summary.plugins);
        (summary.restored_at, summary.snapshots) = (self.restored_at, snapshots);
        (summary.scenario, summary.seed) = (self.manifest.scenario.clone(), self.manifest.seed);
        (summary.bus, summary.store) = (redact_url(&self.bus), redact_url(&self.store));
        summary.out.clone_from(&self.out);
        (summary.error, summary.interrupted_by) = (error, signal);

        self.manifest.status = match (&summary.error, summary.interrupted_by) {
            (Some(_), _) => Status::Failed,
            (None, Some(_)) => Status::Interrupted,
            (None, None) => Status::Done,
        };
        (self.manifest.tick, self.manifest.seconds) = (summary.tick, seconds);
        self.manifest.digest = digests.last.map(|(tick, value)| (tick, format!("{value:016x}")));
        self.manifest.digest_count = digests.count;
        let json = serde_json::to_vec_pretty(&summary).expect("a summary is text and numbers");
        let written =
            manifest::replace(&self.out, SUMMARY, &json).and_then(|()| self.manifest.write(&self.out));
        if let Err(e) = written {
            summary.error.get_or_insert(format!("{}: {e}", self.out.display()));
        }
        summary
    }
}

/// Says which plugins took more time than their configs allow.
fn warn_of_budgets(plugins: &[PluginSummary]) {
    for PluginSummary { name, ms_per_tick, budget_ms, .. } in plugins {
        if let Some(budget) = budget_ms.filter(|budget| ms_per_tick > budget) {
            tracing::warn!("plugin '{name}' took {ms_per_tick:.3} ms a tick, its budget_ms is {budget}");
        }
    }
}
