//! Running the plan on the team. The unsafe part of the executor.
//!
//! One invariant carries it: **a node has the parts of the world it accesses to itself while it runs, and its system
//! to itself.** [`Plan`] keeps the first half: of two nodes whose accesses conflict, one waits for the other. The
//! counters below keep the second: a node is started by whoever brings its counter to zero, or takes it as a root that
//! waits for none, and by nobody else. One thread alone runs all nodes by their places, which is that order too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bevy_app::{PostStartup, PreStartup, Startup};
use bevy_ecs::error::{BevyError, ErrorContext};
use bevy_ecs::intern::Interned;
use bevy_ecs::schedule::{
    ConditionWithAccess, FixedBitSet, ScheduleLabel, SystemExecutor, SystemKey, SystemSchedule,
    SystemWithAccess,
};
use bevy_ecs::system::{RunSystemError, System};
use bevy_ecs::world::World;
use bevy_ecs::world::unsafe_world_cell::UnsafeWorldCell;

use super::capture::{Captured, SetConditions, Shared, SystemConditions};
use super::plan::{Node, Plan, Segment};
use super::report::{Failure, FailureKind, Free, Reports, TIME_EVERY, TimingCell, lock};
use crate::blocks::panic_message;
use crate::interval;
use crate::phase::{Close, Owner, Shutdown};
use crate::team::{self, Member, Work};
use crate::trace::Trace;

/// Runs of a schedule between two looks at how long its systems take, once it has run for a while.
const LOOK_EVERY: u64 = 64;
/// Nanoseconds that systems side by side must save to be handed to another thread, whose caches are cold: several times what it takes
/// to hand them over.
const GAIN_MIN: u64 = 10_000;

/// Nanoseconds of a segment above which a call in it was long.
const LONG: u64 = 50_000;
/// Runs of a schedule in which each call is timed after one was long.
const TIMED_AFTER_LONG: u64 = 4096;

/// Runs a schedule's systems on the team of the current thread.
pub(super) struct TeamExecutor {
    shared: Shared,
    plan: Plan,
    state: State,
    /// How often the plan has been run.
    runs: u64,
    /// By system: nanoseconds before that.
    before: Vec<u64>,
    /// By segment.
    shorts: Vec<Short>,
    /// Whether its systems have no second try.
    is_once: bool,
    apply_final_deferred: bool,
}

/// What changes while a schedule runs.
#[derive(Default)]
struct State {
    /// Node -> nodes it still waits for.
    waits_for: Vec<AtomicU32>,
    /// The next of the segment's roots that nobody has taken.
    next_root: AtomicUsize,
    /// Nodes that are ready and that nobody has taken, but for roots.
    ready: Mutex<Vec<u32>>,
    /// Nodes of the segment that are not done.
    left: AtomicUsize,
    /// Set -> whether its conditions hold.
    set_holds: Vec<AtomicBool>,
    /// System -> whether it ran and its commands are not applied yet.
    ran: Vec<AtomicBool>,
    /// System -> whether it will never run again.
    stopped: Vec<AtomicBool>,
    /// System -> errors it returned.
    errors: Vec<AtomicU32>,
    /// System -> its key, to know it again when the schedule is built anew.
    keys: Vec<SystemKey>,
    /// Stopped plugins that this schedule has heard of.
    stops: usize,
}

/// What is known of a segment whose systems are short.
#[derive(Clone, Copy, Default)]
struct Short {
    /// Whether they are, all together: too short to be worth another thread.
    is_so: bool,
    /// The run up to which each call is timed, because one was long.
    timed_until: u64,
}

