//! The build pass: what the executor has to know of a schedule, taken while bevy_ecs builds it.
//!
//! It takes the flattened dependency graph and the run conditions, gives systems without a phase their place, finds
//! conflicts without a declared order, and pins one topological order by adding the edges that make it the only one.

use std::any::{Any, TypeId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fmt;
use std::sync::{Arc, Mutex};

use bevy_app::Update;
use bevy_ecs::change_detection::CheckChangeTicks;
use bevy_ecs::component::ComponentId;
use bevy_ecs::intern::Interned;
use bevy_ecs::observer::On;
use bevy_ecs::query::AccessConflicts;
use bevy_ecs::schedule::graph::{DiGraph, Direction};
use bevy_ecs::schedule::{
    ApplyDeferred, ConditionWithAccess, FlattenedDependencies, NodeId, ScheduleBuildError, ScheduleBuildPass,
    ScheduleGraph, ScheduleLabel, Schedules, SystemKey, SystemSet, SystemSetKey,
};
use bevy_ecs::system::{System, SystemAccess};
use bevy_ecs::world::World;
use fixedbitset::FixedBitSet;

use super::reach::reaches_others;
use super::report::{Ambiguity, Reports, ScheduleReport, TimingCell, Touched, display_name, lock};
use crate::phase::{Owner, Owners, Phase};
use crate::units::Tick;

pub(super) type Shared = Arc<Mutex<Captured>>;

/// What the pass leaves for the executor.
pub(super) struct Captured {
    pub label: Interned<dyn ScheduleLabel>,
    pub reports: Reports,
    pub report: Arc<Mutex<ScheduleReport>>,
    /// The pinned order; a system's place in it is its index in the executor.
    pub order: Vec<SystemKey>,
    /// The systems' types in that order, to notice when bevy_ecs ordered them otherwise.
    pub types: Vec<TypeId>,
    pub owners: Vec<Option<Owner>>,
    /// Whether it can write what is not its plugin's.
    pub writes: Vec<bool>,
    /// Every how many ticks it runs, for its windows of due rows.
    pub intervals: Vec<u64>,
    pub timings: Arc<[TimingCell]>,
    /// Declared dependencies, by index: (before, after).
    pub edges: Vec<(usize, usize)>,
    /// Run conditions, by system, in order. They stay here across rebuilds: bevy_ecs has no way to give them to an
    /// executor.
    pub system_conditions: Vec<SystemConditions>,
    /// Outer sets first.
    pub set_conditions: Vec<SetConditions>,
    /// The first system after Process, if commands of systems without a phase must be applied before it.
    pub apply_before: Option<usize>,
    /// Rises with every build.
    pub version: u64,
    /// Change ticks to clamp before the next run.
    pub check: Arc<Mutex<Option<CheckChangeTicks>>>,
}

/// A system's run conditions.
pub(super) struct SystemConditions {
    pub system: SystemKey,
    pub conditions: Vec<ConditionWithAccess>,
}

/// A set's run conditions and the systems they decide about.
pub(super) struct SetConditions {
    pub set: SystemSetKey,
    pub conditions: Vec<ConditionWithAccess>,
    pub members: Vec<usize>,
}

impl Captured {
    pub fn new(label: Interned<dyn ScheduleLabel>, reports: Reports) -> Self {
        Self {
            label,
            report: reports.add_schedule(),
            reports,
            order: Vec::new(),
            types: Vec::new(),
            owners: Vec::new(),
            writes: Vec::new(),
            intervals: Vec::new(),
            timings: Arc::new([]),
            edges: Vec::new(),
            system_conditions: Vec::new(),
            set_conditions: Vec::new(),
            apply_before: None,
            version: 0,
            check: Arc::default(),
        }
    }
}

pub(super) struct CapturePass(Shared);

impl CapturePass {
    pub fn new(shared: Shared) -> Self {
        Self(shared)
    }
}

impl fmt::Debug for CapturePass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CapturePass")
    }
}

impl ScheduleBuildPass for CapturePass {
    type EdgeOptions = ();

    fn add_dependency(&mut self, _: NodeId, _: NodeId, _: Option<&()>) {}

    fn collapse_set(
        &mut self,
        _: SystemSetKey,
        _: &indexmap::IndexSet<SystemKey, bevy_platform::hash::FixedHasher>,
        _: &DiGraph<NodeId>,
    ) -> impl Iterator<Item = (NodeId, NodeId)> {
        std::iter::empty()
    }

