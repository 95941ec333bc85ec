//! Live tables: lines of a named pipe, read on a thread of their own so that a run can wait for one and still be stopped.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use corec_core::stop::Stop;
use crossbeam::channel::{Receiver, RecvTimeoutError, bounded};

/// Bytes a row may have.
pub(crate) const ROW_BYTES_MAX: usize = 4 << 20;
/// Lines that may wait: the writer of the pipe waits when there are more.
const LINES: usize = 64;

/// The lines of a pipe, as they come. Clones share them.
#[derive(Clone)]
pub struct Lines(Arc<Mutex<Inner>>);

struct Inner {
    lines: Receiver<io::Result<Vec<u8>>>,
    line: Vec<u8>,
    at: usize,
    stop: Stop,
}

impl Lines {
    /// Opens a pipe, which waits for somebody to write to it, and reads it until its writers are gone or `stop` is set.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: PathBuf, stop: Stop) -> io::Result<Self> {
        let (to, lines) = bounded(LINES);
        let work = move || {
            let file = match File::open(path) {
                Ok(file) => file,
                Err(error) => {
                    _ = to.send(Err(error));
                    return;
                }
            };
            let mut file = BufReader::with_capacity(1 << 16, file);
            loop {
                let mut line = Vec::new();
                match file.by_ref().take(ROW_BYTES_MAX as u64 + 2).read_until(b'\n', &mut line) {
                    Ok(0) => return,
                    // A writer that was killed leaves half a line, which nobody has acknowledged.
                    Ok(_) if !line.ends_with(b"\n") && line.len() <= ROW_BYTES_MAX => {
                        tracing::warn!(
                            "the pipe ended within a line: its last {} bytes are left out",
                            line.len()
                        );
                        return;
                    }
                    Ok(_) if to.send(Ok(line)).is_err() => return,
                    Ok(_) => {}
                    Err(error) => {
                        _ = to.send(Err(error));
                        return;
                    }
                }
            }
        };
        std::thread::Builder::new().name("corec-input".into()).spawn(work)?;
        Ok(Self(Arc::new(Mutex::new(Inner { lines, line: Vec::new(), at: 0, stop }))))
    }

    /// Waits until a line is there; says whether one came before the pipe was closed or the run is to stop.
    ///
    /// # Errors
    /// What the system says.
    pub fn wait(&self) -> io::Result<bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wait()
    }
}

impl Inner {
    fn wait(&mut self) -> io::Result<bool> {
        while self.at == self.line.len() {
            match self.lines.recv_timeout(Duration::from_millis(20)) {
                Ok(line) => (self.line, self.at) = (line?, 0),
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
                Err(RecvTimeoutError::Timeout) if self.stop.is_set() => return Ok(false),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Ok(true)
    }
}

impl Read for Lines {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !inner.wait()? {
            return Ok(0);
        }
        let count = to.len().min(inner.line.len() - inner.at);
        to[..count].copy_from_slice(&inner.line[inner.at..inner.at + count]);
        inner.at += count;
        Ok(count)
    }
}
