//! The order: makes one topological order of a schedule's systems, with a place for those that name no phase.

use std::any::{Any, TypeId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use bevy_ecs::intern::Interned;
use bevy_ecs::schedule::graph::{DiGraph, Direction};
use bevy_ecs::schedule::{
    ApplyDeferred, FlattenedDependencies, NodeId, ScheduleBuildError, ScheduleGraph, SystemKey, SystemSet,
};
use bevy_ecs::system::System;

use crate::phase::{Owner, Phase};

/// Phase and owner of every system, by the sets it is in.
pub(super) struct Ranks {
    phases: BTreeMap<SystemKey, Phase>,
    pub owners: BTreeMap<SystemKey, Owner>,
    deferred: BTreeSet<SystemKey>,
}

impl Ranks {
    pub fn of(graph: &ScheduleGraph) -> Self {
        let (mut phases, mut owners) = (BTreeMap::new(), BTreeMap::new());
        for phase in Phase::ALL {
            for_each_system_in(graph, phase.intern(), |key| _ = phases.insert(key, phase));
        }
        let sets: Vec<Owner> = graph
            .system_sets
            .iter()
            .filter_map(|(_, set, _)| (set as &dyn Any).downcast_ref().copied())
            .collect();
        for owner in sets {
            for_each_system_in(graph, owner.intern(), |key| _ = owners.insert(key, owner));
        }
        let sync_point =
            |system: &dyn System<In = (), Out = ()>| system.system_type() == TypeId::of::<ApplyDeferred>();
        let deferred = graph
            .systems
            .iter()
            .filter(|(_, system, _)| sync_point(&***system))
            .map(|(key, ..)| key)
            .collect();
        Self { phases, owners, deferred }
    }

    pub fn phase(&self, key: SystemKey) -> Option<Phase> {
        self.phases.get(&key).copied()
    }

    pub fn owner(&self, key: SystemKey) -> Option<Owner> {
        self.owners.get(&key).copied()
    }

    /// Among systems that are ready, the one with the lowest rank comes next: built-ins, plugins by name, others as
    /// they were added; sync points as late as they can, so that more systems share one.
    fn rank(&self, key: SystemKey) -> (bool, bool, Option<Owner>, SystemKey) {
        let owner = self.owner(key);
        (self.deferred.contains(&key), owner.is_none(), owner, key)
    }
}

/// Calls `f` for every system in a set or in the sets inside it.
fn for_each_system_in(graph: &ScheduleGraph, set: Interned<dyn SystemSet>, mut f: impl FnMut(SystemKey)) {
    let Some(key) = graph.system_sets.get_key(set) else { return };
    let mut stack = vec![NodeId::Set(key)];
    while let Some(node) = stack.pop() {
        for child in graph.hierarchy().neighbors(node) {
            match child.as_system() {
                Some(system) => f(system),
                None => stack.push(child),
            }
        }
    }
}

/// Systems that name no phase run in Process, after all others there and before Measure; unless they are themselves
/// ordered, directly or not, against systems of a phase. Gives those it placed.
pub(super) fn place_systems_without_phase(
    ranks: &Ranks,
    flat: &mut FlattenedDependencies,
) -> Result<Vec<SystemKey>, ScheduleBuildError> {
    let (order, graph) = flat.toposort_and_graph().map_err(ScheduleBuildError::FlatDependencySort)?;
    let in_phases = |wanted: &dyn Fn(Phase) -> bool| -> Vec<SystemKey> {
        order.iter().copied().filter(|key| ranks.phase(*key).is_some_and(wanted)).collect()
    };
    let before = in_phases(&|phase| phase <= Phase::Process);
    let after = in_phases(&|phase| phase > Phase::Process);
    let free: Vec<SystemKey> = order
        .iter()
        .copied()
        .filter(|key| ranks.phase(*key).is_none() && !ranks.deferred.contains(key))
        .filter(|key| {
            let touches =
                |direction| is_any_reachable(graph, *key, direction, |other| ranks.phase(other).is_some());
            !touches(Direction::Outgoing) && !touches(Direction::Incoming)
        })
        .collect();
    for &system in &free {
        before.iter().for_each(|&key| flat.add_edge(key, system));
        after.iter().for_each(|&key| flat.add_edge(system, key));
    }
    Ok(free)
}

/// Whether there is a wanted system before or after `from`, directly or not.
fn is_any_reachable(
    graph: &DiGraph<SystemKey>,
    from: SystemKey,
    direction: Direction,
    wanted: impl Fn(SystemKey) -> bool,
) -> bool {
    let (mut stack, mut seen) = (vec![from], BTreeSet::from([from]));
    while let Some(key) = stack.pop() {
        for next in graph.neighbors_directed(key, direction) {
            if wanted(next) {
                return true;
            }
            if seen.insert(next) {
                stack.push(next);
            }
        }
    }
    false
}

/// Kahn's algorithm with the lowest rank first: one order, whatever order the graph stores its edges in.
pub(super) fn topological_order(
    ranks: &Ranks,
    flat: &mut FlattenedDependencies,
) -> Result<Vec<SystemKey>, ScheduleBuildError> {
    let (any_order, graph) = flat.toposort_and_graph().map_err(ScheduleBuildError::FlatDependencySort)?;
    let mut waiting: BTreeMap<SystemKey, usize> = any_order
        .iter()
        .map(|&key| (key, graph.neighbors_directed(key, Direction::Incoming).count()))
        .collect();
    let mut ready: BinaryHeap<_> =
        waiting.iter().filter(|(_, n)| **n == 0).map(|(key, _)| Reverse(ranks.rank(*key))).collect();
    let mut order = Vec::with_capacity(any_order.len());
    while let Some(Reverse((.., key))) = ready.pop() {
        order.push(key);
        for next in graph.neighbors_directed(key, Direction::Outgoing) {
            let left = waiting.get_mut(&next).expect("every system is in the order");
            *left -= 1;
            if *left == 0 {
                ready.push(Reverse(ranks.rank(next)));
            }
        }
    }
    Ok(order)
}
