//! A system that never returned hung the run without a word, and SIGTERM was ignored: the systems that run are named, and a signal
//! ends the process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "how long a process lived")]

use std::process::Command;
use std::time::{Duration, Instant};

use bevy_app::{App, Update};
use corec::prelude::*;
use corec_core::config::{BlockGroup, Scenario};
use corec_run::{RunPlan, Stop, run};

fn never_returns(tick: Res<Tick>) {
    if tick.0 == 3 {
        loop {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
#[ignore = "hangs, for the test below"]
fn child_hangs() {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut app = App::new();
    app.add_plugins(CorecPlugin).add_systems(Update, never_returns);
    let cells = BlockGroup { id: "cells".into(), entities: 100, ..Default::default() };
    let scenario = Scenario { blocks: vec![cells], tick_seconds_max: 0.5, ..Default::default() };
    let stop = Stop::default();
    let signals = stop.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(2));
        signals.set(15);
    });
    let mut plan = RunPlan::new(scenario, Instant::now());
    plan.out = Some(std::env::var_os("COREC_OUT").unwrap().into());
    let ended = run(app, plan, &stop, &mut |_| {});
    panic!("it ended: {ended:?}");
}

#[test]
fn a_tick_that_hangs_names_its_systems_and_ends_by_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--ignored", "--exact", "--nocapture", "child_hangs"]);
    let output = child.env("COREC_OUT", folder.path().join("run")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(143), "{said}");
    assert!(start.elapsed() >= Duration::from_secs(10), "it had ten seconds");
    let told = said.matches("tick 3 has taken 0 s, more than tick_seconds_max").count();
    assert_eq!(told, 1, "{said}");
    assert!(said.contains("never_returns' on thread corec-"), "{said}");
    assert!(said.contains("ended by signal 15: tick 3 did not end in 10 s"), "{said}");
}
