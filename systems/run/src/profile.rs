//! Profile: the file of a trace, opened before the first tick, so that a run does not end with its profile lost for want of a folder.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use corec_core::file;
use corec_core::trace::Trace;

use crate::error::RunError;

/// A trace that is being kept, and the file it goes to.
pub(crate) struct Profile {
    path: PathBuf,
    file: fs::File,
    pub trace: Trace,
}

impl Profile {
    /// Begins one, in a new file or over an older one; `trace` is asked for once the file is open.
    ///
    /// # Errors
    /// A file of something else, or one that can't be made.
    pub fn open(path: &Path, trace: impl FnOnce() -> Trace) -> Result<Self, RunError> {
        let fail = |message: String| RunError::Usage(format!("--profile: {}: {message}", path.display()));
        if path.is_file() {
            let mut start = Vec::new();
            let read = file::open(path)
                .and_then(|file| file.take(Trace::START.len() as u64).read_to_end(&mut start));
            read.map_err(|e| fail(e.to_string()))?;
            if !start.is_empty() && start != Trace::START.as_bytes() {
                return Err(fail(
                    "found a file that is no profile, must be a new file or an older profile".into(),
                ));
            }
        }
        let file = fs::File::create(path).map_err(|e| fail(e.to_string()))?;
        Ok(Self { path: path.into(), file, trace: trace() })
    }

    /// Writes it.
    ///
    /// # Errors
    /// A text with the file.
    pub fn write(self) -> Result<(), String> {
        let Self { path, file, trace } = self;
        if trace.left_out() > 0 {
            tracing::warn!("{}: {} spans at the end were left out", path.display(), trace.left_out());
        }
        trace.write(io::BufWriter::new(file)).map_err(|e| format!("{}: {e}", path.display()))
    }
}