impl State {
    fn new(captured: &Captured, plan: &Plan, last: &Self) -> Self {
        let (systems, flag) = (captured.order.len(), |_| AtomicBool::new(false));
        let state = Self {
            waits_for: plan.nodes.iter().map(|_| AtomicU32::new(0)).collect(),
            next_root: AtomicUsize::new(0),
            ready: Mutex::new(Vec::with_capacity(plan.nodes.len())),
            left: AtomicUsize::new(0),
            set_holds: (0..captured.set_conditions.len()).map(flag).collect(),
            ran: (0..systems).map(flag).collect(),
            stopped: (0..systems).map(flag).collect(),
            errors: (0..systems).map(|_| AtomicU32::new(0)).collect(),
            keys: captured.order.clone(),
            stops: 0,
        };
        // What was stopped stays so.
        for (at, key) in last.keys.iter().enumerate() {
            if let Some(now) = state.keys.iter().position(|k| k == key) {
                state.stopped[now].store(last.stopped[at].load(Ordering::Relaxed), Ordering::Relaxed);
                state.errors[now].store(last.errors[at].load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
        state
    }
}

impl TeamExecutor {
    pub fn new(shared: Shared) -> Self {
        let is_once = is_run_once(lock(&shared).label);
        Self {
            shared,
            plan: Plan::default(),
            state: State::default(),
            runs: 0,
            before: Vec::new(),
            shorts: Vec::new(),
            is_once,
            apply_final_deferred: true,
        }
    }

    /// Makes the plan anew, after the schedule was built.
    fn rebuild(&mut self, captured: &Captured, systems: &[SystemWithAccess]) {
        self.plan = Plan::new(captured, systems);
        self.state = State::new(captured, &self.plan, &self.state);
        (self.runs, self.shorts) = (0, vec![Short::default(); self.plan.segments.len()]);
        self.before = captured.timings.iter().map(|timing| timing.nanoseconds().unwrap_or(0)).collect();
    }

    /// Looks now and then which segments are worth more than one thread: in those that gain less than a hand-over costs, one thread
    /// runs them all. What a system does by itself in parallel is shared in any case.
    fn look_for_short(&mut self, timings: &[TimingCell]) {
        self.runs += 1;
        let runs = self.runs;
        if !runs.is_power_of_two() && !runs.is_multiple_of(LOOK_EVERY) {
            return;
        }
        for (segment, short) in self.plan.segments.iter().zip(&mut self.shorts) {
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
            short.is_so = total - longest < GAIN_MIN;
        }
    }

    /// Stops the systems of plugins that have been stopped since the last run. Between two runs, so that the tick in
    /// which a plugin fails is the same at any thread count.
    fn stop_plugins(&mut self, captured: &Captured) {
        let stops = captured.reports.stops();
        if stops == self.state.stops {
            return;
        }
        self.state.stops = stops;
        let stopped = captured.reports.stopped();
        for (owner, flag) in captured.owners.iter().zip(&self.state.stopped) {
            if matches!(owner, Some(Owner::Plugin(plugin)) if stopped.contains(plugin)) {
                flag.store(true, Ordering::Release);
            }
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
        let captured = &mut *lock(&shared);
        let pinned = captured.types.len() == systems.len()
            && captured
                .types
                .iter()
                .zip(systems.iter())
                .all(|(pinned, system)| *pinned == system.system_type());
        if !pinned {
            // `chain_weak` may drop an edge that pinned the order.
            captured.reports.add_failure(Failure {
                system: format!("schedule {:?}", captured.label),
                owner: None,
                kind: FailureKind::Error,
                message:
                    "its order can't be pinned: order its systems with chain, before or after, not chain_weak"
                        .into(),
                stopped: true,
                writes: true,
            });
            return;
        }
        if self.plan.version != captured.version {
            self.rebuild(captured, systems);
        }
        self.stop_plugins(captured);
        self.look_for_short(&captured.timings);
        let Captured {
            system_conditions,
            set_conditions,
            reports,
            owners,
            writes,
            intervals,
            timings,
            check,
            ..
        } = captured;
        if let Some(check) = lock(check).take() {
            let of_systems = system_conditions.iter_mut().flat_map(|of| &mut of.conditions);
            let of_sets = set_conditions.iter_mut().flat_map(|of| &mut of.conditions);
            of_systems.chain(of_sets).for_each(|condition| condition.check_change_tick(check));
        }
        let max_failures = if self.is_once { 1 } else { reports.max_failures() };
        let (plan, state, runs) = (&self.plan, &self.state, self.runs);
        let trace = reports.trace();
        let watch = Watch {
            reports,
            trace,
            owners,
            writes,
            intervals,
            timings,
            max_failures,
            plan,
            state,
            is_timed: true,
        };
        for (at, short) in self.shorts.iter_mut().enumerate() {
            let segment = self.plan.segments[at].clone();
            let run = Run {
                systems: systems.as_mut_ptr(),
                system_conditions: system_conditions.as_mut_ptr(),
                set_conditions: set_conditions.as_mut_ptr(),
                watch,
                world: world.as_unsafe_world_cell(),
            };
            match segment {
                Segment::Together(range) => {
                    let is_short = short.is_so || range.len() == 1;
                    match team::member().filter(|_| !is_short) {
                        // SAFETY: this call holds `&mut World`.
                        None => unsafe { run.one_by_one(range, runs, short) },
                        Some(lead) => run.together(range, &self.plan.roots[at], &lead),
                    }
                }
                Segment::Alone(node) => {
                    let Node::System(index) = self.plan.nodes[node] else {
                        unreachable!("only systems run alone")
                    };
                    // SAFETY: nothing else runs, and this call holds `&mut World`.
                    if unsafe { run.should_run(index) } {
                        watch.guarded(index, Free::now(), || {
                            systems[index].run_without_applying_deferred((), world)
                        });
                    }
                }
                Segment::Apply => watch.apply_deferred(systems, world),
                Segment::ApplyDeferred(index) => {
                    // SAFETY: nothing else runs, and this call holds `&mut World`.
                    if unsafe { run.should_run(index) } {
                        watch.apply_deferred(systems, world);
                    }
                }
            }
        }
        if self.apply_final_deferred {
            watch.apply_deferred(systems, world);
        }
    }
}

/// One run of a segment, as every worker sees it.
#[derive(Clone, Copy)]
struct Run<'a> {
    systems: *mut SystemWithAccess,
    system_conditions: *mut SystemConditions,
    set_conditions: *mut SetConditions,
    watch: Watch<'a>,
    world: UnsafeWorldCell<'a>,
}

// SAFETY: the pointers are to systems and conditions, all Send and Sync; by the module's invariant a node touches
// only its own, and each node is run by one worker at a time.
unsafe impl Send for Run<'_> {}
// SAFETY: as above.
unsafe impl Sync for Run<'_> {}

/// Nodes that may run at the same time, as the members of the team see them.
struct Together<'a> {
    run: Run<'a>,
    roots: &'a [u32],
    /// Who waits for all of them.
    lead: &'a Member,
}

impl Work for Together<'_> {
    fn is_ready(&self) -> bool {
        let State { next_root, ready, .. } = self.run.watch.state;
        next_root.load(Ordering::Relaxed) < self.roots.len() || !lock(ready).is_empty()
    }

    fn work(&self) {
        let mut free = None;
        while let Some(node) = self.take() {
            free = Some(self.chain(node, free.unwrap_or_else(Free::now)));
        }
    }
}

impl Together<'_> {
    fn is_done(&self) -> bool {
        self.run.watch.state.left.load(Ordering::SeqCst) == 0
    }

