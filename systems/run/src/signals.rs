//! Signals: SIGINT, SIGTERM and SIGHUP end what is going on, in good order where there is any to keep; a second one, later, at once.
//!
//! What sends a signal often sends it twice: timeout(1) to its child and then to its group, a terminal to all that run in it, a
//! service manager with its stop command. Those that follow within a second are one.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use corec_core::stop::Stop;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::clock::now;
use crate::error::RunError;

/// Signals within so much of the first are the same wish.
const ONE_WISH: Duration = Duration::from_secs(1);

/// What tells of signals from the start of the process on.
pub struct Listener {
    stop: Stop,
}

impl Listener {
    /// Catches them from here on.
    ///
    /// # Errors
    /// What the system says.
    pub fn start() -> Result<Self, RunError> {
        let fail = |e: std::io::Error| RunError::Failed(format!("signals can't be caught: {e}"));
        // A file that grows beyond its limit is an error of the write, not the end of the process.
        signal_hook::flag::register(SIGXFSZ, Arc::default()).map_err(fail)?;
        let wanted = [SIGINT, SIGTERM].into_iter().chain((!is_ignored(SIGHUP)).then_some(SIGHUP));
        let mut signals = Signals::new(wanted).map_err(fail)?;
        let listener = Self { stop: Stop::default() };
        let stop = listener.stop.clone();
        let work = move || {
            let mut first = None;
            for signal in signals.forever() {
                let first = *first.get_or_insert_with(now);
                stop.set(signal as usize);
                // Set before it is asked, as it is heeded before it is looked at: one of the two sees the other.
                if !stop.is_heeded() {
                    complain(&format!("interrupted by signal {signal}"));
                    std::process::exit(128 + signal);
                }
                if first.elapsed() > ONE_WISH {
                    complain(&format!("ended at once by a second signal ({signal})"));
                    std::process::exit(128 + signal);
                }
            }
        };
        std::thread::Builder::new().name("corec-signals".into()).spawn(work).map_err(fail)?;
        Ok(listener)
    }

    /// What says that a signal has come, for who ends in good order.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }
}

/// Whether the process was started with this signal ignored, as nohup(1) does: then it stays so.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// Tells of an error on stderr; one that is gone is no reason to panic.
fn complain(error: &str) {
    _ = writeln!(std::io::stderr(), "error: {error}");
}
