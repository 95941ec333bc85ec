//! A study of a run: it is done again in memory and watched, beside it without repair, and without its events.

use bevy_app::App;
use corec_core::config::Scenario;
use corec_core::section::Section;
use corec_core::stop::Stop;
use corec_dynamics::chaos::Chaos;
use corec_dynamics::settings::Repair;

use super::judge::{Report, judge};
use super::track::{Track, Watching};
use super::truth::{Truth, check};
use crate::error::RunError;

/// A run to be studied.
pub struct Study<'a> {
    /// The scenario, with a section `chaos`.
    pub scenario: Scenario,
    /// Ticks to run.
    pub ticks: u64,
    /// Makes an app with the run's plugins, and adds their groups of blocks to the scenario.
    pub app: &'a (dyn Fn(&mut Scenario) -> App + Sync),
    /// Ends it once it is set.
    pub stop: &'a Stop,
}

/// A run that has been studied.
#[derive(Clone, Debug)]
pub struct Studied {
    /// What was injected.
    pub truth: Vec<Truth>,
    /// Live entities at the start.
    pub entities: u64,
    /// The run.
    pub this: Track,
    /// The same without repair.
    pub bare: Track,
    /// The same without events.
    pub calm: Track,
    /// What became of the events.
    pub report: Report,
}

impl Study<'_> {
    /// Ticks of all its runs together.
    pub fn ticks_in_all(&self) -> u64 {
        3 * self.ticks
    }

    /// Does it. `progress` is told after every tick.
    ///
    /// # Errors
    /// A scenario without chaos, or whose chaos can't be had; what the runs say; an interruption.
    pub fn run(&self, progress: &mut (dyn FnMut() + Send)) -> Result<Studied, RunError> {
        check(&self.scenario)?;
        let Some(chaos) = self.scenario.section::<Chaos>()? else {
            let place = self.scenario.source_name();
            return Err(RunError::Usage(format!(
                "{place}: chaos: found none, must be a section of the scenario: corec scenarios chaos"
            )));
        };
        self.stop.heed();
        let this = self.watching(self.scenario.clone(), false)?;
        let (truth, entities) = (this.truth(), this.entities());
        let mut blocks: Vec<u32> = truth.iter().filter_map(|at| at.block).collect();
        blocks.sort_unstable();
        blocks.dedup();
        let this = this.watch(self.ticks, &blocks, self.stop, progress)?;
        // What happens to no block costs no block anything: there is no need to do it again.
        let mut without_repair = self.scenario.clone();
        without_repair.set_section(&Chaos { plugin: 0, flood: 0, ..chaos });
        let bare = self.watching(without_repair, true)?.watch(self.ticks, &blocks, self.stop, progress)?;
        let mut calm = self.scenario.clone();
        calm.sections.remove(Chaos::NAME);
        let calm = self.watching(calm, false)?.watch(self.ticks, &blocks, self.stop, progress)?;
        let report = judge(&truth, self.ticks, &this, &bare, &calm);
        Ok(Studied { truth, entities, this, bare, calm, report })
    }

    fn watching(&self, mut scenario: Scenario, is_bare: bool) -> Result<Watching, RunError> {
        let app = (self.app)(&mut scenario);
        if is_bare {
            scenario.blocks.iter_mut().for_each(|group| _ = group.set_section(&Repair(None)));
        }
        Watching::new(app, scenario)
    }
}
