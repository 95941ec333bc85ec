//! The build pass: takes what the executor has to know of a schedule, while bevy_ecs builds it.
//!
//! It takes the flattened dependency graph and the run conditions, gives systems without a phase their place, finds
//! conflicts without a declared order, and pins one topological order by adding the edges that make it the only one.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use bevy_app::Update;
use bevy_ecs::change_detection::CheckChangeTicks;
use bevy_ecs::intern::Interned;
use bevy_ecs::observer::On;
use bevy_ecs::schedule::graph::DiGraph;
use bevy_ecs::schedule::{
    ConditionWithAccess, FlattenedDependencies, NodeId, ScheduleBuildError, ScheduleBuildPass, ScheduleGraph,
    ScheduleLabel, SystemKey, SystemSetKey,
};
use bevy_ecs::system::{System, SystemAccess};
use bevy_ecs::world::World;

use super::ambiguity::{Declared, ambiguities};
use super::isolation::can_write_others;
use super::order::{Ranks, place_systems_without_phase, topological_order};
use super::report::{Reports, ScheduleReport, Touched, display_name, lock};
use super::timing::TimingCell;
use crate::phase::{Owner, Owners, Phase};
use crate::units::Tick;

pub(super) type SharedSchedule = Arc<Mutex<BuiltSchedule>>;

/// What the pass leaves for the executor.
pub(super) struct BuiltSchedule {
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
    /// Every how many ticks it runs, for its rows that are due.
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
    /// By index, in order.
    pub members: Vec<usize>,
}

impl BuiltSchedule {
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

    /// Has the run conditions forget change ticks that are too old to be told apart, as bevy_ecs has systems do.
    pub fn clamp_change_ticks(&mut self) {
        let Some(check) = lock(&self.check).take() else { return };
        let of_systems = self.system_conditions.iter_mut().flat_map(|of| &mut of.conditions);
        let of_sets = self.set_conditions.iter_mut().flat_map(|of| &mut of.conditions);
        of_systems.chain(of_sets).for_each(|condition| condition.check_change_tick(check));
    }
}

/// The pass that a schedule runs when it is built.
pub(super) struct BuildPass(SharedSchedule);

impl BuildPass {
    pub fn new(shared: SharedSchedule) -> Self {
        Self(shared)
    }
}

impl fmt::Debug for BuildPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BuildPass")
    }
}

impl ScheduleBuildPass for BuildPass {
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
        let mut built = lock(&self.0);
        // Once: a schedule that is built anew keeps the observer of its first build.
        if built.version == 0 {
            let check = built.check.clone();
            world.add_observer(move |event: On<CheckChangeTicks>| *lock(&check) = Some(*event));
        }
        let mut ranks = Ranks::of(graph);
        let mut intervals = BTreeMap::new();
        // A plugin's systems are in no set of an owner: whose they are was noted while it was built.
        for (key, owned) in
            world.get_resource::<Owners>().iter().flat_map(|owners| owners.of_systems(built.label))
        {
            ranks.owners.insert(key, owned.owner);
            intervals.insert(key, owned.interval_ticks);
        }
        // Phases are sets of `Update` alone.
        let mut placed = Vec::new();
        if built.label == Update.intern() {
            placed = place_systems_without_phase(&ranks, &mut flat)?;
        }
        let order = topological_order(&ranks, &mut flat)?;
        let index: BTreeMap<SystemKey, usize> = order.iter().enumerate().map(|(i, key)| (*key, i)).collect();
        // Before the order is pinned below: of declared edges alone an ambiguity can be told.
        built.edges = flat.all_edges().map(|(a, b)| (index[&a], index[&b])).collect();
        built.owners = order.iter().map(|key| ranks.owner(*key)).collect();
        built.intervals = order.iter().map(|key| intervals.get(key).copied().unwrap_or(1)).collect();
        built.writes = order
            .iter()
            .map(|key| can_write_others(world, graph.systems[*key].access(), ranks.owner(*key)))
            .collect();
        // bevy_ecs puts its sync points before it asks us: what we have placed since gets one of ours.
        let is_after = |key: &SystemKey| ranks.phase(*key).is_some_and(|phase| phase > Phase::Process);
        let queues = placed.iter().any(|&key| graph.systems[key].has_deferred());
        built.apply_before = order.iter().position(is_after).filter(|_| queues);
        let declared = Declared { order: &order, owners: &built.owners, edges: &built.edges };
        let ambiguities = ambiguities(world, graph, built.label, &declared);
        // With an edge between neighbours no other order is topological: bevy_ecs, which sorts after us, comes to this one.
        for pair in order.windows(2) {
            flat.add_edge(pair[0], pair[1]);
        }
        take_conditions(graph, &mut built, &order, &index)?;
        built.types = order.iter().map(|&key| graph.systems[key].system_type()).collect();
        let timings = timings(graph, &built, &ranks, &order);
        let touched = order.iter().zip(timings.iter()).map(|(key, timing)| {
            Touched::of(Arc::clone(&timing.name), ranks.owner(*key), graph.systems[*key].access())
        });
        *lock(&built.report) = ScheduleReport {
            timings: Arc::clone(&timings),
            ambiguities,
            tick_writers: tick_writers(world, graph, &order),
            touched: touched.collect(),
        };
        built.timings = timings;
        built.order = order;
        built.version += 1;
        Ok(())
    }
}