    /// A node that is ready, for nobody else.
    fn take(&self) -> Option<usize> {
        let State { next_root, ready, .. } = self.run.watch.state;
        // Each number is given out once, so each root is run by one member.
        let root = (next_root.load(Ordering::Relaxed) < self.roots.len())
            .then(|| next_root.fetch_add(1, Ordering::Relaxed))
            .and_then(|at| self.roots.get(at).copied());
        root.or_else(|| lock(ready).pop()).map(|node| node as usize)
    }

    /// Runs `node`, then whichever nodes this makes ready: the first on this thread, the others for anyone.
    fn chain(&self, mut node: usize, mut free: Free) -> Free {
        let Watch { plan, state, .. } = self.run.watch;
        loop {
            // SAFETY: whoever brings a node's counter to zero starts it or leaves it for one who takes it, and a root, whose
            // counter starts there, is taken once; so it runs once at a time, after all that it conflicts with.
            free = unsafe { self.run.node(node, free) };
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
                None => return free,
            }
        }
    }
}

impl Run<'_> {
    /// Runs the nodes of a segment on this thread, by their places.
    ///
    /// # Safety
    /// Nobody else has the world.
    unsafe fn one_by_one(&self, nodes: std::ops::Range<usize>, run: u64, short: &mut Short) {
        let is_timed = !short.is_so || run <= short.timed_until.max(TIME_EVERY) || self.watch.trace.is_some();
        let start = Free::now();
        let mut free = start;
        let run_nodes = Self { watch: Watch { is_timed, ..self.watch }, ..*self };
        for node in nodes {
            // SAFETY: one after the other, which keeps the module's invariant.
            free = unsafe { run_nodes.node(node, free) };
        }
        let end = if is_timed { free } else { Free::now() };
        if end.nanoseconds_since(start) > LONG {
            short.timed_until = run + TIMED_AFTER_LONG;
        }
    }

    /// Runs the nodes of a segment on the team.
    fn together(&self, nodes: std::ops::Range<usize>, roots: &[u32], lead: &Member) {
        let Watch { plan, state, .. } = self.watch;
        state.left.store(nodes.len(), Ordering::Relaxed);
        for node in nodes {
            state.waits_for[node].store(plan.waits_for[node], Ordering::Relaxed);
        }
        state.next_root.store(0, Ordering::Relaxed);
        let together = Together { run: *self, roots, lead };
        lead.share(&together, || {
            together.work();
            lead.help_until(|| together.is_done());
        });
    }

    /// Runs a node on a free thread.
    ///
    /// # Safety
    /// The module's invariant: nobody else runs this node or one that conflicts with it.
    unsafe fn node(&self, node: usize, free: Free) -> Free {
        match self.watch.plan.nodes[node] {
            Node::SetConditions(set) => {
                // SAFETY: only this node touches the set's conditions, and there are as many sets as the plan knows.
                let of = unsafe { &mut *self.set_conditions.add(set) };
                // SAFETY: the conditions' access was planned for. A failing one stops the set's first system.
                let holds = unsafe { self.all_hold(&mut of.conditions, of.members[0]) };
                self.watch.state.set_holds[set].store(holds, Ordering::Release);
                free
            }
            Node::System(index) => {
                // SAFETY: only this node touches the system's conditions; their access was planned for.
                if !unsafe { self.should_run(index) } {
                    return free;
                }
                // SAFETY: only this node touches the system, and `systems` has one for every index of the plan.
                let system = unsafe { &mut *self.systems.add(index) };
                // SAFETY: the system was initialised with this world by the schedule's build; the module's invariant
                // gives it what it accesses.
                self.watch.guarded(index, free, || unsafe { system.run_unsafe((), self.world) })
            }
        }
    }

    /// Asks a system's conditions, and what its sets' conditions said.
    ///
    /// # Safety
    /// As for [`Run::node`].
    unsafe fn should_run(&self, index: usize) -> bool {
        let Watch { plan, state, .. } = self.watch;
        if state.stopped[index].load(Ordering::Acquire) {
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
    /// As for [`Run::node`], for what the conditions access.
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
            self.watch.state.stopped[index].store(true, Ordering::Release);
            self.watch.report(index, FailureKind::Error, format!("its run condition: {message}"), true);
        }
        all
    }
}

