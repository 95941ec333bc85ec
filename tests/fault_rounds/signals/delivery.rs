//! A delivery is how a signal reaches its victim: by itself, twice, through timeout(1), or in a namespace.

use std::fmt::{self, Display};
use std::fs;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::{Fault, LIMIT};
use crate::process::{Finished, Process, child_of, signal, sleep_ms, through, wait_until};
use crate::round::{Outcome, Round};

/// How a signal is delivered.
#[derive(Clone, Copy, PartialEq)]
pub enum Delivery {
    Once,
    Twice,
    /// By timeout(1), which signals its child and then its group.
    Timeout,
    /// As the first process of a namespace, which has no default actions: a container without an init.
    FirstProcess,
}

impl Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Once => "once",
            Self::Twice => "twice",
            Self::Timeout => "timeout",
            Self::FirstProcess => "as-process-1",
        })
    }
}

/// Starts it, signals it, waits for its end.
pub fn deliver(round: &Round, fault: &Fault, arguments: &[String]) -> Result<Finished, Outcome> {
    let (signal_name, seconds) = (fault.signals[0], format!("{:.3}", fault.delay_ms.max(1) as f64 / 1000.0));
    if fault.delivery == Delivery::Timeout {
        let before = ["timeout", "--preserve-status", "-s", signal_name, &seconds];
        let process = round.launch("told", through(&round.folder(), &before, arguments));
        return process
            .end_within(LIMIT + Duration::from_millis(fault.delay_ms), "its start, and the signal");
    }
    let mut process = match fault.delivery {
        Delivery::FirstProcess => {
            round.launch("told", through(&round.folder(), &namespace().unwrap(), arguments))
        }
        _ => round.start("told", arguments),
    };
    sleep_ms(fault.delay_ms);
    let target = if fault.delivery == Delivery::FirstProcess {
        wait_for_handler(round, &mut process)
    } else {
        Some(process.pid())
    };
    let Some(target) = target else { return process.end() };
    signal(target, signal_name);
    if fault.delivery == Delivery::Twice {
        sleep_ms(fault.gap_ms);
        signal(target, fault.signals[1]);
    }
    let finished = process.end_within(LIMIT, signal_name);
    if finished.is_err() {
        signal(target, "KILL");
    }
    finished
}

/// The first process of a namespace gets no signal that it does not listen for: waits until it does, gives its id.
fn wait_for_handler(round: &Round, process: &mut Process) -> Option<u32> {
    let pid = process.pid();
    let mut inner = None;
    wait_until(Duration::from_secs(5), || {
        inner = child_of(pid).filter(|inner| catches(*inner, 15));
        inner.is_some() || process.has_ended() || round.path("run/manifest.json").exists()
    });
    inner.or_else(|| child_of(pid)).filter(|_| !process.has_ended())
}

/// Whether a process has a handler for a signal.
fn catches(pid: u32, signal: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// How a process is started as the first of a namespace, if that is permitted.
pub fn namespace() -> Option<Vec<&'static str>> {
    static FOUND: OnceLock<Option<Vec<&'static str>>> = OnceLock::new();
    let ways = [vec!["unshare", "-pf", "--mount-proc"], vec!["unshare", "-rpf", "--mount-proc"]];
    let works = |way: &Vec<&str>| {
        let tried = Command::new(way[0]).args(&way[1..]).arg("true").output();
        tried.is_ok_and(|output| output.status.success())
    };
    FOUND.get_or_init(|| ways.into_iter().find(works)).clone()
}
