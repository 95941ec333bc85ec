//! Observers of one event, in one order: built-ins', plugins' by name, others', each as they were added.
//!
//! bevy_ecs keeps the observers of an event in a hash table by entity: their order changes with whatever else is in the world, a
//! neighbour's resources included. So each event (and each component of a lifecycle event) gets one observer of the engine's, which
//! calls the others in their order. They stay where they are; to bevy_ecs they watch an entity that no event ever
//! targets. Observers of given entities keep bevy's order.

use bevy_ecs::component::{Component, ComponentId};
use bevy_ecs::entity::Entity;
use bevy_ecs::event::EventKey;
use bevy_ecs::lifecycle::Add;
use bevy_ecs::observer::{Observer, ObserverRunner, On, TriggerContext};
use bevy_ecs::ptr::PtrMut;
use bevy_ecs::resource::Resource;
use bevy_ecs::system::Commands;
use bevy_ecs::world::{DeferredWorld, World};

use crate::phase::Owner;

/// The observers of the world.
#[derive(Resource, Default)]
struct Observers {
    /// As they were added, and whose they are.
    added: Vec<(Entity, Option<Owner>)>,
    /// What those that are called by the engine watch; none until [`arrange`] has been called.
    nowhere: Option<Entity>,
    /// What calls those of an event, or of an event of a component.
    callers: Vec<(EventKey, Option<ComponentId>, Entity)>,
}

/// Calls others, in their order.
#[derive(Component, Default)]
struct Caller(Vec<Called>);

#[derive(Clone, Copy)]
struct Called {
    rank: Rank,
    observer: Entity,
    runner: ObserverRunner,
}

/// Lower ones first: plain Bevy's last, then as they were added.
type Rank = (bool, Option<Owner>, usize);

/// Notes who adds observers from now on. Called before plugins are built; again changes nothing.
pub fn watch(world: &mut World) {
    if world.contains_resource::<Observers>() {
        return;
    }
    let mut before: Vec<Entity> = world
        .iter_entities()
        .filter(|entity| entity.contains::<Observer>())
        .map(|entity| entity.id())
        .collect();
    before.sort_unstable();
    let added = before.into_iter().map(|entity| (entity, None)).collect();
    world.insert_resource(Observers { added, ..Observers::default() });
    world.add_observer(|add: On<Add<Observer>>, mut commands: Commands| {
        let observer = add.entity;
        commands.queue(move |world: &mut World| note(world, observer));
    });
}

/// How many have been added.
pub(crate) fn count(world: &World) -> usize {
    world.get_resource::<Observers>().map_or(0, |observers| observers.added.len())
}

/// Writes down whose those are that were added after the first `before`.
pub(crate) fn own_after(world: &mut World, before: usize, owner: Owner) {
    if let Some(mut observers) = world.get_resource_mut::<Observers>() {
        observers.added[before..].iter_mut().for_each(|(_, of)| *of = Some(owner));
    }
}

/// Puts all in order; those that are added later follow by themselves.
pub(crate) fn arrange(world: &mut World) {
    watch(world);
    let nowhere = world.spawn_empty().id();
    let mut observers = world.resource_mut::<Observers>();
    observers.nowhere = Some(nowhere);
    let all: Vec<usize> = (0..observers.added.len()).collect();
    all.into_iter().for_each(|at| take_over(world, at, nowhere));
}

fn note(world: &mut World, observer: Entity) {
    // One's own: those that call, and those that were taken over and put back.
    let is_own = world.get::<Caller>(observer).is_some();
    let mut observers = world.resource_mut::<Observers>();
    if is_own || observers.added.iter().rev().any(|(known, _)| *known == observer) {
        return;
    }
    let at = observers.added.len();
    observers.added.push((observer, None));
    if let Some(nowhere) = observers.nowhere {
        take_over(world, at, nowhere);
    }
}

/// Has an observer called by the engine from now on.
fn take_over(world: &mut World, at: usize, nowhere: Entity) {
    let (observer, owner) = world.resource::<Observers>().added[at];
    let Some(descriptor) = world.get::<Observer>(observer).map(|own| own.descriptor().clone()) else {
        return;
    };
    let is_for_entities = !descriptor.entities().is_empty();
    let Some(mut own) = (!is_for_entities).then(|| world.entity_mut(observer).take::<Observer>()).flatten()
    else {
        return;
    };
    world.flush();
    // Its hooks took its description away. A component or an event that is there twice counts once.
    own = own.with_entity(nowhere).with_components(descriptor.components().iter().copied());
    for &key in descriptor.event_keys() {
        // SAFETY: it had this key before.
        own = unsafe { own.with_event_key(key) };
    }
    world.entity_mut(observer).insert(own);
    world.flush();
    let rank = (owner.is_none(), owner, at);
    for &key in descriptor.event_keys() {
        if descriptor.components().is_empty() {
            let of = world.observers().try_get_observers(key);
            let runner = of.and_then(|of| of.entity_observers().get(&nowhere)?.get(&observer));
            enlist(world, key, None, runner.map(|&runner| Called { rank, observer, runner }));
        }
        for &component in descriptor.components() {
            let of = world.observers().try_get_observers(key);
            let of = of.and_then(|of| of.component_observers().get(&component));
            let runner = of.and_then(|of| of.entity_component_observers().get(&nowhere)?.get(&observer));
            enlist(world, key, Some(component), runner.map(|&runner| Called { rank, observer, runner }));
        }
    }
}

