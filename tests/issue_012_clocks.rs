//! Bevy's clocks as a plugin has set them: a step of its own for `FixedUpdate` was overwritten, and what was left of it, a pause and
//! another speed were lost by a restore.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use bevy_app::FixedUpdate;
use bevy_time::{Fixed, Time, Virtual};
use corec::prelude::*;
use corec_core::config::{BlockGroup, Scenario};
use corec_core::simulation::Simulation;
use corec_core::snapshot::{About, SnapshotFolder, latest, write_in_place};

#[derive(Resource, Default)]
struct Calls(u64);

#[derive(Component, Pod, Zeroable, Clone, Copy, Default)]
#[repr(C)]
struct Heat(f32);

fn scenario() -> Scenario {
    let heat = BlockGroup { id: "heat".into(), kind: "heat".into(), entities: 100, ..Default::default() };
    Scenario { blocks: vec![heat], ..Default::default() }
}

fn app(plugin: impl Fn(&mut App) + Send + Sync + 'static) -> App {
    let mut app = App::new();
    app.add_plugins((CorecPlugin, move |app: &mut App| plugin(app)));
    app.add_kind(Kind::new("heat").with::<Heat>()).init_resource::<Calls>().add_systems(
        FixedUpdate,
        |time: Res<Time>, mut calls: ResMut<Calls>, blocks: Blocks<&mut Heat>| {
            calls.0 += 1;
            blocks.for_each(|heat| {
                heat.iter_mut().for_each(|heat| heat.0 = heat.0 * 0.9 + time.elapsed_secs());
            });
        },
    );
    app
}

#[test]
fn a_step_that_a_plugin_has_set_is_kept() {
    for (step, calls) in [(3.0, 20), (0.5, 120)] {
        let set = move |app: &mut App| _ = app.insert_resource(Time::<Fixed>::from_seconds(step));
        let mut simulation = Simulation::new(app(set), scenario()).unwrap();
        simulation.run(61).unwrap();
        assert_eq!(simulation.world().resource::<Calls>().0, calls, "a step of {step} s in 60 s");
    }
    let mut simulation = Simulation::new(app(|_| ()), scenario()).unwrap();
    simulation.run(61).unwrap();
    assert_eq!(simulation.world().resource::<Calls>().0, 60, "once a tick unless it is set");
}

/// What a plugin does to the clocks at a tick.
fn change(tick: u64, fixed: &mut Time<Fixed>, clock: &mut Time<Virtual>) {
    match tick {
        0 => fixed.set_timestep_seconds(3.0),
        25 => clock.set_relative_speed(2.5),
        33 => clock.pause(),
        37 => clock.unpause(),
        _ => {}
    }
}

#[test]
fn clocks_go_on_where_they_were_after_a_restore() {
    let app = || {
        app(|app| {
            app.add_systems(
                Update,
                |tick: Res<Tick>, mut fixed: ResMut<Time<Fixed>>, mut clock: ResMut<Time<Virtual>>| {
                    change(tick.0, &mut fixed, &mut clock);
                },
            );
        })
    };
    let folder = tempfile::tempdir().unwrap();
    for at in [1, 30, 31, 32, 35] {
        let place = SnapshotFolder { folder: folder.path().join(at.to_string()), is_own: true, keep: 1 };
        let mut whole = Simulation::new(app(), scenario()).unwrap();
        whole.run(at).unwrap();
        write_in_place(whole.world(), &About::default(), &place, 1).unwrap();
        let snapshot = latest(&place.folder).unwrap().0;
        let mut restored = Simulation::restore(app(), scenario(), &snapshot).unwrap();
        for _ in 0..20 {
            let of = |simulation: &Simulation| {
                let world = simulation.world();
                let (fixed, clock) = (world.resource::<Time<Fixed>>(), world.resource::<Time<Virtual>>());
                let generic = world.resource::<Time>().elapsed();
                (
                    fixed.overstep(),
                    fixed.elapsed(),
                    clock.elapsed(),
                    clock.delta(),
                    clock.is_paused(),
                    generic,
                )
            };
            assert_eq!(of(&whole), of(&restored), "restored at {at}, tick {}", whole.tick());
            assert_eq!(whole.digest(), restored.digest(), "restored at {at}, tick {}", whole.tick());
            whole.run(1).unwrap();
            restored.run(1).unwrap();
        }
        let elapsed = whole.world().resource::<Time<Virtual>>().elapsed();
        assert_eq!(elapsed == Duration::from_secs(at + 19), at == 1, "they were changed after tick 25");
    }
}
