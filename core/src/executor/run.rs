//! The run: the executor that a schedule is given keeps the plan in step with the schedule, and runs its segments one after the other.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bevy_app::{PostStartup, PreStartup, Startup};
use bevy_ecs::error::{BevyError, ErrorContext};
use bevy_ecs::intern::Interned;
use bevy_ecs::schedule::{FixedBitSet, ScheduleLabel, SystemExecutor, SystemSchedule, SystemWithAccess};
use bevy_ecs::system::System;
use bevy_ecs::world::World;

use super::build::{BuiltSchedule, SharedSchedule};
use super::plan::{Node, Plan, Segment};
use super::report::{Failure, FailureKind, lock};
use super::segment::{ScheduleParts, SegmentCost, run_segment};
use super::state::State;
use super::supervisor::Supervisor;
use super::timing::{TIME_EVERY, TimingCell};
use crate::phase::{Close, Owner, Shutdown};
use crate::place;

/// Runs of a schedule between two looks at how long its systems take, once it has run for a while.
const LOOK_EVERY: u64 = 64;
/// Nanoseconds that systems side by side must save to be handed to another thread, whose caches are cold: several times what it takes
/// to hand them over.
const GAIN_MIN: u64 = 10_000;

/// Runs a schedule's systems on the team of the current thread.
pub(super) struct TeamExecutor {
    shared: SharedSchedule,
    plan: Plan,
    state: State,
    /// How often the plan has been run.
    runs: u64,
    /// By system: nanoseconds before that.
    before: Vec<u64>,
    /// By segment.
    costs: Vec<SegmentCost>,
    /// Whether its systems have no second try.
    is_once: bool,
    apply_final_deferred: bool,
}

impl TeamExecutor {
    pub fn new(shared: SharedSchedule) -> Self {
        let is_once = is_run_once(lock(&shared).label);
        Self {
            shared,
            plan: Plan::default(),
            state: State::default(),
            runs: 0,
            before: Vec::new(),
            costs: Vec::new(),
            is_once,
            apply_final_deferred: true,
        }
    }

    /// Makes the plan anew, after the schedule was built.
    fn rebuild(&mut self, built: &BuiltSchedule, systems: &[SystemWithAccess]) {
        self.plan = Plan::new(built, systems);
        self.state = State::new(built, &self.plan, &self.state);
        (self.runs, self.costs) = (0, vec![SegmentCost::default(); self.plan.segments.len()]);
        self.before = built.timings.iter().map(|timing| timing.nanoseconds().unwrap_or(0)).collect();
    }

    /// Looks now and then which segments are worth more than one thread: in those that gain less than a hand-over costs, one thread
    /// runs them all. What a system does by itself in parallel is shared in any case.
    fn find_short_segments(&mut self, timings: &[TimingCell]) {
        self.runs += 1;
        let runs = self.runs;
        if !runs.is_power_of_two() && !runs.is_multiple_of(LOOK_EVERY) {
            return;
        }
        for (segment, cost) in self.plan.segments.iter().zip(&mut self.costs) {
            let Segment::Together(nodes) = segment else { continue };
            let (mut total, mut longest) = (0, 0);
            for node in nodes.clone() {
                if let Node::System(index) = self.plan.nodes[node] {
                    // Of one that has not run nothing is known, until it seems to run seldom.
                    let unknown = if runs <= TIME_EVERY { GAIN_MIN } else { 0 };
                    let here = |all: u64| all.saturating_sub(self.before[index]) / runs;
                    let each_run = timings[index].nanoseconds().map_or(unknown, here);
                    (total, longest) = (total + each_run, longest.max(each_run));
                }
            }
            cost.is_short = total - longest < GAIN_MIN;
        }
    }

    /// Stops the systems of plugins that have been stopped since the last run, and holds those of plugins that are paused. Between two runs,
    /// so that the tick in which a plugin fails is the same at any thread count.
    fn hold_plugins(&mut self, built: &BuiltSchedule) {
        let holds = built.reports.holds();
        if holds == self.state.holds {
            return;
        }
        self.state.holds = holds;
        let (stopped, paused) = (built.reports.stopped(), built.reports.paused());
        for (at, owner) in built.owners.iter().enumerate() {
            let Some(Owner::Plugin(plugin)) = owner else { continue };
            if stopped.contains(plugin) {
                self.state.stopped[at].store(true, Ordering::Release);
            }
            self.state.paused[at].store(paused.contains(plugin), Ordering::Release);
        }
    }
}

impl SystemExecutor for TeamExecutor {
    fn init(&mut self, _: &SystemSchedule) {
        self.plan = Plan::default();
    }

    fn set_apply_final_deferred(&mut self, value: bool) {
        self.apply_final_deferred = value;
    }

    fn run(
        &mut self,
        schedule: &mut SystemSchedule,
        world: &mut World,
        _skip: Option<&FixedBitSet>,
        _handler: fn(BevyError, ErrorContext),
    ) {
        // SAFETY: systems are run and asked, never replaced.
        let systems = unsafe { schedule.systems_mut() };
        if systems.is_empty() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let built = &mut *lock(&shared);
        if !is_pinned(built, systems) {
            built.reports.add_failure(order_not_pinned(built.label));
            return;
        }
        if self.plan.version != built.version {
            self.rebuild(built, systems);
        }
        self.hold_plugins(built);
        self.find_short_segments(&built.timings);
        built.clamp_change_ticks();
        let (plan, state, runs) = (&self.plan, &self.state, self.runs);
        let supervisor = Supervisor {
            reports: &built.reports,
            trace: built.reports.trace(),
            owners: &built.owners,
            writes: &built.writes,
            intervals: &built.intervals,
            timings: &built.timings,
            max_failures: if self.is_once { 1 } else { built.reports.max_failures() },
            plan,
            state,
            is_timed: true,
            place: place::here(),
        };
        let mut parts = ScheduleParts {
            systems,
            system_conditions: &mut built.system_conditions,
            set_conditions: &mut built.set_conditions,
            world,
        };
        for (at, cost) in self.costs.iter_mut().enumerate() {
            // SAFETY: the plan was made of these systems and conditions as they were built last; that build initialised them
            // with this world.
            unsafe { run_segment(at, &mut parts, supervisor, runs, cost) };
        }
        if self.apply_final_deferred {
            supervisor.apply_deferred(parts.systems, parts.world);
        }
    }
}

/// Whether bevy_ecs has put the systems into the order that the build pass pinned.
fn is_pinned(built: &BuiltSchedule, systems: &[SystemWithAccess]) -> bool {
    let types = systems.iter().map(System::system_type);
    built.types.len() == systems.len() && types.eq(built.types.iter().copied())
}

/// `chain_weak` may drop an edge that pinned the order.
fn order_not_pinned(label: Interned<dyn ScheduleLabel>) -> Failure {
    Failure {
        system: format!("schedule {label:?}"),
        owner: None,
        kind: FailureKind::Error,
        message: "its order can't be pinned: order its systems with chain, before or after, not chain_weak"
            .into(),
        stopped: true,
        writes: true,
    }
}

fn is_run_once(label: Interned<dyn ScheduleLabel>) -> bool {
    [PreStartup.intern(), Startup.intern(), PostStartup.intern(), Shutdown.intern(), Close.intern()]
        .contains(&label)
}
