//! Segments: a segment's nodes run on one thread or on the team. This is the unsafe part of the executor.
//!
//! One invariant carries it: **a node has the parts of the world it accesses to itself while it runs, and its system
//! to itself.** [`Plan`](super::plan::Plan) keeps the first half: of two nodes whose accesses conflict, one waits for the other. The
//! counters of [`State`] keep the second: a node is started by whoever brings its counter to zero, or takes it as a root that
//! waits for none, and by nobody else. One thread alone runs all nodes by their places, which is that order too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use bevy_ecs::schedule::{ConditionWithAccess, SystemWithAccess};
use bevy_ecs::system::{RunSystemError, System};
use bevy_ecs::world::World;
use bevy_ecs::world::unsafe_world_cell::UnsafeWorldCell;

use super::build::{SetConditions, SystemConditions};
use super::plan::{Node, Segment};
use super::report::{FailureKind, lock};
use super::state::State;
use super::supervisor::Supervisor;
use super::timing::{IdleSince, TIME_EVERY};
use crate::blocks::panic_message;
use crate::team::{self, Member, Work};

/// Nanoseconds of a segment above which a call in it was long.
const LONG: u64 = 50_000;
/// Runs of a schedule in which each call is timed after one was long.
const TIMED_AFTER_LONG: u64 = 4096;

/// What a segment has cost in the runs before.
#[derive(Clone, Copy, Default)]
pub(super) struct SegmentCost {
    /// Whether its systems, all together, are too short to be worth another thread.
    pub is_short: bool,
    /// The run up to which each call is timed, because one was long.
    pub timed_until: u64,
}

/// What a schedule runs, asks and changes. Nobody else has it meanwhile.
pub(super) struct ScheduleParts<'a> {
    pub systems: &'a mut [SystemWithAccess],
    pub system_conditions: &'a mut [SystemConditions],
    pub set_conditions: &'a mut [SetConditions],
    pub world: &'a mut World,
}

/// Runs the segment `at` of the supervisor's plan, in the `runs`th run of its schedule.
///
/// # Safety
/// The plan was made of these systems and conditions, which were initialised with this world.
pub(super) unsafe fn run_segment(
    at: usize,
    parts: &mut ScheduleParts,
    supervisor: Supervisor,
    runs: u64,
    cost: &mut SegmentCost,
) {
    let ScheduleParts { systems, system_conditions, set_conditions, world } = parts;
    let run = SegmentRun {
        systems: systems.as_mut_ptr(),
        system_conditions: system_conditions.as_mut_ptr(),
        set_conditions: set_conditions.as_mut_ptr(),
        supervisor,
        world: world.as_unsafe_world_cell(),
    };
    match &supervisor.plan.segments[at] {
        Segment::Together(range) => {
            let is_short = cost.is_short || range.len() == 1;
            match team::member().filter(|_| !is_short) {
                // SAFETY: `parts` has `&mut World`.
                None => unsafe { run.one_by_one(range.clone(), runs, cost) },
                Some(lead) => run.together(range.clone(), &supervisor.plan.roots[at], &lead),
            }
        }
        Segment::Alone(node) => {
            let Node::System(index) = supervisor.plan.nodes[*node] else {
                unreachable!("only systems run alone")
            };
            // SAFETY: nothing else runs, and `parts` has `&mut World`.
            if unsafe { run.should_run(index) } {
                supervisor.call(index, IdleSince::now(), || {
                    systems[index].run_without_applying_deferred((), world)
                });
            }
        }
        Segment::Apply => supervisor.apply_deferred(systems, world),
        Segment::ApplyDeferred(index) => {
            // SAFETY: nothing else runs, and `parts` has `&mut World`.
            if unsafe { run.should_run(*index) } {
                supervisor.apply_deferred(systems, world);
            }
        }
    }
}

