//! The supervisor: times each call of a system, catches its panic, counts its errors, and stops it when it has failed for good.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use bevy_ecs::schedule::SystemWithAccess;
use bevy_ecs::system::{RunSystemError, System};
use bevy_ecs::world::World;

use super::plan::Plan;
use super::report::{Failure, FailureKind, Reports};
use super::state::State;
use super::timing::{IdleSince, TimingCell};
use crate::blocks::panic_message;
use crate::interval;
use crate::phase::Owner;
use crate::place::{self, Place};
use crate::trace::Trace;

/// Calls systems: times them, and stops or reports those that fail.
#[derive(Clone, Copy)]
pub(super) struct Supervisor<'a> {
    pub reports: &'a Reports,
    pub trace: Option<&'a Trace>,
    pub owners: &'a [Option<Owner>],
    pub writes: &'a [bool],
    pub intervals: &'a [u64],
    pub timings: &'a [TimingCell],
    pub max_failures: u64,
    pub plan: &'a Plan,
    pub state: &'a State,
    /// Whether calls are timed, and not only counted.
    pub is_timed: bool,
    /// Where the schedule is run.
    pub place: Place,
}

impl Supervisor<'_> {
    /// Times a system's call, catches its panic and counts its errors.
    pub fn call(
        &self,
        index: usize,
        idle: IdleSince,
        call: impl FnOnce() -> Result<(), RunSystemError>,
    ) -> IdleSince {
        let plugin = match self.owners[index] {
            Some(Owner::Plugin(name)) => Some(name),
            _ => None,
        };
        let call = || interval::run_every(self.intervals[index], || catch_unwind(AssertUnwindSafe(call)));
        let call = || place::at(Place { plugin, ..self.place }, call);
        let timing = &self.timings[index];
        let start = if self.is_timed { Some(idle) } else { timing.is_due().then(IdleSince::now) };
        let result = timing.count(idle.thread(), call);
        let idle = start.map_or(idle, |start| timing.time(self.trace, start));
        match result {
            Ok(Ok(())) if !self.plan.deferred[index] => {}
            Ok(Ok(())) => self.state.ran[index].store(true, Ordering::Release),
            Ok(Err(RunSystemError::Skipped(_))) => {}
            Ok(Err(RunSystemError::Failed(error))) => {
                // What it queued before the error counts, as under Bevy.
                self.state.ran[index].store(true, Ordering::Release);
                let errors = self.state.errors[index].fetch_add(1, Ordering::Relaxed) + 1;
                let stopped = u64::from(errors) >= self.max_failures;
                self.state.stopped[index].store(stopped, Ordering::Release);
                let message = error.to_string().lines().next().unwrap_or_default().to_string();
                self.report(index, FailureKind::Error, message, stopped);
            }
            Err(payload) => {
                // It never runs again, and what it queued is never applied.
                self.state.stopped[index].store(true, Ordering::Release);
                self.report(index, FailureKind::Panic, panic_message(&*payload), true);
            }
        }
        idle
    }

    /// Applies the commands of every system that ran since the last time, in order.
    pub fn apply_deferred(&self, systems: &mut [SystemWithAccess], world: &mut World) {
        for (index, system) in systems.iter_mut().enumerate() {
            if !self.plan.deferred[index] || !self.state.ran[index].swap(false, Ordering::AcqRel) {
                continue;
            }
            // A panic leaves the rest of this system's commands unapplied, and the system stopped. A command has the whole world: what it
            // did before it failed may be anyone's.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| system.apply_deferred(world))) {
                self.state.stopped[index].store(true, Ordering::Release);
                let message = format!("while its commands were applied: {}", panic_message(&*payload));
                self.report_of(index, FailureKind::Panic, message, true, true);
            }
        }
    }

    /// Reports that the system `index` failed.
    pub fn report(&self, index: usize, kind: FailureKind, message: String, stopped: bool) {
        self.report_of(index, kind, message, stopped, self.writes[index]);
    }

    fn report_of(&self, index: usize, kind: FailureKind, message: String, stopped: bool, writes: bool) {
        let (system, owner) = (self.timings[index].name.to_string(), self.owners[index]);
        self.reports.add_failure(Failure { system, owner, kind, message, stopped, writes });
    }
}
