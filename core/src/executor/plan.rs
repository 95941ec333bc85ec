//! The plan: says which nodes there are and which must wait for which, from the pinned order and what each node accesses.
//!
//! A node is a system or the run conditions of a set. Conflicting nodes are ordered by their place, so that every
//! run is equivalent to the serial one. Systems that need the world to themselves cut the plan into segments.

use std::any::TypeId;

use bevy_ecs::schedule::{ApplyDeferred, SystemWithAccess};
use bevy_ecs::system::{System, SystemAccess};
use fixedbitset::FixedBitSet;

use super::build::BuiltSchedule;

/// What a node runs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Node {
    /// The system of that index.
    System(usize),
    /// The run conditions of the set of that index.
    SetConditions(usize),
}

/// Nodes that run together, or one that runs alone.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Segment {
    /// These may run at the same time, as far as the graph lets them.
    Together(std::ops::Range<usize>),
    /// This system needs the world, or this thread, to itself.
    Alone(usize),
    /// The commands of the systems before are applied, if this sync point's conditions hold.
    ApplyDeferred(usize),
    /// The same, without conditions.
    Apply,
}

#[derive(Default)]
pub(super) struct Plan {
    pub nodes: Vec<Node>,
    pub segments: Vec<Segment>,
    /// Node -> nodes of its segment that wait for it; transitively reduced.
    pub successors: Vec<Vec<u32>>,
    /// Node -> how many it waits for.
    pub waits_for: Vec<u32>,
    /// Segment -> its nodes that wait for none.
    pub roots: Vec<Vec<u32>>,
    /// System -> sets with conditions that it is in.
    pub sets_of: Vec<Vec<usize>>,
    /// System -> whether it has commands to apply.
    pub deferred: Vec<bool>,
    /// The build it was made of.
    pub version: u64,
}

impl Plan {
    pub fn new(built: &BuiltSchedule, systems: &[SystemWithAccess]) -> Self {
        let mut plan =
            Self { version: built.version, sets_of: vec![Vec::new(); systems.len()], ..Self::default() };
        plan.deferred = systems.iter().map(System::has_deferred).collect();
        // A set's conditions are asked once, just before its first member: members are sorted.
        // Systems are met in the pinned order, so a node's place is its place in that order too.
        let mut node_of = vec![0; systems.len()];
        for (system, node) in node_of.iter_mut().enumerate() {
            for (set, conditions) in built.set_conditions.iter().enumerate() {
                if conditions.members.binary_search(&system).is_ok() {
                    if conditions.members[0] == system {
                        plan.nodes.push(Node::SetConditions(set));
                    }
                    plan.sets_of[system].push(set);
                }
            }
            *node = plan.nodes.len();
            plan.nodes.push(Node::System(system));
        }
        let before = plan.order(built, systems, &node_of);
        plan.cut(built.apply_before, systems);
        plan.link(&before);
        plan
    }

    /// For every node, the nodes that come before it. All of them have lower places.
    fn order(
        &self,
        built: &BuiltSchedule,
        systems: &[SystemWithAccess],
        node_of: &[usize],
    ) -> Vec<FixedBitSet> {
        let n = self.nodes.len();
        let mut before = vec![FixedBitSet::with_capacity(n); n];
        for &(a, b) in &built.edges {
            before[node_of[b]].insert(node_of[a]);
        }
        for (system, sets) in self.sets_of.iter().enumerate() {
            let node = node_of[system];
            for &set in sets {
                let asks = self
                    .nodes
                    .iter()
                    .position(|n| *n == Node::SetConditions(set))
                    .expect("a set with a member has a node");
                before[node].insert(asks);
                // What a member waits for must be done before its set is asked; but for what comes after the first member, which
                // itself waits for the answer.
                let earlier: Vec<usize> = before[node].ones().take_while(|&a| a < asks).collect();
                before[asks].extend(earlier);
            }
        }
        // A conflict without a declared order is settled by the place, lower first: the same at any thread count. Conditions count
        // with the system that they are asked for, as they read the world just before it.
        let access: Vec<Vec<&SystemAccess>> =
            self.nodes.iter().map(|node| accesses(built, systems, *node)).collect();
        for b in 0..n {
            for a in 0..b {
                if access[a].iter().any(|x| access[b].iter().any(|y| !x.is_compatible(y))) {
                    before[b].insert(a);
                }
            }
        }
        before
    }

    /// Cuts the nodes into segments at systems that run alone.
    fn cut(&mut self, apply_before: Option<usize>, systems: &[SystemWithAccess]) {
        let mut start = 0;
        for node in 0..self.nodes.len() {
            let Node::System(system) = self.nodes[node] else { continue };
            // Whoever runs after Process sees what the systems without a phase have queued.
            if apply_before == Some(system) {
                if start < node {
                    self.segments.push(Segment::Together(start..node));
                }
                self.segments.push(Segment::Apply);
                start = node;
            }
            // One that may not leave this thread runs alone as well: on the team nobody says which thread takes it.
            if !systems[system].access().is_exclusive() && systems[system].is_send() {
                continue;
            }
            if start < node {
                self.segments.push(Segment::Together(start..node));
            }
            let sync = systems[system].system_type() == TypeId::of::<ApplyDeferred>();
            self.segments.push(if sync { Segment::ApplyDeferred(system) } else { Segment::Alone(node) });
            start = node + 1;
        }
        if start < self.nodes.len() {
            self.segments.push(Segment::Together(start..self.nodes.len()));
        }
    }

    /// Links the nodes of each segment, leaving out what follows from other links.
    fn link(&mut self, before: &[FixedBitSet]) {
        let n = self.nodes.len();
        (self.successors, self.waits_for) = (vec![Vec::new(); n], vec![0; n]);
        for segment in &self.segments {
            let Segment::Together(range) = segment else {
                self.roots.push(Vec::new());
                continue;
            };
            // Nodes of an earlier segment are done before this one begins: only links within it are waited for.
            let mut implied: Vec<FixedBitSet> = Vec::with_capacity(range.len());
            for b in range.clone() {
                let mut all = FixedBitSet::with_capacity(n);
                // From the nearest back: what a nearer one waits for is in `all` by the time it is met, and needs no link of its own.
                for a in (range.start..b).rev().filter(|&a| before[b].contains(a)) {
                    if !all.contains(a) {
                        self.successors[a].push(b as u32);
                        self.waits_for[b] += 1;
                    }
                    all.insert(a);
                    all.union_with(&implied[a - range.start]);
                }
                implied.push(all);
            }
            self.roots.push(
                range.clone().filter(|&node| self.waits_for[node] == 0).map(|node| node as u32).collect(),
            );
        }
    }
}

fn accesses<'a>(
    built: &'a BuiltSchedule,
    systems: &'a [SystemWithAccess],
    node: Node,
) -> Vec<&'a SystemAccess> {
    match node {
        Node::System(system) => {
            let conditions =
                built.system_conditions[system].conditions.iter().map(|condition| &condition.access);
            std::iter::once(systems[system].access()).chain(conditions).collect()
        }
        Node::SetConditions(set) => built.set_conditions[set].conditions.iter().map(|c| &c.access).collect(),
    }
}
