//! The journal of a run: where it is, and how far it has been taken in.

use std::path::{Path, PathBuf};

use corec_core::journal::{Journal, LogError, LogReader, LogWriter, Taken};

use super::RunError;

/// The journal in `folder`: a new one, or that in `source` up to `sequence`, and what it had up to there. A run that goes on with its
/// own journal replays what that has beyond.
pub(super) fn open_journal(
    source: Option<PathBuf>,
    folder: &Path,
    sequence: u64,
    has_input: bool,
    sync: bool,
) -> Result<(Journal, Taken), RunError> {
    let fail = |e: LogError| RunError::Failed(format!("journal: {e}"));
    let Some(source) = source else {
        return Ok((Journal::record_in(folder, sync).map_err(fail)?, Taken::default()));
    };
    if !source.is_dir() {
        if has_input {
            let message =
                format!("--restore: {} is missing, must be there: it has the run's inputs", source.display());
            return Err(RunError::Usage(message));
        }
        return Ok((Journal::record_in(folder, sync).map_err(fail)?, Taken::default()));
    }
    if source != folder {
        copy_log(&source, folder, sequence).map_err(fail)?;
    }
    Journal::go_on_in(folder, sequence, sync).map_err(fail)
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
