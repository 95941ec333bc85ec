//! Machine: room on the disk and in memory, and how many files may be open.

use std::fs;
use std::path::{Path, PathBuf};

use corec_bridges::finding::{Finding, Findings};
use corec_bridges::store::writable;
use corec_core::units::MemoryMax;

/// Room on the disk that any run should have, and how much may wait there for each server that is away.
const DISK_MIN: u64 = 256 << 20;
const SPOOL: u64 = 1 << 30;
/// Files that a run may have open at once, generously: its own, its servers', its plugins'.
const FILES_MIN: u64 = 256;

/// What a run will ask of a machine.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// Bytes of memory, and what the scenario allows; none where there is no scenario.
    pub memory: Option<(u64, MemoryMax)>,
    /// Servers that may be away.
    pub servers: u64,
}

/// Looks at the machine that the run's folder is on.
pub(super) fn examine(wanted: Wanted) -> Vec<Finding> {
    let mut findings = Findings::of("machine");
    disk(wanted, &mut findings);
    memory(wanted, &mut findings);
    match open_files() {
        Some(limit) if limit < FILES_MIN => {
            findings.fix(
                "open files",
                format!("found a limit of {limit}, must be {FILES_MIN} or more: ulimit -n 1024"),
            );
        }
        Some(u64::MAX) => findings.ok("open files", "as many as are wanted"),
        Some(limit) => findings.ok("open files", format!("{limit} at once")),
        None => {}
    }
    findings.finish()
}

/// Where runs have their folders, or where that folder would be.
fn runs() -> PathBuf {
    let runs = Path::new("runs");
    if runs.is_dir() { runs.into() } else { PathBuf::from(".") }
}

fn disk(wanted: Wanted, findings: &mut Findings) {
    let folder = runs();
    let place = fs::canonicalize(&folder).unwrap_or_else(|_| folder.clone());
    let shown = place.display();
    if let Err(error) = writable(&folder) {
        return findings.fix("folder", format!("{shown}: {error}, must be writable, or give --out DIR"));
    }
    findings.ok("folder", format!("{shown} may be written"));
    // One snapshot is made of every run that is interrupted.
    let needed = DISK_MIN + wanted.servers * SPOOL + wanted.memory.map_or(0, |(bytes, _)| bytes);
    let free = match rustix::fs::statvfs(&folder) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => return findings.fix("disk", format!("{shown}: {error}")),
    };
    let is_ok = free >= needed;
    let (free, needed) = (gigabytes(free), gigabytes(needed));
    let todo = if is_ok {
        String::new()
    } else {
        format!(
            ", must be {needed}: a snapshot, and what waits for servers that are away; or give --out DIR elsewhere"
        )
    };
    findings.note("disk", is_ok, format!("{free} free at {shown}{todo}"));
}

fn memory(wanted: Wanted, findings: &mut Findings) {
    let available = available();
    let available_text = available
        .map_or_else(|| "what is free is not known".into(), |bytes| format!("{} free", gigabytes(bytes)));
    let Some((needed, max)) = wanted.memory else {
        return findings.ok("memory", available_text);
    };
    let needed_text = format!("{} needed, {available_text}", gigabytes(needed));
    let allowed = corec_core::memory::limit(max);
    if let Some(allowed) = allowed.filter(|allowed| needed > *allowed) {
        let todo = "fewer entities, or a higher memory_max";
        findings.fix("memory", format!("{needed_text}, must be at most {}: {todo}", gigabytes(allowed)));
    } else if available.is_some_and(|available| needed > available) {
        findings.fix("memory", format!("{needed_text}, must be free: end other programs, or fewer entities"));
    } else {
        findings.ok("memory", needed_text);
    }
}

/// Bytes that new programs may have without others giving any up, as the system sees it.
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// How many files this process may have open; `u64::MAX` without a limit.
fn open_files() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let soft =
        text.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?;
    if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
}

fn gigabytes(bytes: u64) -> String {
    if bytes < 1_000_000_000 {
        format!("{:.1} MB", bytes as f64 / 1e6)
    } else {
        format!("{:.1} GB", bytes as f64 / 1e9)
    }
}
