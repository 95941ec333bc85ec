//! After a run with chaos: what was told of, what was healed, and what it cost, by the same run without repair and one that is calm.

use std::path::{Path, PathBuf};
use std::time::Instant;

use corec::prelude::Scenario;
use corec_run::chaos::Study;
use corec_run::plugins::PluginSet;
use corec_run::{RunError, Stop, Summary};

use super::super::plot;
use super::super::progress::Bar;

/// What a run is done again with.
pub(super) struct AfterRun {
    /// As it was given, without the groups of plugins.
    pub scenario: Scenario,
    pub plugins: PluginSet,
    pub plot: Option<PathBuf>,
}

/// Whether there is something to plot.
pub(super) fn check(scenario: &Scenario, plot: Option<&Path>) -> Result<(), RunError> {
    match plot {
        Some(_) if !scenario.has_section("chaos") => {
            let message =
                "--plot: found a scenario without a section `chaos`, must have one: corec scenarios chaos";
            Err(RunError::Usage(message.into()))
        }
        _ => Ok(()),
    }
}

impl AfterRun {
    /// Adds to the summary of a run with chaos that came to its end what became of its events. The run has been: what keeps it from
    /// being judged is told, and no more.
    pub fn add_to(
        self,
        summary: Summary,
        stop: &Stop,
        started: Instant,
        is_quiet: bool,
    ) -> Result<Summary, RunError> {
        let is_whole = summary.error.is_none() && summary.interrupted_by.is_none() && summary.tick > 0;
        if !is_whole || !self.scenario.has_section("chaos") {
            return Ok(summary);
        }
        let plugins = self.plugins.read_only();
        let app = |scenario: &mut Scenario| plugins.app(scenario);
        let study = Study { scenario: self.scenario, ticks: summary.tick, app: &app, stop };
        let (mut bar, mut done, of) = (Bar::new("ticks of comparison", is_quiet), 0, study.ticks_in_all());
        let studied = study.run(&mut || {
            done += 1;
            bar.tell(done, Some(of), started.elapsed().as_secs_f64(), || {
                "again, without repair, without faults".into()
            });
        });
        bar.finish();
        match studied {
            Err(error) => {
                super::super::tell(&format!("chaos: not judged: {error}"));
                Ok(summary)
            }
            Ok(studied) => {
                let title = format!(
                    "{}, seed {}: faults injected, with and without repair",
                    summary.scenario, summary.seed
                );
                // The run has been: a figure that can't be written does not take its summary along.
                let written = self.plot.as_ref().map_or(Ok(()), |path| plot::write(path, &title, &studied));
                let told = written.err().map(|error| error.to_string());
                let mut summary = summary.with_chaos(&studied)?;
                summary.error = summary.error.or(told);
                Ok(summary)
            }
        }
    }
}