/// Puts an observer into the list of those that are called at an event.
fn enlist(world: &mut World, key: EventKey, component: Option<ComponentId>, called: Option<Called>) {
    let called = called.expect("bevy_ecs has registered it under the entity that it watches");
    let callers = &world.resource::<Observers>().callers;
    let known = callers.iter().find(|caller| (caller.0, caller.1) == (key, component));
    let caller = known.map(|caller| caller.2).unwrap_or_else(|| {
        // SAFETY: what is called has this key as well.
        let observer = unsafe { Observer::with_dynamic_runner(call).with_event_key(key) };
        let observer = observer.with_components(component);
        let caller = world.spawn((Caller::default(), observer)).id();
        world.flush();
        world.resource_mut::<Observers>().callers.push((key, component, caller));
        caller
    });
    let mut list = world.get_mut::<Caller>(caller).expect("nobody else knows the entity");
    let place = list.0.partition_point(|other| other.rank < called.rank);
    if list.0.get(place).is_none_or(|other| other.observer != called.observer) {
        list.0.insert(place, called);
    }
}

/// Runs the observers of a caller.
///
/// # Safety
/// As for any [`ObserverRunner`]: bevy_ecs calls it with an event and a trigger of the caller's key.
unsafe fn call(
    mut world: DeferredWorld,
    caller: Entity,
    context: &TriggerContext,
    mut event: PtrMut,
    mut trigger: PtrMut,
) {
    let mut next = 0;
    // Observers may add others, which come into the list once this one is through: commands wait.
    while let Some(&Called { observer, runner, .. }) =
        world.get::<Caller>(caller).and_then(|list| list.0.get(next))
    {
        next += 1;
        if world.get::<Observer>(observer).is_some() {
            // SAFETY: it has the same key, and is there.
            unsafe { runner(world.reborrow(), observer, context, event.reborrow(), trigger.reborrow()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use bevy_ecs::event::Event;
    use bevy_ecs::system::ResMut;

    use super::*;

    #[derive(Event)]
    struct Bell;

    #[derive(Component)]
    struct Lamp;

    #[derive(Resource, Default)]
    struct Heard(Vec<&'static str>);

    #[derive(Resource)]
    struct Filler<const N: usize>;

    macro_rules! fillers {
        ($($n:literal)+) => { [$(|world: &mut World| world.insert_resource(Filler::<$n>)),+] };
    }

    fn hears(world: &mut World, what: &'static str) -> Entity {
        world.add_observer(move |_: On<Bell>, mut heard: ResMut<Heard>| heard.0.push(what)).id()
    }

    fn ring(world: &mut World) -> Vec<&'static str> {
        world.trigger(Bell);
        std::mem::take(&mut world.resource_mut::<Heard>().0)
    }

    #[test]
    fn they_are_called_by_owner_and_as_they_were_added_whatever_else_is_in_the_world() {
        let fillers = fillers!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
        for filled in 0..=fillers.len() {
            let mut world = World::new();
            world.init_resource::<Heard>();
            hears(&mut world, "before");
            fillers[..filled].iter().for_each(|fill| fill(&mut world));
            watch(&mut world);
            for (owner, names) in [("b", ["b0", "b1", "b2"]), ("a", ["a0", "a1", "a2"])] {
                let before = count(&world);
                for name in names {
                    hears(&mut world, name);
                }
                own_after(&mut world, before, Owner::Plugin(owner));
            }
            hears(&mut world, "plain");
            arrange(&mut world);
            let gone = hears(&mut world, "gone");
            hears(&mut world, "late");
            let expected = ["a0", "a1", "a2", "b0", "b1", "b2", "before", "plain"];
            assert_eq!(ring(&mut world), [&expected[..], &["gone", "late"]].concat(), "{filled} before");
            world.despawn(gone);
            hears(&mut world, "later");
            assert_eq!(ring(&mut world), [&expected[..], &["late", "later"]].concat(), "{filled} before");
        }
    }

    #[test]
    fn those_of_a_component_and_those_of_an_entity_are_called_once() {
        let mut world = World::new();
        world.init_resource::<Heard>();
        watch(&mut world);
        for name in ["one", "two"] {
            world.add_observer(move |_: On<Add<Lamp>>, mut heard: ResMut<Heard>| heard.0.push(name));
        }
        arrange(&mut world);
        world.spawn(Lamp);
        assert_eq!(std::mem::take(&mut world.resource_mut::<Heard>().0), ["one", "two"]);
        world.spawn_empty();
        assert!(world.resource::<Heard>().0.is_empty());
        let lamp = world.spawn_empty().id();
        world
            .entity_mut(lamp)
            .observe(|_: On<Add<Lamp>>, mut heard: ResMut<Heard>| heard.0.push("its own"))
            .insert(Lamp);
        let mut heard = std::mem::take(&mut world.resource_mut::<Heard>().0);
        heard.sort_unstable();
        assert_eq!(heard, ["its own", "one", "two"]);
    }
}
