//! Alerts of a recorded run, followed while it goes on, from the file that its store writes.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use corec_bridges::store::{StoreUrl, WrittenAlerts, parse};
use corec_core::alert::Alert;
use corec_core::stop::Stop;

use crate::error::RunError;
use crate::recorded::RecordedRun;

/// A pause when there was nothing.
const PAUSE: Duration = Duration::from_millis(200);

/// Where alerts are followed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlertsFrom {
    /// Those that are up, then what comes.
    #[default]
    Now,
    /// All that the run has told.
    Start,
}

/// The file that the run in `folder` writes its alerts to; none for another store.
///
/// # Errors
/// A folder that has no run.
pub fn file_of(folder: &Path) -> Result<Option<PathBuf>, RunError> {
    let run = RecordedRun::open(folder)?;
    match parse(&run.scenario().store) {
        Ok(StoreUrl::Sqlite(file)) => Ok(Some(folder.join(file))),
        _ => Ok(None),
    }
}

/// Shows the alerts of the run in `folder`, whose store is a file, until it has ended, `stop` is set or `show` breaks.
///
/// # Errors
/// A folder that has no run, a store that can't be read.
pub fn follow(
    folder: &Path,
    from: AlertsFrom,
    stop: &Stop,
    show: &mut dyn FnMut(&Alert) -> ControlFlow<()>,
) -> Result<(), RunError> {
    let usage = |why: &str| RunError::Usage(format!("{}: {why}", folder.display()));
    let path = file_of(folder)?.ok_or_else(|| usage("its store is no file"))?;
    let run = RecordedRun::open(folder)?;
    let failed = |e: corec_core::store::StoreError| RunError::Failed(e.to_string());
    let id = run.manifest().id.ok_or_else(|| usage("is of a version that knew no ids"))?;
    stop.heed();
    let mut alerts: Option<WrittenAlerts> = None;
    while stop.signal().is_none() {
        // Asked first: what was written before it ended is read after that.
        let is_going_on = run.is_going_on();
        let new = match &mut alerts {
            Some(alerts) => alerts.take_new().map_err(failed)?,
            None => {
                alerts = WrittenAlerts::open(&path, id, from == AlertsFrom::Start).map_err(failed)?;
                match &mut alerts {
                    Some(alerts) if from == AlertsFrom::Now => alerts.up().map_err(failed)?,
                    Some(alerts) => alerts.take_new().map_err(failed)?,
                    None => Vec::new(),
                }
            }
        };
        for alert in &new {
            if show(alert).is_break() {
                return Ok(());
            }
        }
        if new.is_empty() {
            if !is_going_on {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
    }
    Ok(())
}