    fn build(
        &mut self,
        world: &mut World,
        graph: &mut ScheduleGraph,
        mut flat: FlattenedDependencies<'_>,
    ) -> Result<(), ScheduleBuildError> {
        // The sync points that bevy_ecs has just inserted need their access too.
        graph.initialize(world);
        let mut captured = lock(&self.0);
        if captured.version == 0 {
            let check = captured.check.clone();
            world.add_observer(move |event: On<CheckChangeTicks>| *lock(&check) = Some(*event));
        }
        let mut ranks = Ranks::of(graph);
        let mut intervals = BTreeMap::new();
        for (key, owned) in
            world.get_resource::<Owners>().iter().flat_map(|owners| owners.of_systems(captured.label))
        {
            ranks.owners.insert(key, owned.owner);
            intervals.insert(key, owned.interval_ticks);
        }
        let mut placed = Vec::new();
        if captured.label == Update.intern() {
            placed = place_systems_without_phase(&ranks, &mut flat)?;
        }
        let order = topological_order(&ranks, &mut flat)?;
        let index: BTreeMap<SystemKey, usize> = order.iter().enumerate().map(|(i, key)| (*key, i)).collect();
        captured.edges = flat.all_edges().map(|(a, b)| (index[&a], index[&b])).collect();
        captured.owners = order.iter().map(|key| ranks.owner(*key)).collect();
        captured.intervals = order.iter().map(|key| intervals.get(key).copied().unwrap_or(1)).collect();
        captured.writes = order
            .iter()
            .map(|key| reaches_others(world, graph.systems[*key].access(), ranks.owner(*key)))
            .collect();
        // bevy_ecs puts its sync points before it asks us: what we have placed since gets one of ours.
        let is_after = |key: &SystemKey| ranks.phase(*key).is_some_and(|phase| phase > Phase::Process);
        let queues = placed.iter().any(|&key| graph.systems[key].has_deferred());
        captured.apply_before = order.iter().position(is_after).filter(|_| queues);
        let ambiguities = ambiguities(world, graph, &captured, &order);
        let tick = world.component_id::<Tick>();
        let writes_tick = |key: &&SystemKey| match graph.systems[**key].access() {
            // One that can write everything, as a query of whole entities can, names no resource.
            SystemAccess::Shared(access) => {
                let writes = access.combined_access().writes().as_finite_set();
                writes.zip(tick).is_some_and(|(writes, tick)| writes.iter().any(|id| id == tick))
            }
            _ => false,
        };
        let name = |key: &SystemKey| display_name(&graph.systems[*key].name().to_string());
        let tick_writers = order.iter().filter(writes_tick).map(name).collect();
        for pair in order.windows(2) {
            flat.add_edge(pair[0], pair[1]);
        }
        take_conditions(graph, &mut captured, &order, &index)?;

        let schedule = format!("{:?}", captured.label);
        captured.types = order.iter().map(|&key| graph.systems[key].system_type()).collect();
        let carried = |key: &SystemKey| {
            let before = captured.order.iter().position(|k| k == key)?;
            Some(captured.timings[before].carried_over())
        };
        let new = |key: &SystemKey| {
            let name = display_name(&graph.systems[*key].name().to_string());
            TimingCell::new(name, ranks.phase(*key), &schedule, ranks.owner(*key))
        };
        let timings: Arc<[TimingCell]> =
            order.iter().map(|key| carried(key).unwrap_or_else(|| new(key))).collect();
        let touched = order.iter().zip(timings.iter()).map(|(key, timing)| {
            Touched::of(Arc::clone(&timing.name), ranks.owner(*key), graph.systems[*key].access())
        });
        let touched = touched.collect();
        *lock(&captured.report) =
            ScheduleReport { timings: Arc::clone(&timings), ambiguities, tick_writers, touched };
        captured.timings = timings;
        captured.order = order;
        captured.version += 1;
        Ok(())
    }
}

/// Phase and owner of every system, by the sets it is in.
struct Ranks {
    phases: BTreeMap<SystemKey, Phase>,
    owners: BTreeMap<SystemKey, Owner>,
    deferred: BTreeSet<SystemKey>,
}

