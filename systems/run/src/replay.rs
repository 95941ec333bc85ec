//! Replay: a run again, from its journal alone, with the digest of every tick that has one recorded.

use std::time::Instant;

use corec_core::config::Threads;
use corec_core::digest::{Digest, FORMAT};
use corec_core::journal::{Input, Journal};
use corec_core::outputs::Outputs;
use corec_core::plugin::Registered;
use corec_core::simulation::Simulation;
use corec_core::stop::Stop;
use corec_telemetry::feed::Feed;
use serde::Serialize;

use crate::clock::{now, per_second};
use crate::error::{RunError, refusal};
use crate::recorded::RecordedRun;

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
    /// Whether that is the digest of what the run says, and not of its state.
    pub is_said: bool,
    /// The digest of what the run has said up to there, 16 hex digits.
    pub output_digest: String,
    /// Seconds from the first tick's start to the end.
    pub seconds: f64,
    /// `tick / seconds`; null if there was none.
    pub ticks_per_second: Option<f64>,
}

/// How a run is replayed.
pub struct Replay<'a> {
    /// The run. Neither its inputs nor any server are needed.
    pub run: &'a RecordedRun,
    /// Where its plugins are found.
    pub registry: &'a [Registered],
    /// The tick to stop at; none for the run's last one.
    pub to: Option<u64>,
    /// Worker threads; none for as many as the run had.
    pub threads: Option<u32>,
    /// Ends it once it is set.
    pub stop: &'a Stop,
}

impl Replay<'_> {
    /// Replays it. Ends at the first digest that differs.
    ///
    /// # Errors
    /// A run that can't be read, or that fails; a tick beyond its end; an interruption.
    pub fn run(&self) -> Result<ReplayReport, RunError> {
        let run = self.run;
        let extent = run.extent()?;
        let last = run.last_tick(extent.as_ref());
        let end = self.to.unwrap_or(last);
        if end > last {
            let folder = run.folder().display();
            return Err(RunError::Usage(format!(
                "--to: found {end}, must be at most {last}, where {folder} ends"
            )));
        }
        self.stop.heed();
        let mut simulation = self.simulation(extent.is_some())?;
        let start = now();
        let mut report = ReplayReport {
            tick: 0,
            digest: String::new(),
            same: 0,
            differs: None,
            is_said: false,
            output_digest: String::new(),
            seconds: 0.0,
            ticks_per_second: None,
        };
        loop {
            let tick = simulation.tick();
            compare(&mut simulation, &mut report);
            if tick >= end || report.differs.is_some() {
                break;
            }
            if let Some(signal) = self.stop.signal() {
                return Err(RunError::Interrupted(signal));
            }
            // To the next record, or a few ticks on: nobody waits long for an interruption.
            let next = simulation.world().resource::<Journal>().next_tick();
            let ticks = next.map_or(10, |next| next.saturating_sub(tick).clamp(1, 10)).min(end - tick);
            simulation.run(ticks).map_err(|e| RunError::Failed(e.to_string()))?;
            if simulation.tick() == tick {
                return Err(RunError::Failed(format!(
                    "tick {tick}: found a run that ends here, must go on to tick {end} as it did"
                )));
            }
        }
        finish(&mut simulation, report, start)
    }

    fn simulation(&self, has_journal: bool) -> Result<Simulation, RunError> {
        let mut scenario = self.run.scenario().clone();
        scenario.threads = self.threads.map_or(scenario.threads, Threads::Count);
        let plugins = self.run.plugins(self.registry)?.read_only();
        let mut app = plugins.app(&mut scenario);
        if has_journal {
            let fail = |e| RunError::Usage(format!("journal: {e}"));
            let mut journal = Journal::replay_of(&self.run.journal()).map_err(fail)?;
            if let Some(table) = Feed::recorded_in(&mut journal) {
                corec_telemetry::insert(app.world_mut(), table);
            }
            app.insert_resource(journal);
        }
        Simulation::new(app, scenario).map_err(refusal)
    }
}

/// Compares the digest of this tick with the recorded one, if there is one.
fn compare(simulation: &mut Simulation, report: &mut ReplayReport) {
    let tick = simulation.tick();
    let mut journal = simulation.world_mut().resource_mut::<Journal>();
    let format = journal.digest_format();
    let Some(Input::Digest(recorded)) = journal.replay(tick, |input| matches!(input, Input::Digest(_)))
    else {
        return;
    };
    let said = journal.replay(tick, |input| matches!(input, Input::Outputs(_)));
    let found = simulation.in_pool(|world| Digest::of_format(world, format)).value;
    let said_now = simulation.world().resource::<Outputs>().value();
    let differs = |recorded: u64, found: u64| (tick, format!("{recorded:016x}"), format!("{found:016x}"));
    match said {
        _ if found != recorded => _ = report.differs.get_or_insert(differs(recorded, found)),
        // A version with another format said other things.
        Some(Input::Outputs(said)) if format == FORMAT && said != said_now => {
            report.is_said = report.differs.is_none();
            report.differs.get_or_insert(differs(said, said_now));
        }
        _ => report.same += 1,
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
    let output_digest = format!("{:016x}", simulation.world().resource::<Outputs>().value());
    if tick > 0 {
        simulation.shut_down().map_err(|e| RunError::Failed(e.to_string()))?;
    }
    Ok(ReplayReport {
        tick,
        digest,
        output_digest,
        seconds,
        ticks_per_second: Some(per_second(tick, seconds)).filter(|_| tick > 0),
        ..report
    })
}
