//! Killed: a run as a process that is killed at ticks spread over it, and restored each time.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use corec::prelude::{Draws, rng};
use corec_run::Stop;
use corec_run::recorded::RecordedRun;
use corec_run::verify::{Digests, Divergence, Mark, OutputDigests, Rerun, TempFolder};
use corec_run::{JOURNAL, RunError, SUMMARY};
use serde_json::Value;
use signal_hook::consts::SIGKILL;

use super::VerifyArgs;
use super::recorded::{last_of, recorded};

/// A run that was killed and restored. Its folder is removed with it.
pub struct Killed {
    folder: TempFolder,
    /// The last tick that it can be killed at.
    last: u64,
    /// The ticks that it was restored at.
    restored: Vec<u64>,
    /// What it has come to.
    pub digests: Digests,
    /// What it has said.
    pub told: Option<OutputDigests>,
    /// Why it ended before its end: a tick that it did again was another.
    pub broke_off: Option<String>,
}

fn failed(what: impl ToString) -> RunError {
    RunError::Failed(format!("--kill: {}", what.to_string()))
}

impl Killed {
    /// Runs it on `threads` threads. `end` is the tick that it ends with.
    ///
    /// # Errors
    /// What the runs say; an interruption.
    pub fn new(
        args: &VerifyArgs,
        again: &Rerun,
        run: Option<&RecordedRun>,
        threads: u32,
        end: u64,
    ) -> Result<Self, RunError> {
        let mut killed = Self {
            folder: TempFolder::new("corec-verify-kill").map_err(failed)?,
            // A run over a table ends with its last tick, before it could be killed there.
            last: end.saturating_sub(1),
            restored: Vec::new(),
            digests: Digests::new(),
            told: None,
            broke_off: None,
        };
        killed.run(args, again, run, threads)?;
        Ok(killed)
    }

    fn run(
        &mut self,
        args: &VerifyArgs,
        again: &Rerun,
        run: Option<&RecordedRun>,
        threads: u32,
    ) -> Result<(), RunError> {
        let scenario = self.folder.path().join("scenario.json");
        let text = serde_json::to_vec(&again.scenario).map_err(failed)?;
        std::fs::write(&scenario, text).map_err(failed)?;
        let out = self.folder.path().join("run");
        if let Some(run) = run {
            run.copy_without_digests(&out)?;
        }
        for kill in kill_ticks(again, args.kill, self.last).into_iter().map(Some).chain([None]) {
            let mut command = command(again, threads)?;
            let at = snapshot_tick(&out);
            if run.is_some() || at.is_some() {
                self.restored.extend(at.filter(|at| *at < again.ticks && !self.restored.contains(at)));
                command.arg("--restore").arg(&out);
            } else {
                _ = std::fs::remove_dir_all(&out);
                command.arg(&scenario).arg("--out").arg(&out);
                if let Some(plugins) = &args.plugins {
                    command.arg("--plugins").arg(plugins);
                }
                // The scenario is written elsewhere; its plugins are where they were.
                let beside = Path::new(&args.what).parent().filter(|beside| !beside.as_os_str().is_empty());
                command.arg("--plugins-beside").arg(beside.unwrap_or(Path::new(".")));
            }
            if run.is_some() {
                command.arg("--input-recorded");
            }
            if let Some(tick) = kill {
                command.args(["--kill-at", &tick.to_string()]);
            }
            let errors = self.folder.path().join("stderr");
            command.stderr(std::fs::File::create(&errors).map_err(failed)?);
            let status = finish(command, again.stop).map_err(failed)?;
            if let Some(signal) = again.stop.signal() {
                return Err(RunError::Interrupted(signal));
            }
            let is_as_asked =
                if kill.is_some() { status.signal() == Some(SIGKILL) } else { status.success() };
            if !is_as_asked {
                let said = std::fs::read_to_string(&errors).unwrap_or_default();
                let why = format!("the run ended with {status}, said: {}", said.trim_end());
                // Without a restore it is no run that a restore has changed.
                if self.restored.is_empty() && run.is_none() {
                    return Err(failed(why));
                }
                super::super::tell(&format!("killed and restored: {why}"));
                self.broke_off = Some(why);
                return Ok(());
            }
            if let Some(tick) = kill {
                super::super::tell(&format!("killed at tick {tick}"));
            }
        }
        self.take_digests(&out, again)?;
        let times = corec_run::settings::counted(args.kill.into(), "time");
        super::super::tell(&format!("killed {times} and restored: {}", last_of(&self.digests)));
        Ok(())
    }