impl Ranks {
    fn of(graph: &ScheduleGraph) -> Self {
        let (mut phases, mut owners) = (BTreeMap::new(), BTreeMap::new());
        for phase in Phase::ALL {
            members(graph, phase.intern(), |key| _ = phases.insert(key, phase));
        }
        let sets: Vec<Owner> = graph
            .system_sets
            .iter()
            .filter_map(|(_, set, _)| (set as &dyn Any).downcast_ref().copied())
            .collect();
        for owner in sets {
            members(graph, owner.intern(), |key| _ = owners.insert(key, owner));
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

    fn phase(&self, key: SystemKey) -> Option<Phase> {
        self.phases.get(&key).copied()
    }

    fn owner(&self, key: SystemKey) -> Option<Owner> {
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
fn members(graph: &ScheduleGraph, set: Interned<dyn SystemSet>, mut f: impl FnMut(SystemKey)) {
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
fn place_systems_without_phase(
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
            let touches = |direction| reaches(graph, *key, direction, |other| ranks.phase(other).is_some());
            !touches(Direction::Outgoing) && !touches(Direction::Incoming)
        })
        .collect();
    for &system in &free {
        before.iter().for_each(|&key| flat.add_edge(key, system));
        after.iter().for_each(|&key| flat.add_edge(system, key));
    }
    Ok(free)
}

fn reaches(
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
fn topological_order(
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

/// Bevy's own crates in an app without a window.
const BEVY: [&str; 3] = ["bevy_ecs::", "bevy_app::", "bevy_time::"];

/// Conflicting pairs without a declared order, direct or not, between systems of one owner or of plain plugins.
fn ambiguities(
    world: &World,
    graph: &ScheduleGraph,
    captured: &Captured,
    order: &[SystemKey],
) -> Vec<Ambiguity> {
    let n = order.len();
    // Schedules that are being built are out of the world one by one, but what they may ignore stays.
    let allowed: BTreeSet<ComponentId> =
        world.resource::<Schedules>().iter_ignored_ambiguities().copied().collect();
    let mut reached = vec![FixedBitSet::with_capacity(n); n];
    let mut edges = captured.edges.clone();
    // Later starts first: what an end reaches is known before it is added to its start.
    edges.sort_unstable_by(|a, b| b.cmp(a));
    for (from, to) in edges {
        let beyond = reached[to].clone();
        reached[from].insert(to);
        reached[from].union_with(&beyond);
    }
    let mut found = Vec::new();
    for b in 0..n {
        for a in 0..b {
            let (owner_a, owner_b) = (captured.owners[a], captured.owners[b]);
            if owner_a != owner_b || reached[a].contains(b) {
                continue;
            }
            // Declared to be fine; a sync point, which conflicts with everything by nature; or Bevy's own, whose
            // declarations bevy_ecs keeps to itself.
            let exempt = |key: SystemKey| {
                let system = &graph.systems[key];
                graph.ambiguous_with_all.contains(&NodeId::System(key))
                    || system.system_type() == TypeId::of::<ApplyDeferred>()
                    || BEVY.iter().any(|own| system.name().to_string().starts_with(own))
            };
            if exempt(order[a]) || exempt(order[b]) {
                continue;
            }
            let (first, second) = (&graph.systems[order[a]], &graph.systems[order[b]]);
            let shared = match first.access().get_conflicts(second.access()) {
                AccessConflicts::All => "the whole world".to_string(),
                AccessConflicts::Individual(ids) if ids.iter().all(|id| allowed.contains(&id)) => continue,
                AccessConflicts::Individual(ids) => {
                    let name = |id| {
                        world
                            .components()
                            .get_name(id)
                            .map_or_else(|| "?".into(), |n| display_name(&n.to_string()))
                    };
                    ids.iter().map(name).collect::<Vec<_>>().join(", ")
                }
            };
            found.push(Ambiguity {
                schedule: format!("{:?}", captured.label),
                first: display_name(&first.name().to_string()),
                second: display_name(&second.name().to_string()),
                shared,
                is_error: owner_a.is_some(),
            });
        }
    }
    found
}

/// Takes the run conditions: those of systems by key, those of sets with their members.
fn take_conditions(
    graph: &mut ScheduleGraph,
    captured: &mut Captured,
    order: &[SystemKey],
    index: &BTreeMap<SystemKey, usize>,
) -> Result<(), ScheduleBuildError> {
    let mut kept: BTreeMap<SystemKey, Vec<ConditionWithAccess>> =
        captured.system_conditions.drain(..).map(|of| (of.system, of.conditions)).collect();
    for &system in order {
        let mut conditions = kept.remove(&system).unwrap_or_default();
        if let Some(new) = graph.systems.get_conditions_mut(system) {
            conditions.append(new);
        }
        captured.system_conditions.push(SystemConditions { system, conditions });
    }
    let mut kept: BTreeMap<SystemSetKey, Vec<ConditionWithAccess>> =
        captured.set_conditions.drain(..).map(|set| (set.set, set.conditions)).collect();
    let mut hierarchy = graph.hierarchy().clone();
    let outer_first = hierarchy.toposort().map_err(ScheduleBuildError::HierarchySort)?.to_vec();
    for set in outer_first.iter().filter_map(|node| node.as_set()) {
        let mut conditions = kept.remove(&set).unwrap_or_default();
        if let Some(new) = graph.system_sets.get_conditions_mut(set) {
            conditions.append(new);
        }
        if conditions.is_empty() {
            continue;
        }
        let mut inside = BTreeSet::new();
        let mut stack = vec![NodeId::Set(set)];
        while let Some(node) = stack.pop() {
            for child in hierarchy.neighbors(node) {
                match child.as_system() {
                    Some(system) => _ = inside.insert(index[&system]),
                    None => stack.push(child),
                }
            }
        }
        captured.set_conditions.push(SetConditions {
            set,
            conditions,
            members: inside.into_iter().collect(),
        });
    }
    Ok(())
}
