//! Ambiguities: finds systems of one owner that conflict and that nothing orders.

use std::any::TypeId;
use std::collections::BTreeSet;

use bevy_ecs::component::ComponentId;
use bevy_ecs::intern::Interned;
use bevy_ecs::query::AccessConflicts;
use bevy_ecs::schedule::{ApplyDeferred, NodeId, ScheduleGraph, ScheduleLabel, Schedules, SystemKey};
use bevy_ecs::system::System;
use bevy_ecs::world::World;
use fixedbitset::FixedBitSet;

use super::report::{Ambiguity, display_name};
use crate::phase::Owner;

/// Bevy's own crates in a headless app.
const BEVY: [&str; 3] = ["bevy_ecs::", "bevy_app::", "bevy_time::"];

/// A schedule's systems in their order, whose they are, and which of them are ordered by declaration.
pub(super) struct Declared<'a> {
    pub order: &'a [SystemKey],
    pub owners: &'a [Option<Owner>],
    /// By index: (before, after).
    pub edges: &'a [(usize, usize)],
}

/// Conflicting pairs without a declared order, direct or not, between systems of one owner or of plain plugins.
pub(super) fn ambiguities(
    world: &World,
    graph: &ScheduleGraph,
    label: Interned<dyn ScheduleLabel>,
    declared: &Declared,
) -> Vec<Ambiguity> {
    let Declared { order, owners, edges } = *declared;
    let n = order.len();
    // Schedules that are being built are out of the world one by one, but what they may ignore stays.
    let allowed: BTreeSet<ComponentId> =
        world.resource::<Schedules>().iter_ignored_ambiguities().copied().collect();
    let mut reached = vec![FixedBitSet::with_capacity(n); n];
    let mut edges = edges.to_vec();
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
            let (owner_a, owner_b) = (owners[a], owners[b]);
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
                schedule: format!("{label:?}"),
                first: display_name(&first.name().to_string()),
                second: display_name(&second.name().to_string()),
                shared,
                is_error: owner_a.is_some(),
            });
        }
    }
    found
}
