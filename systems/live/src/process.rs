//! The process: what the system says of it. Zeros where it says nothing.

use std::fs;
use std::path::Path;

/// Clock ticks of the kernel in a second: what Linux has on every machine since 2.6.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of processor time that this process has had.
pub fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, in brackets, may have blanks; user and system time are the 14th and the 15th field of proc(5).
    let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let times = after.split_whitespace().skip(11).take(2);
    times.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

/// Files and sockets that this process has open.
pub fn open_fds() -> u64 {
    fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64)
}

/// Bytes of the files in a folder, without those in folders of it.
pub fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .filter(|file| file.is_file())
        .map(|file| file.len())
        .sum()
}

/// Files and sockets that this process may have open; none where the system does not tell.
pub fn open_files_max() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
