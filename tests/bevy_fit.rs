//! Headless Bevy plugins, unchanged, under Bevy's own updates and under CoreC: the same results.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "its main is for `cargo run --example plain_bevy`")]
#[path = "../examples/plain_bevy.rs"]
mod plain_bevy;

use bevy_app::Last;
use bevy_state::app::StatesPlugin;
use bevy_state::prelude::*;
use corec::prelude::*;
use iyes_progress::prelude::*;
use plain_bevy::{Diary, rabbits, under_bevy, under_corec};

fn assert_the_same_under_both(plugin: fn(&mut App), must_tell_of: &[&str]) {
    let bevy = under_bevy(plugin, 40);
    for what in must_tell_of {
        assert!(bevy.0.iter().any(|line| line.starts_with(what)), "nothing of '{what}' in {bevy:#?}");
    }
    for threads in [1, 2, 8] {
        assert_eq!(under_corec(plugin, 40, threads).unwrap(), bevy, "{threads} threads");
    }
}

#[test]
fn a_plain_plugin_has_the_same_results_under_both() {
    assert_the_same_under_both(rabbits, &["died", "born", "fixed", "changed: [0"]);
}

/// What a published plugin, iyes_progress, drives: from Loading to Running once all that is tracked is done.
#[derive(States, Default, Clone, PartialEq, Eq, Hash, Debug)]
enum Stage {
    #[default]
    Loading,
    Running,
}

/// Progress from a system that stops when done (0 to 3 of 3) and from an entity (0 to 6 of 6); then work, and again.
fn loading(app: &mut App) {
    app.add_plugins(StatesPlugin)
        .init_state::<Stage>()
        .add_plugins(ProgressPlugin::<Stage>::new().with_state_transition(Stage::Loading, Stage::Running))
        .init_resource::<Diary>()
        .add_systems(OnEnter(Stage::Loading), |mut commands: Commands| {
            commands.spawn(ProgressEntity::<Stage>::new().with_progress(0, 6));
        })
        .add_systems(
            Update,
            (read.track_progress_and_stop::<Stage>(), unpack).run_if(in_state(Stage::Loading)),
        )
        .add_systems(Update, work.run_if(in_state(Stage::Running)))
        .add_systems(OnExit(Stage::Loading), clean_up)
        .add_systems(OnEnter(Stage::Running), |mut diary: ResMut<Diary>| diary.0.push("loaded".into()))
        .add_systems(Last, report.after(CheckProgressSet).run_if(state_exists::<Stage>));
}

fn read(mut files: Local<u32>) -> Progress {
    *files = *files % 3 + 1;
    Progress { done: *files, total: 3 }
}

fn unpack(mut parcels: Query<&mut ProgressEntity<Stage>>) {
    parcels.iter_mut().for_each(|mut parcel| parcel.visible.done += 1);
}

fn clean_up(mut commands: Commands, parcels: Query<Entity, With<ProgressEntity<Stage>>>) {
    parcels.iter().for_each(|parcel| commands.entity(parcel).despawn());
}

fn work(mut done: Local<u32>, mut next: ResMut<NextState<Stage>>, mut diary: ResMut<Diary>) {
    *done += 1;
    diary.0.push(format!("work {}", *done));
    if done.is_multiple_of(4) {
        next.set(Stage::Loading);
    }
}

fn report(tracker: Res<ProgressTracker<Stage>>, stage: Res<State<Stage>>, mut diary: ResMut<Diary>) {
    let Progress { done, total } = tracker.get_global_progress();
    diary.0.push(format!("{:?}: {done} of {total}", stage.get()));
}

#[test]
fn a_published_plugin_has_the_same_results_under_both() {
    // In the third tick the system has stopped at 3 of 3; `work 9` is of the third round.
    assert_the_same_under_both(loading, &["Loading: 7 of 9", "Loading: 9 of 9", "loaded", "work 9"]);
}
