//! The journal of a run: where it is, and how far it has been taken in.

use std::path::PathBuf;

use bevy_ecs::world::World;
use corec_core::journal::{Extent, Input, Journal, JournalPrefix, LogError, extent};
use corec_core::lock;
use corec_core::simulation::RunScenario;
use corec_core::units::RunId;
use corec_telemetry::feed::Feed;

use crate::error::RunError;

/// Where a run's journal is, and what it goes on from.
pub(crate) struct Recording {
    /// The run.
    pub run: RunId,
    /// Its folder.
    pub folder: PathBuf,
    /// Whether that is in the run's own.
    pub is_own: bool,
    /// The last of its records that a run elsewhere takes along.
    pub copied_to: u64,
    /// The journal of the run that is gone on with; none for a new run.
    pub source: Option<PathBuf>,
    /// Whether that was there before this start.
    pub is_source_there: bool,
    /// Whether its run may have had inputs that its scenario does not tell of.
    pub may_have_input: bool,
    /// The last record that the state has taken in.
    pub sequence: u64,
    /// Whether what is committed also survives a loss of power.
    pub sync: bool,
}

/// Gives `world` its journal, and its table where to go on; tells what it had up to there.
pub(crate) fn begin_journal(world: &mut World, recording: &Recording) -> Result<JournalPrefix, RunError> {
    let columns = world.get_resource::<Feed>().map(|table| table.columns().to_vec());
    let has_input = columns.is_some() || world.resource::<RunScenario>().0.input_stream.is_some();
    let (mut journal, taken) = open(recording, has_input)?;
    if let Some(columns) = columns.filter(|_| journal.sequence() == 0)
        && journal.replay(0, |input| matches!(input, Input::Columns(_))).is_none()
    {
        journal.record(0, &Input::Columns(columns));
    }
    world.insert_resource(journal);
    if let Some(mut table) = world.get_resource_mut::<Feed>() {
        table.go_on_after(taken.last_row);
    }
    Ok(taken)
}

/// A new journal, or the source's up to where the state is. A run that goes on with its own replays what that has beyond.
fn open(recording: &Recording, has_input: bool) -> Result<(Journal, JournalPrefix), RunError> {
    let fail = |e: LogError| match e {
        LogError::Foreign { .. } => RunError::Usage(format!("--journal: {e}")),
        other => RunError::Failed(format!("journal: {other}")),
    };
    let others = || {
        let shown = recording.folder.display();
        RunError::Usage(format!(
            "--journal: {shown} holds the journal of another run, must be a folder of its own"
        ))
    };
    let found = || match recording.folder.is_dir() {
        true => extent(&recording.folder).map_err(fail),
        false => Ok(Extent::default()),
    };
    let new = || -> Result<_, RunError> {
        let found = found()?;
        // A start that was killed before its manifest has left the names of its columns at most: nobody goes on with that.
        let is_leftover = recording.is_own && !recording.folder.join(lock::FILE).exists();
        if is_leftover && recording.source.is_none() && found.run.is_some() && found.sequence <= 1 {
            let leftover = recording.folder.join("00000001.log");
            std::fs::remove_file(&leftover)
                .map_err(|e| RunError::Failed(format!("journal: {}: {e}", leftover.display())))?;
        } else if found.sequence > 0 && recording.source.is_none() {
            return Err(others());
        }
        Ok((
            Journal::record_in(&recording.folder, recording.run, recording.sync).map_err(fail)?,
            JournalPrefix::default(),
        ))
    };
    let Some(source) = &recording.source else { return new() };
    if !recording.is_source_there {
        if has_input || recording.may_have_input {
            let message =
                format!("--restore: {} is missing, must be there: it has the run's inputs", source.display());
            return Err(RunError::Usage(message));
        }
        return new();
    }
    if *source != recording.folder {
        if found()?.sequence > 0 {
            return Err(others());
        }
        Journal::copy(source, &recording.folder, recording.run, |at, _| at <= recording.copied_to)
            .map_err(fail)?;
    }
    Journal::go_on_in(&recording.folder, recording.run, recording.sequence, recording.sync).map_err(fail)
}