fn name_of(graph: &ScheduleGraph, key: SystemKey) -> String {
    display_name(&graph.systems[key].name().to_string())
}

/// The systems that would write the tick, which is the engine's.
fn tick_writers(world: &World, graph: &ScheduleGraph, order: &[SystemKey]) -> Vec<String> {
    let tick = world.component_id::<Tick>();
    let writes_tick = |key: &&SystemKey| match graph.systems[**key].access() {
        // One that can write everything, as a query of whole entities can, names no resource.
        SystemAccess::Shared(access) => {
            let writes = access.combined_access().writes().as_finite_set();
            writes.zip(tick).is_some_and(|(writes, tick)| writes.iter().any(|id| id == tick))
        }
        _ => false,
    };
    order.iter().filter(writes_tick).map(|key| name_of(graph, *key)).collect()
}

/// A cell for every system of `order`, with what it has counted in the build before.
fn timings(
    graph: &ScheduleGraph,
    built: &BuiltSchedule,
    ranks: &Ranks,
    order: &[SystemKey],
) -> Arc<[TimingCell]> {
    let schedule = format!("{:?}", built.label);
    let carried = |key: &SystemKey| {
        let before = built.order.iter().position(|k| k == key)?;
        Some(built.timings[before].carried_over())
    };
    let new = |key: &SystemKey| {
        TimingCell::new(name_of(graph, *key), ranks.phase(*key), &schedule, ranks.owner(*key))
    };
    order.iter().map(|key| carried(key).unwrap_or_else(|| new(key))).collect()
}

/// Takes the run conditions: those of systems by key, those of sets with their members.
fn take_conditions(
    graph: &mut ScheduleGraph,
    built: &mut BuiltSchedule,
    order: &[SystemKey],
    index: &BTreeMap<SystemKey, usize>,
) -> Result<(), ScheduleBuildError> {
    // A rebuilt graph has only the conditions that were added since: what was taken before goes in front of them.
    let mut kept: BTreeMap<SystemKey, Vec<ConditionWithAccess>> =
        built.system_conditions.drain(..).map(|of| (of.system, of.conditions)).collect();
    for &system in order {
        let mut conditions = kept.remove(&system).unwrap_or_default();
        if let Some(new) = graph.systems.get_conditions_mut(system) {
            conditions.append(new);
        }
        built.system_conditions.push(SystemConditions { system, conditions });
    }
    let mut kept: BTreeMap<SystemSetKey, Vec<ConditionWithAccess>> =
        built.set_conditions.drain(..).map(|set| (set.set, set.conditions)).collect();
    let mut hierarchy = graph.hierarchy().clone();
    // Bevy asks an outer set before those inside it.
    let outer_first = hierarchy.toposort().map_err(ScheduleBuildError::HierarchySort)?.to_vec();
    for set in outer_first.iter().filter_map(|node| node.as_set()) {
        let mut conditions = kept.remove(&set).unwrap_or_default();
        if let Some(new) = graph.system_sets.get_conditions_mut(set) {
            conditions.append(new);
        }
        if conditions.is_empty() {
            continue;
        }
        // Sorted: the plan searches the members, and asks the conditions just before the first.
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
        built.set_conditions.push(SetConditions { set, conditions, members: inside.into_iter().collect() });
    }
    Ok(())
}
