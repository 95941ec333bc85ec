//! The executor: runs a schedule's systems on the team's threads, in an order that no thread count can change.
//!
//! bevy_ecs runs a schedule through the public `SystemExecutor` trait. Ours takes the flattened dependency graph in a
//! build pass (`build`), orders every conflicting pair by one fixed topological order (`order`, `plan`) and runs the
//! resulting graph on the current thread's team (`run`, `segment`), where systems may use rayon themselves. Panics and
//! errors of systems are caught and kept (`supervisor`, `report`); every system is timed (`timing`).

mod isolation;
mod order;
mod timing;

mod report;

mod ambiguity;
mod build;
mod plan;
mod state;

mod supervisor;

#[expect(unsafe_code, reason = "runs systems with disjoint accesses on one world at the same time")]
mod segment;

#[expect(unsafe_code, reason = "takes a schedule's systems in hand")]
mod run;

use std::sync::Arc;

use bevy_ecs::intern::Interned;
use bevy_ecs::schedule::{Schedule, ScheduleLabel};

pub(crate) use report::Touched;
pub use report::{Ambiguity, Failure, FailureKind, PluginErrors, Reports};
pub use timing::{Running, SystemTiming};

use build::{BuildPass, BuiltSchedule, SharedSchedule};
use run::TeamExecutor;

/// Gives `schedule` the executor. `reports` collects what its systems do.
pub fn install(schedule: &mut Schedule, reports: &Reports) {
    let label: Interned<dyn ScheduleLabel> = schedule.label();
    let shared: SharedSchedule = Arc::new(BuiltSchedule::new(label, reports.clone()).into());
    schedule.add_build_pass(BuildPass::new(shared.clone()));
    schedule.set_executor(TeamExecutor::new(shared));
}

#[cfg(test)]
mod tests;
