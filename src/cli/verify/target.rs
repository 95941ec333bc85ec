//! The target of a verification: a scenario, or a run that has been.

use std::path::Path;

use corec::prelude::Scenario;
use corec_run::RunError;
use corec_run::manifest::FILE;
use corec_run::recorded::RecordedRun;
use corec_run::scenarios::{find, scale};

use super::VerifyArgs;

/// The scenario to verify, and the run if it is that of one.
pub(super) fn target(args: &VerifyArgs) -> Result<(Scenario, Option<RecordedRun>), RunError> {
    let folder = Path::new(&args.what);
    if folder.join(FILE).exists() {
        if args.entities.is_some() || args.seed.is_some() || args.plugins.is_some() {
            return Err(RunError::Usage(
                "--entities, --seed and --plugins: a run's own are taken, must not be given with a run"
                    .into(),
            ));
        }
        let run = RecordedRun::open(folder)?;
        return Ok((run.scenario().clone(), Some(run)));
    }
    let mut scenario = find(&args.what, &super::super::environment)?.scenario;
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    if let Some(total) = args.entities {
        scale(&mut scenario, total).map_err(RunError::Usage)?;
    }
    if scenario.has_section("telemetry") {
        let message = format!("{}: takes a table: run it, then verify the run's folder", args.what);
        return Err(RunError::Usage(message));
    }
    Ok((scenario, None))
}
