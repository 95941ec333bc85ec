//! The journal of a run: where it is, and how far it has been taken in.

use std::path::{Path, PathBuf};

use bevy_ecs::world::World;
use corec_core::journal::{Input, Journal, LogError, LogReader, LogWriter, Taken};
use corec_core::simulation::RunScenario;

use super::RunError;
use crate::telemetry::follow::TableInput;

/// Where a run's journal is.
pub(super) struct Place {
    /// Its folder.
    pub folder: PathBuf,
    /// The journal of the run that is gone on with; none for a new run.
    pub source: Option<PathBuf>,
    /// The last record that the state has taken in.
    pub sequence: u64,
    /// Whether what is committed also survives a loss of power.
    pub sync: bool,
}

/// Gives `world` its journal, and its table where to go on; tells the digests up to there.
pub(super) fn begin_journal(world: &mut World, place: &Place) -> Result<Vec<(u64, String)>, RunError> {
    let columns = world.get_resource::<TableInput>().map(|table| table.columns().to_vec());
    let has_input = columns.is_some() || world.resource::<RunScenario>().0.input_stream.is_some();
    let (mut journal, taken) = open(place, has_input)?;
    if let Some(columns) = columns.filter(|_| journal.sequence() == 0)
        && journal.replay(0, |input| matches!(input, Input::Columns(_))).is_none()
    {
        journal.record(0, Input::Columns(columns));
    }
    world.insert_resource(journal);
    if let Some(mut table) = world.get_resource_mut::<TableInput>() {
        table.go_on_after(taken.last_row);
    }
    Ok(taken.digests.into_iter().map(|(tick, value)| (tick, format!("{value:016x}"))).collect())
}

/// A new journal, or the source's up to where the state is. A run that goes on with its own replays what that has beyond.
fn open(place: &Place, has_input: bool) -> Result<(Journal, Taken), RunError> {
    let fail = |e: LogError| RunError::Failed(format!("journal: {e}"));
    let new = || Ok((Journal::record_in(&place.folder, place.sync).map_err(fail)?, Taken::default()));
    let Some(source) = &place.source else { return new() };
    if !source.is_dir() {
        if has_input {
            let message =
                format!("--restore: {} is missing, must be there: it has the run's inputs", source.display());
            return Err(RunError::Usage(message));
        }
        return new();
    }
    if *source != place.folder {
        copy_log(source, &place.folder, place.sequence).map_err(fail)?;
    }
    Journal::go_on_in(&place.folder, place.sequence, place.sync).map_err(fail)
}

/// Copies the records up to `sequence`.
pub(crate) fn copy_log(from: &Path, to: &Path, sequence: u64) -> Result<(), LogError> {
    let (mut reader, mut writer) = (LogReader::open(from)?, LogWriter::open(to, false)?);
    while let Some((at, record)) = reader.next_record()?.filter(|(at, _)| *at <= sequence) {
        writer.append(record)?;
        if writer.waiting_bytes() > 1 << 20 || at == sequence {
            writer.commit()?;
        }
    }
    Ok(())
}
