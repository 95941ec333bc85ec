//! The journal of a run: where it is, and how far it has been taken in.

use std::path::{Path, PathBuf};

use bevy_ecs::world::World;
use corec_core::journal::{Extent, Input, Journal, LogError, LogReader, LogWriter, Taken, extent};
use corec_core::simulation::RunScenario;
use corec_core::units::RunId;

use super::RunError;
use crate::lock;
use crate::telemetry::feed::TableInput;

/// Where a run's journal is.
pub(super) struct Place {
    /// The run.
    pub run: RunId,
    /// Its folder.
    pub folder: PathBuf,
    /// Whether that is in the run's own.
    pub is_own: bool,
    /// The last of its records that a run elsewhere takes along.
    pub copied_to: u64,
    /// Whether that was there before this start.
    pub had_journal: bool,
    /// The journal of the run that is gone on with; none for a new run.
    pub source: Option<PathBuf>,
    /// The last record that the state has taken in.
    pub sequence: u64,
    /// Whether what is committed also survives a loss of power.
    pub sync: bool,
}

/// Gives `world` its journal, and its table where to go on; tells what it had up to there.
pub(super) fn begin_journal(world: &mut World, place: &Place) -> Result<Taken, RunError> {
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
    Ok(taken)
}

/// A new journal, or the source's up to where the state is. A run that goes on with its own replays what that has beyond.
fn open(place: &Place, has_input: bool) -> Result<(Journal, Taken), RunError> {
    let fail = |e: LogError| match e {
        LogError::Foreign { .. } => RunError::Usage(format!("--journal: {e}")),
        other => RunError::Failed(format!("journal: {other}")),
    };
    let new = || -> Result<_, RunError> {
        let found =
            if place.folder.is_dir() { extent(&place.folder).map_err(fail)? } else { Extent::default() };
        // A start that was killed before its manifest has left the names of its columns at most: nobody goes on with that.
        let is_leftover = place.is_own && !place.folder.join(lock::FILE).exists();
        if is_leftover && place.source.is_none() && found.run.is_some() && found.sequence <= 1 {
            let leftover = place.folder.join("00000001.log");
            std::fs::remove_file(&leftover)
                .map_err(|e| RunError::Failed(format!("journal: {}: {e}", leftover.display())))?;
        } else if found.sequence > 0 && place.source.is_none() {
            let shown = place.folder.display();
            let message =
                format!("--journal: {shown} holds the journal of another run, must be a folder of its own");
            return Err(RunError::Usage(message));
        }
        Ok((Journal::record_in(&place.folder, place.run, place.sync).map_err(fail)?, Taken::default()))
    };
    let Some(source) = &place.source else { return new() };
    if !place.had_journal {
        if has_input || place.sequence > 0 {
            let message =
                format!("--restore: {} is missing, must be there: it has the run's inputs", source.display());
            return Err(RunError::Usage(message));
        }
        return new();
    }
    if *source != place.folder {
        if place.folder.is_dir() && extent(&place.folder).map_err(fail)?.sequence > 0 {
            let shown = place.folder.display();
            let message =
                format!("--journal: {shown} holds the journal of another run, must be a folder of its own");
            return Err(RunError::Usage(message));
        }
        copy_log(source, &place.folder, place.run, place.copied_to).map_err(fail)?;
    }
    Journal::go_on_in(&place.folder, place.run, place.sequence, place.sync).map_err(fail)
}

/// Copies the records up to `sequence`, for another run.
pub(crate) fn copy_log(from: &Path, to: &Path, run: RunId, sequence: u64) -> Result<(), LogError> {
    let (mut reader, mut writer) = (LogReader::open(from)?, LogWriter::open(to, run, false)?);
    while let Some((at, record)) = reader.next_record()?.filter(|(at, _)| *at <= sequence) {
        writer.append(record)?;
        if writer.waiting_bytes() > 1 << 20 || at == sequence {
            writer.commit()?;
        }
    }
    writer.commit()
}
