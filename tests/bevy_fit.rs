//! One plain headless Bevy plugin, unchanged, under Bevy's own updates and under CoreC: the same results.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use bevy_time::{Fixed, Time, TimePlugin, TimeUpdateStrategy, Virtual};
use corec::prelude::*;

/// Bevy's component, on Bevy's entities; CoreC's blocks know nothing of it.
#[derive(Component)]
struct Rabbit {
    age: u32,
}

#[derive(Message)]
struct Born(u32);

#[derive(Event)]
struct Died {
    age: u32,
}

/// All that happened, in order.
#[derive(Resource, Default, Clone, PartialEq, Debug)]
struct Diary(Vec<String>);

struct Rabbits;

impl Plugin for Rabbits {
    fn build(&self, app: &mut App) {
        app.init_resource::<Diary>()
            .add_message::<Born>()
            .add_observer(|died: On<Died>, mut diary: ResMut<Diary>| {
                diary.0.push(format!("died at {}", died.age))
            })
            .add_systems(Startup, |mut commands: Commands| {
                (0..3).for_each(|age| _ = commands.spawn(Rabbit { age }))
            })
            .add_systems(bevy_app::FixedUpdate, |mut diary: ResMut<Diary>| diary.0.push("fixed".into()))
            .add_systems(
                Update,
                (
                    grow,
                    breed.run_if(|time: Res<Time>| time.elapsed_secs() as u32 % 3 == 1),
                    bury,
                    welcome,
                    notice,
                )
                    .chain(),
            )
            .add_systems(bevy_app::Last, count);
    }
}

fn grow(mut rabbits: Query<&mut Rabbit>, time: Res<Time>) {
    for mut rabbit in rabbits.iter_mut().filter(|rabbit| rabbit.age % 2 == time.elapsed_secs() as u32 % 2) {
        rabbit.age += 1;
    }
}

fn breed(mut commands: Commands, rabbits: Query<&Rabbit>, mut born: MessageWriter<Born>) {
    for rabbit in rabbits.iter().filter(|rabbit| rabbit.age > 2) {
        commands.spawn(Rabbit { age: 0 });
        born.write(Born(rabbit.age));
    }
}

fn bury(mut commands: Commands, rabbits: Query<(Entity, &Rabbit)>) {
    for (entity, rabbit) in rabbits.iter().filter(|(_, rabbit)| rabbit.age > 5) {
        commands.entity(entity).despawn();
        commands.trigger(Died { age: rabbit.age });
    }
}

fn welcome(mut born: MessageReader<Born>, mut diary: ResMut<Diary>) {
    born.read().for_each(|born| diary.0.push(format!("born to one of {}", born.0)));
}

fn notice(changed: Query<&Rabbit, Changed<Rabbit>>, mut diary: ResMut<Diary>) {
    let mut ages: Vec<u32> = changed.iter().map(|rabbit| rabbit.age).collect();
    ages.sort_unstable();
    diary.0.push(format!("changed: {ages:?}"));
}

fn count(rabbits: Query<&Rabbit>, time: Res<Time>, mut diary: ResMut<Diary>) {
    diary.0.push(format!("{} at {} s", rabbits.iter().count(), time.elapsed_secs()));
}

const TICKS: usize = 40;

fn under_bevy() -> Diary {
    let mut app = App::new();
    app.add_plugins((TimePlugin, Rabbits));
    let second = Duration::from_secs(1);
    app.insert_resource(TimeUpdateStrategy::ManualDuration(second))
        .insert_resource(Time::<Fixed>::from_duration(second));
    app.world_mut().resource_mut::<Time<Virtual>>().set_max_delta(Duration::MAX);
    app.finish();
    app.cleanup();
    (0..TICKS).for_each(|_| app.update());
    app.world().resource::<Diary>().clone()
}

fn under_corec(threads: u32) -> Diary {
    let mut app = App::new();
    app.add_plugins((CorecPlugin, Rabbits));
    let group = BlockGroup { id: "cells".into(), entities: 5000, ..Default::default() };
    let threads = corec_systems::settings::Threads::Count(threads);
    let scenario = Scenario { blocks: vec![group], threads, ..Default::default() };
    let mut simulation = Simulation::new(app, scenario).unwrap();
    simulation.run(TICKS as u64).unwrap();
    simulation.world().resource::<Diary>().clone()
}

#[test]
fn a_plain_plugin_has_the_same_results_under_both() {
    let bevy = under_bevy();
    let has = |what: &str| bevy.0.iter().any(|line| line.starts_with(what));
    assert!(has("died") && has("born") && has("fixed") && has("changed: [0"), "{bevy:?}");
    for threads in [1, 2, 8] {
        assert_eq!(under_corec(threads), bevy, "{threads} threads");
    }
}
