//! A run from start to summary: its start, the loop with its attendants, its end.

use std::time::Duration;

use bevy_app::App;
use corec_core::executor::Reports;
use corec_core::stop::Stop;
use corec_core::units::Tick;

use crate::attendants::{Attendants, Progress};
use crate::end::Started;
use crate::error::RunError;
use crate::plan::RunPlan;
use crate::start::start;
use crate::summary::Summary;
use crate::watchdog::Watchdog;

/// Runs a scenario with what `app` has been given: plugins, kinds, systems.
///
/// `stop` ends the run after the tick in hand once it is set; `progress` is called at most every 100 ms, on a
/// thread of the pool. The summary also tells of a run that failed on its way.
///
/// # Errors
/// Only what kept the run from starting. Nothing is left of it then, and nothing else was changed.
pub fn run(
    app: App,
    plan: RunPlan,
    stop: &Stop,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Summary, RunError> {
    let tick_max = Duration::from_secs_f64(plan.scenario.tick_seconds_max);
    let (mut run, mut attendants): (Started, Attendants) = start(app, plan, stop)?;
    let reports = run.simulation.world().resource::<Reports>().clone();
    // A run that nobody watches over is a run still.
    let watchdog = Watchdog::start(reports, stop.clone(), tick_max)
        .inspect_err(|e| tracing::warn!("no watchdog, its thread could not start: {e}"))
        .ok();
    let beat = |tick| _ = watchdog.as_ref().map(|watchdog| watchdog.beat(tick));
    let ran = run.simulation.run_while(|world| {
        beat(None);
        let go_on = attendants.attend(world, stop, progress);
        beat(Some(world.resource::<Tick>().0));
        go_on
    });
    drop(watchdog);
    Ok(run.end(attendants, ran, stop.signal()))
}