/// One run of a segment, as every worker sees it.
#[derive(Clone, Copy)]
struct SegmentRun<'a> {
    systems: *mut SystemWithAccess,
    system_conditions: *mut SystemConditions,
    set_conditions: *mut SetConditions,
    supervisor: Supervisor<'a>,
    world: UnsafeWorldCell<'a>,
}

// SAFETY: the pointers are to systems and conditions, all Send and Sync; by the module's invariant a node touches
// only its own, and each node is run by one worker at a time.
unsafe impl Send for SegmentRun<'_> {}
// SAFETY: as above.
unsafe impl Sync for SegmentRun<'_> {}

/// Nodes that may run at the same time, as the members of the team see them.
struct SegmentWork<'a> {
    run: SegmentRun<'a>,
    roots: &'a [u32],
    /// Who waits for all of them.
    lead: &'a Member,
}

impl Work for SegmentWork<'_> {
    fn is_ready(&self) -> bool {
        let State { next_root, ready, .. } = self.run.supervisor.state;
        next_root.load(Ordering::Relaxed) < self.roots.len() || !lock(ready).is_empty()
    }

    fn work(&self) {
        let mut idle = None;
        while let Some(node) = self.take() {
            idle = Some(self.chain(node, idle.unwrap_or_else(IdleSince::now)));
        }
    }
}

impl SegmentWork<'_> {
    fn is_done(&self) -> bool {
        self.run.supervisor.state.left.load(Ordering::SeqCst) == 0
    }

    /// A node that is ready, for nobody else.
    fn take(&self) -> Option<usize> {
        let State { next_root, ready, .. } = self.run.supervisor.state;
        // Each number is given out once, so each root is run by one member.
        let root = (next_root.load(Ordering::Relaxed) < self.roots.len())
            .then(|| next_root.fetch_add(1, Ordering::Relaxed))
            .and_then(|at| self.roots.get(at).copied());
        root.or_else(|| lock(ready).pop()).map(|node| node as usize)
    }

    /// Runs `node`, then whichever nodes this makes ready: the first on this thread, the others for anyone.
    fn chain(&self, mut node: usize, mut idle: IdleSince) -> IdleSince {
        let Supervisor { plan, state, .. } = self.run.supervisor;
        loop {
            // SAFETY: whoever brings a node's counter to zero starts it or leaves it for one who takes it, and a root, whose
            // counter starts there, is taken once; so it runs once at a time, after all that it conflicts with.
            idle = unsafe { self.run.node(node, idle) };
            let mut next = None;
            for &successor in &plan.successors[node] {
                // Release what this node wrote, acquire what the others did that `successor` waited for.
                if state.waits_for[successor as usize].fetch_sub(1, Ordering::AcqRel) != 1 {
                    continue;
                }
                if next.is_none() {
                    next = Some(successor as usize);
                } else {
                    lock(&state.ready).push(successor);
                    self.lead.call();
                }
            }
            if state.left.fetch_sub(1, Ordering::SeqCst) == 1 {
                self.lead.wake();
            }
            match next {
                Some(successor) => node = successor,
                None => return idle,
            }
        }
    }
}

