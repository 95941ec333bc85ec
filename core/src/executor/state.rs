//! The state: keeps, while a schedule runs, which nodes wait and which are ready, and which systems ran, failed or were stopped.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use bevy_ecs::schedule::SystemKey;

use super::build::BuiltSchedule;
use super::plan::Plan;

/// What changes while a schedule runs.
#[derive(Default)]
pub(super) struct State {
    /// Node -> nodes it still waits for.
    pub waits_for: Vec<AtomicU32>,
    /// The next of the segment's roots that nobody has taken.
    pub next_root: AtomicUsize,
    /// Nodes that are ready and that nobody has taken, but for roots.
    pub ready: Mutex<Vec<u32>>,
    /// Nodes of the segment that are not done.
    pub left: AtomicUsize,
    /// Set -> whether its conditions hold.
    pub set_holds: Vec<AtomicBool>,
    /// System -> whether it ran and its commands are not applied yet.
    pub ran: Vec<AtomicBool>,
    /// System -> whether it will never run again.
    pub stopped: Vec<AtomicBool>,
    /// System -> whether its plugin is paused.
    pub paused: Vec<AtomicBool>,
    /// System -> errors it returned.
    pub errors: Vec<AtomicU32>,
    /// System -> its key, to know it again when the schedule is built anew.
    pub keys: Vec<SystemKey>,
    /// How many changes of which plugins are stopped or paused this schedule has heard of.
    pub holds: usize,
}

impl State {
    pub fn new(built: &BuiltSchedule, plan: &Plan, last: &Self) -> Self {
        let (systems, flag) = (built.order.len(), |_| AtomicBool::new(false));
        let state = Self {
            waits_for: plan.nodes.iter().map(|_| AtomicU32::new(0)).collect(),
            next_root: AtomicUsize::new(0),
            ready: Mutex::new(Vec::with_capacity(plan.nodes.len())),
            left: AtomicUsize::new(0),
            set_holds: (0..built.set_conditions.len()).map(flag).collect(),
            ran: (0..systems).map(flag).collect(),
            stopped: (0..systems).map(flag).collect(),
            paused: (0..systems).map(flag).collect(),
            errors: (0..systems).map(|_| AtomicU32::new(0)).collect(),
            keys: built.order.clone(),
            holds: 0,
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
