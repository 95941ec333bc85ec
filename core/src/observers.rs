//! Observers: those of one event run in one order: built-ins', plugins' by name, others', each as they were added.
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
    /// As they were added, and whose they are, until [`arrange`] is called.
    added: Vec<(Entity, Option<Owner>)>,
    /// How many have been added.
    count: usize,
    /// What those that are called by the engine watch; none until [`arrange`] has been called.
    nowhere: Option<Entity>,
    /// What calls those of an event, or of an event of a component.
    dispatchers: Vec<(EventKey, Option<ComponentId>, Entity)>,
}

/// Calls others, in their order.
#[derive(Component)]
struct Dispatcher {
    key: EventKey,
    component: Option<ComponentId>,
    nowhere: Entity,
    called: Vec<(Rank, Entity)>,
}

/// Lower ones first: plain Bevy's last, then as they were added.
type Rank = (bool, Option<Owner>, usize);

/// How bevy_ecs runs an observer that was taken over; none if it is none any more.
fn runner_of(
    world: &World,
    key: EventKey,
    component: Option<ComponentId>,
    nowhere: Entity,
    observer: Entity,
) -> Option<ObserverRunner> {
    let of = world.observers().try_get_observers(key)?;
    let watching = match component {
        None => of.entity_observers().get(&nowhere)?,
        Some(component) => {
            of.component_observers().get(&component)?.entity_component_observers().get(&nowhere)?
        }
    };
    watching.get(&observer).copied()
}

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
    let count = before.len();
    let added = before.into_iter().map(|entity| (entity, None)).collect();
    world.insert_resource(Observers { added, count, ..Observers::default() });
    world.add_observer(|add: On<Add<Observer>>, mut commands: Commands| {
        let observer = add.entity;
        commands.queue(move |world: &mut World| note(world, observer));
    });
}

/// How many have been added.
pub(crate) fn count(world: &World) -> usize {
    world.get_resource::<Observers>().map_or(0, |observers| observers.count)
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
    let added = std::mem::take(&mut observers.added);
    for (at, (observer, owner)) in added.into_iter().enumerate() {
        take_over(world, observer, (owner.is_none(), owner, at), nowhere);
    }
}

fn note(world: &mut World, observer: Entity) {
    // One's own: those that call, and those that were taken over and put back.
    let nowhere = world.resource::<Observers>().nowhere;
    let watches =
        |of: &Observer| nowhere.is_some_and(|nowhere| of.descriptor().entities().contains(&nowhere));
    let is_own =
        world.get::<Dispatcher>(observer).is_some() || world.get::<Observer>(observer).is_none_or(watches);
    if is_own {
        return;
    }
    let mut observers = world.resource_mut::<Observers>();
    let at = observers.count;
    observers.count += 1;
    match nowhere {
        None => observers.added.push((observer, None)),
        Some(nowhere) => take_over(world, observer, (true, None, at), nowhere),
    }
}

/// Has an observer called by the engine from now on.
fn take_over(world: &mut World, observer: Entity, rank: Rank, nowhere: Entity) {
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
    for &key in descriptor.event_keys() {
        let components = descriptor.components();
        if components.is_empty() {
            enlist(world, key, None, nowhere, (rank, observer));
        }
        components.iter().for_each(|&of| enlist(world, key, Some(of), nowhere, (rank, observer)));
    }
}

/// Puts an observer into the list of those that are called at an event.
fn enlist(
    world: &mut World,
    key: EventKey,
    component: Option<ComponentId>,
    nowhere: Entity,
    called: (Rank, Entity),
) {
    let dispatchers = &world.resource::<Observers>().dispatchers;
    let known = dispatchers.iter().find(|dispatcher| (dispatcher.0, dispatcher.1) == (key, component));
    let dispatcher = known.map(|dispatcher| dispatcher.2).unwrap_or_else(|| {
        // SAFETY: what is called has this key as well.
        let observer = unsafe { Observer::with_dynamic_runner(call).with_event_key(key) };
        let list = Dispatcher { key, component, nowhere, called: Vec::new() };
        let dispatcher = world.spawn((list, observer.with_components(component))).id();
        world.flush();
        world.resource_mut::<Observers>().dispatchers.push((key, component, dispatcher));
        dispatcher
    });
    // Somebody despawned it: bevy_ecs has nobody to call then.
    let Some(mut list) =
        world.get_mut::<Dispatcher>(dispatcher).map(|mut list| std::mem::take(&mut list.called))
    else {
        return;
    };
    // Those that are gone, and one that was there before under another rank.
    let is_there = |observer| runner_of(world, key, component, nowhere, observer).is_some();
    list.retain(|(_, observer)| *observer != called.1 && is_there(*observer));
    list.insert(list.partition_point(|other| other.0 < called.0), called);
    if let Some(mut dispatcher) = world.get_mut::<Dispatcher>(dispatcher) {
        dispatcher.called = list;
    }
}

/// Runs the observers of a dispatcher.
///
/// # Safety
/// As for any [`ObserverRunner`]: bevy_ecs calls it with an event and a trigger of the dispatcher's key.
unsafe fn call(
    mut world: DeferredWorld,
    dispatcher: Entity,
    context: &TriggerContext,
    mut event: PtrMut,
    mut trigger: PtrMut,
) {
    let mut next = 0;
    // Observers may add others, which come into the list once this one is through: commands wait.
    while let Some((list, observer)) =
        world.get::<Dispatcher>(dispatcher).and_then(|list| Some((list, list.called.get(next)?.1)))
    {
        next += 1;
        // Asked anew each time: somebody may have taken it away, and put another in its place.
        let Some(runner) = runner_of(&world, list.key, list.component, list.nowhere, observer) else {
            continue;
        };
        // SAFETY: bevy_ecs has it registered for this key, with this runner.
        unsafe { runner(world.reborrow(), observer, context, event.reborrow(), trigger.reborrow()) };
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
    fn one_that_is_replaced_on_its_entity_is_called_as_what_it_is() {
        let mut world = World::new();
        world.init_resource::<Heard>();
        watch(&mut world);
        let first = hears(&mut world, "first");
        arrange(&mut world);
        world.entity_mut(first).remove::<Observer>();
        assert_eq!(ring(&mut world), [] as [&str; 0]);
        let other = Observer::new(|_: On<Bell>, mut heard: ResMut<Heard>| heard.0.push("other"));
        world.entity_mut(first).insert(other);
        world.flush();
        assert_eq!(ring(&mut world), ["other"]);
        // Many that come and go leave nothing behind.
        for _ in 0..100 {
            let gone = hears(&mut world, "gone");
            world.despawn(gone);
        }
        let mut dispatchers = world.query::<&Dispatcher>();
        assert!(dispatchers.iter(&world).all(|dispatcher| dispatcher.called.len() <= 2));
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