impl SegmentRun<'_> {
    /// Runs the nodes of a segment on this thread, by their places.
    ///
    /// # Safety
    /// Nobody else has the world.
    unsafe fn one_by_one(&self, nodes: std::ops::Range<usize>, run: u64, cost: &mut SegmentCost) {
        let is_timed =
            !cost.is_short || run <= cost.timed_until.max(TIME_EVERY) || self.supervisor.trace.is_some();
        let start = IdleSince::now();
        let mut idle = start;
        let run_nodes = Self { supervisor: Supervisor { is_timed, ..self.supervisor }, ..*self };
        for node in nodes {
            // SAFETY: one after the other, which keeps the module's invariant.
            idle = unsafe { run_nodes.node(node, idle) };
        }
        let end = if is_timed { idle } else { IdleSince::now() };
        if end.nanoseconds_since(start) > LONG {
            cost.timed_until = run + TIMED_AFTER_LONG;
        }
    }

    /// Runs the nodes of a segment on the team.
    fn together(&self, nodes: std::ops::Range<usize>, roots: &[u32], lead: &Member) {
        let Supervisor { plan, state, .. } = self.supervisor;
        state.left.store(nodes.len(), Ordering::Relaxed);
        for node in nodes {
            state.waits_for[node].store(plan.waits_for[node], Ordering::Relaxed);
        }
        state.next_root.store(0, Ordering::Relaxed);
        let work = SegmentWork { run: *self, roots, lead };
        lead.share(&work, || {
            work.work();
            lead.help_until(|| work.is_done());
        });
    }

    /// Runs a node on an idle thread.
    ///
    /// # Safety
    /// The module's invariant: nobody else runs this node or one that conflicts with it.
    unsafe fn node(&self, node: usize, idle: IdleSince) -> IdleSince {
        match self.supervisor.plan.nodes[node] {
            Node::SetConditions(set) => {
                // SAFETY: only this node touches the set's conditions, and there are as many sets as the plan knows.
                let of = unsafe { &mut *self.set_conditions.add(set) };
                // SAFETY: the conditions' access was planned for. A failing one stops the set's first system.
                let holds = unsafe { self.all_hold(&mut of.conditions, of.members[0]) };
                self.supervisor.state.set_holds[set].store(holds, Ordering::Release);
                idle
            }
            Node::System(index) => {
                // SAFETY: only this node touches the system's conditions; their access was planned for.
                if !unsafe { self.should_run(index) } {
                    return idle;
                }
                // SAFETY: only this node touches the system, and `systems` has one for every index of the plan.
                let system = unsafe { &mut *self.systems.add(index) };
                // SAFETY: the system was initialised with this world by the schedule's build; the module's invariant
                // gives it what it accesses.
                self.supervisor.call(index, idle, || unsafe { system.run_unsafe((), self.world) })
            }
        }
    }

    /// Asks a system's conditions, and what its sets' conditions said.
    ///
    /// # Safety
    /// As for [`SegmentRun::node`].
    unsafe fn should_run(&self, index: usize) -> bool {
        let Supervisor { plan, state, .. } = self.supervisor;
        if state.stopped[index].load(Ordering::Acquire) || state.paused[index].load(Ordering::Acquire) {
            return false;
        }
        let sets = plan.sets_of[index].iter().all(|&set| state.set_holds[set].load(Ordering::Acquire));
        // SAFETY: only this node touches the system's conditions, and there is an entry for every system.
        let of = unsafe { &mut *self.system_conditions.add(index) };
        // SAFETY: as for this function. Asked even when a set said no: conditions may count how often they are.
        unsafe { self.all_hold(&mut of.conditions, index) && sets }
    }

    /// Asks all conditions, without a short cut, as Bevy does. One that fails stops the system `index`.
    ///
    /// # Safety
    /// As for [`SegmentRun::node`], for what the conditions access.
    unsafe fn all_hold(&self, conditions: &mut [ConditionWithAccess], index: usize) -> bool {
        let mut all = true;
        for condition in conditions {
            // SAFETY: the condition was initialised with this world; its access was planned for.
            let ask = AssertUnwindSafe(|| unsafe { condition.run_unsafe((), self.world) });
            let message = match catch_unwind(ask) {
                Ok(Ok(holds)) => {
                    all &= holds;
                    continue;
                }
                Ok(Err(RunSystemError::Skipped(_))) => {
                    all = false;
                    continue;
                }
                Ok(Err(RunSystemError::Failed(error))) => error.to_string(),
                Err(payload) => panic_message(&*payload),
            };
            all = false;
            self.supervisor.state.stopped[index].store(true, Ordering::Release);
            self.supervisor.report(index, FailureKind::Error, format!("its run condition: {message}"), true);
        }
        all
    }
}
