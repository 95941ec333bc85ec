//! Live tables: lines of a named pipe or a stream, read on a thread of their own so that a run can wait for one and still be stopped.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use corec_core::stop::Stop;
use crossbeam::channel::{Receiver, RecvTimeoutError, bounded};

/// How often who waits for a line looks whether the run is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What came of waiting for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// It is there.
    Row,
    /// There will be none: the pipe was closed, or the run is to stop.
    End,
    /// Not yet.
    InVain,
}

/// Bytes a row may have.
pub(crate) const ROW_BYTES_MAX: usize = 4 << 20;
/// Lines that may wait: the writer of the pipe waits when there are more.
pub const LINES: usize = 64;

/// The lines of a pipe or a stream, as they come. Clones share them.
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

struct Shared {
    inner: Mutex<Inner>,
    counts: LineCounts,
}

/// What came and is no row, and what was gone before it could be read.
#[derive(Debug, Default)]
pub struct LineCounts {
    /// Entries that are no row.
    pub refused: AtomicU64,
    /// Entries that the far side has lost.
    pub lost: AtomicU64,
    /// How often the far side was away.
    pub outages: AtomicU64,
    /// Milliseconds of all outages.
    pub away_ms: AtomicU64,
    /// Why it can't be reached; none while it can.
    away: Mutex<Option<String>>,
    /// Lines that were taken.
    taken: AtomicU64,
}

impl LineCounts {
    /// Why the far side can't be reached; none while it can.
    pub fn away(&self) -> Option<String> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes why it can't be reached, or that it can.
    pub fn set_away(&self, why: Option<String>) {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

/// The other end of lines that somebody brings.
pub struct Bringer(Weak<Shared>);

impl Bringer {
    /// Whether anybody still takes them.
    pub fn is_wanted(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// Lines that were taken: of all but the last one, the tick is over.
    pub fn taken(&self) -> u64 {
        self.0.upgrade().map_or(0, |shared| shared.counts.taken.load(Ordering::Relaxed))
    }

    /// Counts what is told to, if anybody still wants to know.
    pub fn count(&self, add: impl FnOnce(&LineCounts)) {
        if let Some(shared) = self.0.upgrade() {
            add(&shared.counts);
        }
    }
}

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
        Ok(Self::of(lines, stop))
    }

    /// Lines that somebody else brings, each with its end: they end when their sender is dropped.
    pub fn of(lines: Receiver<io::Result<Vec<u8>>>, stop: Stop) -> Self {
        let inner = Mutex::new(Inner { lines, line: Vec::new(), at: 0, stop });
        Self(Arc::new(Shared { inner, counts: LineCounts::default() }))
    }

    /// Whether a line is there within a moment.
    pub fn is_there(&self) -> bool {
        (0..10).any(|_| {
            let inner = self.0.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let is_there = inner.at < inner.line.len() || !inner.lines.is_empty();
            drop(inner);
            if !is_there {
                std::thread::sleep(Duration::from_millis(50));
            }
            is_there
        })
    }

    /// Their other end.
    pub fn bringer(&self) -> Bringer {
        Bringer(Arc::downgrade(&self.0))
    }

    /// What has been counted.
    pub fn counts(&self) -> &LineCounts {
        &self.0.counts
    }

    /// Waits until a line is there, for about `patience` at most.
    ///
    /// # Errors
    /// What the system says.
    pub fn wait(&self, patience: Duration) -> io::Result<Waited> {
        let mut inner = self.0.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.wait(&self.0.counts.taken, Some(patience))
    }
}

impl Inner {
    fn wait(&mut self, taken: &AtomicU64, patience: Option<Duration>) -> io::Result<Waited> {
        let mut waited = Duration::ZERO;
        while self.at == self.line.len() {
            match self.lines.recv_timeout(LOOK_EVERY) {
                Ok(line) => {
                    (self.line, self.at) = (line?, 0);
                    taken.fetch_add(1, Ordering::Relaxed);
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(Waited::End),
                Err(RecvTimeoutError::Timeout) if self.stop.is_set() => return Ok(Waited::End),
                Err(RecvTimeoutError::Timeout) => {
                    waited += LOOK_EVERY;
                    if patience.is_some_and(|patience| waited >= patience) {
                        return Ok(Waited::InVain);
                    }
                }
            }
        }
        Ok(Waited::Row)
    }
}

impl Read for Lines {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mut inner = self.0.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.wait(&self.0.counts.taken, None)? != Waited::Row {
            return Ok(0);
        }
        let count = to.len().min(inner.line.len() - inner.at);
        to[..count].copy_from_slice(&inner.line[inner.at..inner.at + count]);
        inner.at += count;
        Ok(count)
    }
}
