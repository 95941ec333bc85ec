//! Services: systemd hears that a run has begun, that it goes on, and that it ends; and the program may be the first of a container.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::skip::skip;
use support::{command, read_json, signal, wait_until};

#[test]
fn a_service_manager_hears_that_the_run_begins_goes_on_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let arguments =
        ["run", "--entities", "2k", "--ticks", "1G", "--tick-rate", "100", "--out", "r", "--quiet"];
    let mut corec = command(folder.path(), &arguments);
    corec.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000").env_remove("WATCHDOG_PID");
    let mut child = corec.spawn().unwrap();
    let hear = || {
        let mut bytes = [0; 4096];
        let length = socket.recv(&mut bytes).expect("something is said within half a minute");
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let until = |wanted: &str| (0..200).map(|_| hear()).find(|said| said.contains(wanted)).unwrap();
    until("READY=1");
    // It is heard of again and again, and each time has come further.
    let tick = |said: String| -> u64 {
        let rest = said.split("STATUS=tick ").nth(1).unwrap_or_else(|| panic!("{said}"));
        rest.split(['/', ',']).next().unwrap().parse().unwrap()
    };
    let ticks: Vec<u64> = (0..3).map(|_| tick(until("WATCHDOG=1"))).collect();
    assert!(ticks.is_sorted_by(|a, b| a < b), "{ticks:?}");
    // A run that stands is not said to go on.
    signal(&child, "STOP");
    socket.set_nonblocking(true).unwrap();
    while socket.recv(&mut [0; 4096]).is_ok() {}
    std::thread::sleep(Duration::from_millis(500));
    assert!(socket.recv(&mut [0; 4096]).is_err());
    socket.set_nonblocking(false).unwrap();
    signal(&child, "CONT");
    until("WATCHDOG=1");
    signal(&child, "TERM");
    until("STOPPING=1");
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn the_first_process_of_a_container_ends_in_good_order_when_it_is_stopped() {
    let there = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        return skip("no namespace of processes may be made here (unshare)");
    }
    let folder = tempfile::tempdir().unwrap();
    let corec = env!("CARGO_BIN_EXE_corec");
    let mut outside = Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc", "--kill-child", corec, "run", "--entities", "20k"])
        .args(["--ticks", "1G", "--tick-rate", "100", "--out", "r", "--quiet"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let manifest = folder.path().join("r/manifest.json");
    wait_until("a manifest", || manifest.exists());
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", outside.id())).unwrap();
    let first = children.trim().to_string();
    let status = std::fs::read_to_string(format!("/proc/{first}/status")).unwrap();
    let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap();
    assert_eq!(pids.split_whitespace().last(), Some("1"), "{pids}");
    assert!(Command::new("kill").args(["-TERM", &first]).status().unwrap().success());
    assert_eq!(outside.wait().unwrap().code(), Some(143));
    assert_eq!(read_json(&manifest)["status"], "interrupted");
    assert_eq!(read_json(&folder.path().join("r/summary.json"))["snapshots"]["written"], 1);
}
