//! Only the limit at the top of the cgroups counted: a unit with less memory than its machine was started and killed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

/// Runs a million entities in a mount namespace of its own, where a tree of cgroups that limits `group` to 64 MiB lies over the
/// machine's, and the process is in `own`. None where that is not permitted.
fn exit_status(group: &str, own: &str) -> Option<i32> {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "set -e
        mount -t tmpfs tmpfs /sys/fs/cgroup && echo 0::{own} > group && mount --bind group /proc/$$/cgroup || exit 99
        mkdir -p /sys/fs/cgroup{group} && echo 67108864 > /sys/fs/cgroup{group}/memory.max
        exec {} run --entities 1M --ticks 2 --quiet",
        env!("CARGO_BIN_EXE_corec")
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script]).current_dir(folder.path());
    let output = command.output().ok()?;
    let err = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(99) || err.starts_with("unshare") {
        eprintln!("skipped: no mount namespace here: {err}");
        return None;
    }
    let is_refused = output.status.code() == Some(2);
    assert_eq!(is_refused, err.contains("must be at most 60 MB (90%)"), "64 MiB at '{group}': {err}");
    output.status.code()
}

#[test]
fn a_limit_anywhere_above_the_own_group_keeps_a_run_from_starting() {
    let own = "/system.slice/corec.service";
    for group in [own, "/system.slice", ""] {
        assert!(exit_status(group, own).is_none_or(|status| status == 2), "64 MiB at '{group}'");
    }
    for group in ["/system.slice/other.service", "/user.slice"] {
        assert!(exit_status(group, own).is_none_or(|status| status == 0), "64 MiB at '{group}', of others");
    }
}