/// Times systems, and knows what to do when one fails.
#[derive(Clone, Copy)]
struct Watch<'a> {
    reports: &'a Reports,
    trace: Option<&'a Trace>,
    owners: &'a [Option<Owner>],
    writes: &'a [bool],
    intervals: &'a [u64],
    timings: &'a [TimingCell],
    max_failures: u64,
    plan: &'a Plan,
    state: &'a State,
    /// Whether calls are timed, and not only counted.
    is_timed: bool,
}

impl Watch<'_> {
    /// Times a system's call, catches its panic and counts its errors.
    fn guarded(&self, index: usize, free: Free, call: impl FnOnce() -> Result<(), RunSystemError>) -> Free {
        let call = || interval::run_every(self.intervals[index], || catch_unwind(AssertUnwindSafe(call)));
        let timing = &self.timings[index];
        let start = if self.is_timed { Some(free) } else { timing.is_due().then(Free::now) };
        let result = timing.count(free.thread(), call);
        let free = start.map_or(free, |start| timing.time(self.trace, start));
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
        free
    }

    /// Applies the commands of every system that ran since the last time, in order.
    fn apply_deferred(&self, systems: &mut [SystemWithAccess], world: &mut World) {
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

    fn report(&self, index: usize, kind: FailureKind, message: String, stopped: bool) {
        self.report_of(index, kind, message, stopped, self.writes[index]);
    }

    fn report_of(&self, index: usize, kind: FailureKind, message: String, stopped: bool, writes: bool) {
        let (system, owner) = (self.timings[index].name.to_string(), self.owners[index]);
        self.reports.add_failure(Failure { system, owner, kind, message, stopped, writes });
    }
}

fn is_run_once(label: Interned<dyn ScheduleLabel>) -> bool {
    [PreStartup.intern(), Startup.intern(), PostStartup.intern(), Shutdown.intern(), Close.intern()]
        .contains(&label)
}
