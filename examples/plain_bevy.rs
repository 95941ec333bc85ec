//! A plain headless Bevy plugin, unchanged, under Bevy's own updates and under CoreC, with the same results:
//! `cargo run --release --example plain_bevy`.

use std::time::Duration;

use bevy_app::{FixedUpdate, Last, prelude::*};
use bevy_time::{Fixed, Time, TimePlugin, TimeUpdateStrategy, Virtual};
use corec::prelude::bevy_ecs::{self, prelude::*};
use corec::prelude::{BlockGroup, CorecPlugin, Scenario, Simulation, SimulationError};
use corec::run::settings::Threads;

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
pub struct Diary(pub Vec<String>);

/// Rabbits that grow, breed and die: nothing here is CoreC's.
pub fn rabbits(app: &mut App) {
    app.init_resource::<Diary>()
        .add_message::<Born>()
        .add_observer(|died: On<Died>, mut diary: ResMut<Diary>| {
            diary.0.push(format!("died at {}", died.age))
        })
        .add_systems(Startup, |mut commands: Commands| {
            (0..3).for_each(|age| _ = commands.spawn(Rabbit { age }))
        })
        .add_systems(FixedUpdate, |mut diary: ResMut<Diary>| diary.0.push("fixed".into()))
        .add_systems(Update, (grow, breed.run_if(is_spring), bury, welcome, notice).chain())
        .add_systems(Last, count);
}

fn is_spring(time: Res<Time>) -> bool {
    time.elapsed_secs() as u32 % 3 == 1
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
    diary.0.push(format!("{} rabbits at {} s", rabbits.iter().count(), time.elapsed_secs()));
}

/// The diary after so many updates by Bevy, one second each.
pub fn under_bevy(plugin: fn(&mut App), ticks: u64) -> Diary {
    let mut app = App::new();
    app.add_plugins((TimePlugin, plugin));
    let second = Duration::from_secs(1);
    app.insert_resource(TimeUpdateStrategy::ManualDuration(second))
        .insert_resource(Time::<Fixed>::from_duration(second));
    app.world_mut().resource_mut::<Time<Virtual>>().set_max_delta(Duration::MAX);
    app.finish();
    app.cleanup();
    (0..ticks).for_each(|_| app.update());
    app.world().resource::<Diary>().clone()
}

/// The diary after so many ticks of CoreC, next to 5000 cells of its own.
pub fn under_corec(plugin: fn(&mut App), ticks: u64, threads: u32) -> Result<Diary, SimulationError> {
    let mut app = App::new();
    app.add_plugins((CorecPlugin, plugin));
    let cells = BlockGroup { id: "cells".into(), entities: 5000, ..Default::default() };
    let threads = Threads::Count(threads);
    let mut simulation =
        Simulation::new(app, Scenario { blocks: vec![cells], threads, ..Default::default() })?;
    simulation.run(ticks)?;
    Ok(simulation.world().resource::<Diary>().clone())
}

#[expect(clippy::print_stdout, reason = "an example shows its result")]
fn main() -> Result<(), SimulationError> {
    let (bevy, corec) = (under_bevy(rabbits, 40), under_corec(rabbits, 40, 2)?);
    for (runner, diary) in [("Bevy", &bevy), ("CoreC", &corec)] {
        println!("under {runner}: {} lines, the last: {}", diary.0.len(), diary.0.last().map_or("", |l| l));
    }
    println!("{}", if bevy == corec { "the same" } else { "not the same" });
    Ok(())
}
