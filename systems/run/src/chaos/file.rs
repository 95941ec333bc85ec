//! The file of a run's chaos: what goes wrong in it, and once the run has come to its end what became of that.

use std::path::Path;

use bevy_ecs::world::World;
use corec_core::simulation::RunScenario;
use serde::Serialize;

use super::judge::Report;
use super::truth::{Truth, truth};
use crate::error::RunError;
use crate::manifest;

/// The file with the injected faults, in the run's folder.
pub const TRUTH: &str = "chaos.json";

/// The file.
#[derive(Serialize)]
struct TruthFile<'a> {
    seed: u64,
    events: &'a [Truth],
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a Report>,
}

impl TruthFile<'_> {
    fn write(&self, out: &Path) -> Result<(), RunError> {
        let json = serde_json::to_vec_pretty(self).expect("a report is text and numbers");
        manifest::replace(out, TRUTH, &json)
            .map_err(|e| RunError::Failed(format!("{}: {e}", out.join(TRUTH).display())))
    }
}

/// Writes the file of a run that begins or goes on; none for one without chaos.
///
/// # Errors
/// What the system says.
pub(crate) fn write_truth(world: &World, out: &Path) -> Result<(), RunError> {
    let (seed, events) = (world.resource::<RunScenario>().0.seed, truth(world));
    match &events[..] {
        [] => Ok(()),
        events => TruthFile { seed, events, report: None }.write(out),
    }
}

/// Writes it again, with what came of it.
///
/// # Errors
/// What the system says.
pub(crate) fn write_report(seed: u64, events: &[Truth], report: &Report, out: &Path) -> Result<(), RunError> {
    TruthFile { seed, events, report: Some(report) }.write(out)
}