    /// Takes what the run in `out` has come to and what it has said from its journal and its summary.
    fn take_digests(&mut self, out: &Path, again: &Rerun) -> Result<(), RunError> {
        self.digests = recorded(&out.join(JOURNAL), again.ticks)?.digests;
        self.digests.retain(|mark| mark.tick.is_multiple_of(again.interval) || mark.tick == again.ticks);
        let summary = std::fs::read(out.join(SUMMARY)).map_err(failed)?;
        let summary: Value = serde_json::from_slice(&summary).map_err(failed)?;
        let hex = |key: &str| summary[key].as_str().and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let (end, said) = (hex("state_digest"), hex("output_digest"));
        if let (Some(end), Some(tick)) = (end, summary["tick"].as_u64())
            && self.digests.last().is_none_or(|last| last.tick < tick)
        {
            self.digests.push(Mark { tick, state: end, said });
        }
        self.told = serde_json::from_value(summary["outputs"].clone()).ok();
        Ok(())
    }

    /// Where a run that is restored parts from one that is not, and the tick that it was restored at, if it does so in one process as
    /// well; else in what the newest snapshot of the killed run differs.
    ///
    /// # Errors
    /// What the runs or the snapshots say.
    pub fn diverges(
        &self,
        again: &Rerun,
        threads: u32,
    ) -> Result<(Option<Divergence>, Option<u64>), RunError> {
        // A journal's input goes on where the snapshot was made: nobody else reads it from there.
        if again.journal.is_none() {
            for &at in &self.restored {
                if let Some(parting) = again.diverges_after_restore(threads, at)? {
                    return Ok((Some(parting), Some(at)));
                }
            }
        }
        // One that broke off before it had written anything has nothing to compare.
        let run = RecordedRun::open(&self.folder.path().join("run")).ok();
        let snapshot = run.and_then(|run| run.snapshot(u64::MAX, None));
        let parting = snapshot.map(|snapshot| again.diverges_from(threads, &snapshot)).transpose()?;
        Ok((parting.flatten(), None))
    }
}

/// The ticks to be killed at, up to `last`: one in each part of the run, where the seed says.
fn kill_ticks(again: &Rerun, times: u32, last: u64) -> Vec<u64> {
    if last == 0 {
        return Vec::new();
    }
    let (draws, times) = (Draws::new(again.scenario.seed, "verify"), u64::from(times));
    let tick = |i: u64| {
        let (from, to) = (last * i / times, last * (i + 1) / times);
        let length = (to - from).clamp(1, u64::from(u32::MAX)) as u32;
        1 + from + u64::from(rng::below(draws.words(i, 0, 0)[0], length))
    };
    (0..times).map(|i| tick(i).min(last)).collect()
}

/// Ticks between two snapshots: about a tenth of the run, and a prime. What has a period of its own would else be restored at its beginning.
fn snapshot_interval(ticks: u64) -> u64 {
    let is_prime = |n: &u64| (2..).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
    (2..=(ticks / 10).max(2)).rev().find(is_prime).expect("2 is a prime")
}

fn command(again: &Rerun, threads: u32) -> Result<Command, RunError> {
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command.arg("run").args(["--quiet", "--store", "memory", "--plugins-read-only", "--no-http"]);
    command.args(["--ticks", &again.ticks.to_string()]);
    command.args(["--snapshot-interval", &snapshot_interval(again.ticks).to_string()]);
    command.args(["--digest-interval", &again.interval.to_string()]);
    command.args(["--threads", &threads.to_string()]);
    command.stdin(Stdio::null());
    Ok(command)
}

/// Waits for a process, and takes it along if a signal comes.
fn finish(mut command: Command, stop: &Stop) -> Result<ExitStatus, String> {
    let mut child = command.spawn().map_err(|e| e.to_string())?;
    loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            return Ok(status);
        }
        if stop.is_set() {
            _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The tick of the snapshot that a run would be restored from.
fn snapshot_tick(run: &Path) -> Option<u64> {
    let run = RecordedRun::open(run).ok()?;
    let extent = run.extent().ok().flatten();
    run.snapshot(u64::MAX, extent.as_ref()).map(|snapshot| snapshot.head().tick)
}
