//! The table of a run: opened, and brought to where the run that is gone on with had come.

use std::path::Path;

use corec_core::config::Scenario;
use corec_core::journal::Journal;
use corec_core::section::Section;
use corec_core::stop::Stop;
use corec_telemetry::feed::Feed;
use corec_telemetry::settings::{Replicas, Telemetry};
use corec_telemetry::source::is_pipe;
use corec_telemetry::table::TableReader;
use corec_telemetry::table_error::TableError;
use corec_telemetry::windows::Windows;

use crate::error::RunError;

/// Opens the table of a telemetry scenario and gives its twins their number. `journal` is that of the run that goes on: a pipe that
/// brings nothing more has been recorded there.
pub(crate) fn open_table(
    scenario: &mut Scenario,
    input: Option<&Path>,
    windows: Option<&Path>,
    journal: Option<&Path>,
    stop: &Stop,
) -> Result<Option<Feed>, RunError> {
    let usage = |text: String| Err(RunError::Usage(text));
    match (scenario.has_section(Telemetry::NAME), input) {
        (false, Some(_)) => {
            return usage(format!(
                "--input: scenario '{}' takes no table: corec run telemetry --input FILE.csv",
                scenario.name
            ));
        }
        (true, None) => {
            return usage(
                "--input: missing, must be a table: corec run telemetry --input FILE.csv[.gz]".into(),
            );
        }
        (false, None) if windows.is_some() => return usage("--windows: needs --input FILE.csv[.gz]".into()),
        (false, None) => return Ok(None),
        (true, Some(_)) => {}
    }
    let path = input.unwrap_or(Path::new(""));
    let table = TableReader::open_until(path, stop);
    if let Some(signal) = stop.signal() {
        return Err(RunError::Interrupted(signal));
    }
    let table = match (table, journal) {
        (Err(TableError::NoRow { .. }), Some(journal)) if is_pipe(path) => return recorded_table(journal),
        (table, _) => table.map_err(|e: TableError| RunError::Usage(e.to_string()))?,
    };
    let windows = match windows {
        Some(file) => Some(Windows::load(file, &table).map_err(RunError::Usage)?),
        None => None,
    };
    for group in scenario.blocks.iter_mut().filter(|g| g.kind == "twin") {
        group.entities = table.width() as u64 * u64::from(group.section::<Replicas>()?.0);
    }
    if let Some(group) = scenario.blocks.iter().find(|g| g.entities == 0 && g.kind == "twin") {
        return usage(format!(
            "{}: group '{}': found 0 entities, must be at least 1",
            scenario.name, group.id
        ));
    }
    Ok(Some(Feed::new(table, windows)))
}

/// The input of a run whose rows its journal has.
pub(crate) fn recorded_table(journal: &Path) -> Result<Option<Feed>, RunError> {
    let journal = Journal::replay_of(journal).map_err(|e| RunError::Usage(format!("journal: {e}")));
    Ok(Feed::recorded_in(&mut journal?))
}
