//! The table of a run: opened, and brought to where the run that is gone on with had come.

use std::path::Path;
use std::time::Duration;

use corec_bridges::bus::{self, OpenError};
#[cfg(feature = "redis")]
use corec_bridges::bus::{BusUrl, redis::StreamReader};
use corec_core::config::Scenario;
use corec_core::journal::Journal;
#[cfg(feature = "redis")]
use corec_core::journal::{Input, Inputs, LogError};
use corec_core::section::Section;
use corec_core::stop::Stop;
use corec_core::units::RunId;
use corec_telemetry::feed::Feed;
use corec_telemetry::row_forest::COLUMNS_MAX;
use corec_telemetry::settings::{Replicas, RowDetector, Telemetry};
use corec_telemetry::source::is_pipe;
use corec_telemetry::table::TableReader;
use corec_telemetry::table_error::TableError;
use corec_telemetry::windows::Windows;

use crate::error::RunError;
#[cfg(feature = "redis")]
use crate::stream_rows::{self, Before};

/// Opens the table of a telemetry scenario and gives its twins their number. `journal` is that of the run that goes on: a pipe that
/// brings nothing more has been recorded there.
pub(crate) fn open_table(
    scenario: &mut Scenario,
    input: Option<&Path>,
    windows: Option<&Path>,
    journal: Option<&Path>,
    (run, connect_timeout): (RunId, Duration),
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
        (true, None) if scenario.bus == "memory" => {
            return usage(
                "--input: missing, must be a table: corec run telemetry --input FILE.csv[.gz], or rows of a stream: --bus redis://HOST"
                    .into(),
            );
        }
        (false, None) if windows.is_some() => return usage("--windows: needs --input FILE.csv[.gz]".into()),
        (false, None) => return Ok(None),
        (true, _) => {}
    }
    let path = input.unwrap_or(Path::new(""));
    let table = match input {
        Some(path) => TableReader::open_until(path, stop),
        None => return open_stream(scenario, windows, journal, (run, connect_timeout), stop),
    };
    if let Some(signal) = stop.signal() {
        return Err(RunError::Interrupted(signal));
    }
    let table = match (table, journal) {
        (Err(TableError::NoRow { .. }), Some(journal)) if is_pipe(path) => return recorded_table(journal),
        (table, _) => table.map_err(|e: TableError| RunError::Usage(e.to_string()))?,
    };
    feed_of(scenario, table, windows)
}

/// Waits for the first row of the scenario's stream, which is `telemetry` unless it names another.
#[cfg(feature = "redis")]
fn open_stream(
    scenario: &mut Scenario,
    windows: Option<&Path>,
    journal: Option<&Path>,
    (run, connect_timeout): (RunId, Duration),
    stop: &Stop,
) -> Result<Option<Feed>, RunError> {
    let BusUrl::Redis(url) = bus::parse(&scenario.bus).map_err(RunError::Usage)? else {
        return Err(RunError::Usage(format!("bus {}: has no streams of others", scenario.bus)));
    };
    let stream = scenario.input_stream.get_or_insert_with(|| Telemetry::NAME.into()).clone();
    let instance = &scenario.instance_id;
    let (name, field) = (format!("corec-{instance}-rows"), format!("{instance}/{run}"));
    let reader = StreamReader::connect(&url, &stream, &name, &field, connect_timeout);
    let reader = reader.map_err(bus_refusal)?;
    let before = journal.map_or(Ok(Before::default()), had_before);
    let before = before.map_err(|e| RunError::Usage(format!("journal: {e}")))?;
    let lines = stream_rows::lines(reader, &stream, &before, stop)
        .map_err(|e| RunError::Failed(format!("the thread for rows could not start: {e}")))?;
    if !lines.is_there() {
        tracing::warn!("stream '{stream}': waits for its first row");
    }
    let table = TableReader::open_lines(Path::new(&stream), lines, before.columns.as_deref());
    if let Some(signal) = stop.signal() {
        return Err(RunError::Interrupted(signal));
    }
    feed_of(scenario, table.map_err(|e| RunError::Usage(e.to_string()))?, windows)
}

/// What a journal has of the rows of a stream.
#[cfg(feature = "redis")]
fn had_before(journal: &Path) -> Result<Before, LogError> {
    let (mut inputs, mut before) = (Inputs::of(journal)?, Before::default());
    while let Some((_, _, input)) = inputs.next_input()? {
        match input {
            Input::Row { sequence, .. } => before.last = sequence,
            Input::Columns(columns) => before.columns = Some(columns),
            _ => {}
        }
    }
    Ok(before)
}

#[cfg(not(feature = "redis"))]
fn open_stream(
    scenario: &mut Scenario,
    _: Option<&Path>,
    _: Option<&Path>,
    _: (RunId, Duration),
    _: &Stop,
) -> Result<Option<Feed>, RunError> {
    Err(bus::parse(&scenario.bus).err().map_or_else(
        || RunError::Usage("--input: missing, must be a table: --input FILE.csv[.gz]".into()),
        RunError::Usage,
    ))
}

/// What can't be had of a bus, as a run says it.
pub(crate) fn bus_refusal(error: OpenError) -> RunError {
    match error {
        OpenError::Usage(text) => RunError::Usage(text),
        OpenError::Away(text) => RunError::Failed(text),
    }
}

/// The rows of `table`; gives the scenario's twins their number.
fn feed_of(
    scenario: &mut Scenario,
    table: TableReader,
    windows: Option<&Path>,
) -> Result<Option<Feed>, RunError> {
    let is_forest = scenario.section::<Telemetry>()?.is_some_and(|s| s.detector == RowDetector::Forest);
    if is_forest && table.width() > COLUMNS_MAX {
        let (shown, width) = (table.path().display(), table.width());
        return Err(RunError::Usage(format!(
            "--detector: {shown}: found {width} columns, must be at most {COLUMNS_MAX} for a forest"
        )));
    }
    let windows = match windows {
        Some(file) => Some(Windows::load(file, &table).map_err(RunError::Usage)?),
        None => None,
    };
    for group in scenario.blocks.iter_mut().filter(|g| g.kind == "twin") {
        group.entities = table.width() as u64 * u64::from(group.section::<Replicas>()?.0);
    }
    if let Some(group) = scenario.blocks.iter().find(|g| g.entities == 0 && g.kind == "twin") {
        let (name, id) = (&scenario.name, &group.id);
        return Err(RunError::Usage(format!("{name}: group '{id}': found 0 entities, must be at least 1")));
    }
    Ok(Some(Feed::new(table, windows)))
}

/// The input of a run whose rows its journal has.
pub(crate) fn recorded_table(journal: &Path) -> Result<Option<Feed>, RunError> {
    let journal = Journal::replay_of(journal).map_err(|e| RunError::Usage(format!("journal: {e}")));
    Ok(Feed::recorded_in(&mut journal?))
}
