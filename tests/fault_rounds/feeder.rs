//! A feeder is the other end of a pipe: it sends rows until they are sent, the reader is gone, or it is told to stop.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Linux' O_NONBLOCK on every architecture that the program is built for: a pipe without a reader must not hold up the checker.
const NONBLOCKING: i32 = 0o4000;

/// What it does once all is sent.
#[derive(Clone, Copy, PartialEq)]
pub enum EndOfInput {
    /// Closes the pipe: the table ends.
    Close,
    /// Keeps it open until it is stopped: more may come.
    Hold,
}

/// A thread that feeds a pipe.
pub struct Feeder {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Feeder {
    /// Begins to send `lines` to whoever opens `pipe`, with `pause` before each line.
    pub fn start(pipe: PathBuf, lines: Vec<String>, pause: Duration, at_end: EndOfInput) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let shared = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = std::thread::spawn(move || feed(&pipe, &lines, pause, at_end, &shared.0, &shared.1));
        Self { stop, sent, thread: Some(thread) }
    }

    /// Lines sent so far, the header among them.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

fn feed(
    pipe: &Path,
    lines: &[String],
    pause: Duration,
    at_end: EndOfInput,
    stop: &AtomicBool,
    sent: &AtomicU64,
) {
    let is_stopped = || stop.load(Ordering::Relaxed);
    let rest = || std::thread::sleep(Duration::from_millis(1));
    let Some(mut file) = open(pipe, &is_stopped) else { return };
    for line in lines {
        std::thread::sleep(pause);
        let mut left = line.as_bytes();
        while !left.is_empty() {
            if is_stopped() {
                return;
            }
            match file.write(left) {
                Ok(count) => left = &left[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => rest(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
        sent.fetch_add(1, Ordering::Relaxed);
    }
    while at_end == EndOfInput::Hold && !is_stopped() {
        rest();
    }
}

/// Opens it once there is a reader.
fn open(pipe: &Path, is_stopped: &dyn Fn() -> bool) -> Option<File> {
    while !is_stopped() {
        if let Ok(file) = OpenOptions::new().write(true).custom_flags(NONBLOCKING).open(pipe) {
            return Some(file);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}
