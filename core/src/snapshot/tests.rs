//! A small world of a fixed and a recycled kind, saved, damaged and restored.

use std::fs;
use std::path::Path;

use bevy_app::{App, Update};
use bevy_ecs::prelude::*;
use bevy_time::Time;
use serde::{Deserialize, Serialize};

use super::*;
use crate::block::GroupId;
use crate::blocks::Blocks;
use crate::column::{Signal, StableId, Trait};
use crate::config::{BlockGroup, Scenario, Threads};
use crate::digest::{SaveResource, Saved};
use crate::kind::{AddKind, Kind};
use crate::phase::Phase;
use crate::rng::{Draws, unit};
use crate::rows::Rows;
use crate::simulation::{RunScenario, Simulation, SimulationError};
use crate::units::Tick;

/// What a plain plugin keeps, from Bevy's clock.
#[derive(Resource, Default, Serialize, Deserialize)]
struct Seen {
    seconds: Vec<f64>,
}

impl Saved for Seen {
    const NAME: &'static str = "seen";
}

fn look(time: Res<Time>, mut seen: ResMut<Seen>) {
    seen.seconds.push(time.elapsed_secs_f64() + time.delta_secs_f64());
}

fn stir(scenario: Res<RunScenario>, tick: Res<Tick>, blocks: Blocks<(&StableId, &mut Signal)>) {
    let draws = Draws::new(scenario.0.seed, "stir");
    blocks.par_for_each(|(ids, signals)| {
        for (id, signal) in ids.iter().zip(signals) {
            signal.value = 0.5 * signal.value + unit(draws.words(id.0, tick.0, 0)[0]);
        }
    });
}

/// Births and deaths, so that blocks have gaps, rows have moved and the table has grown.
fn live_and_die(world: &mut World) {
    let tick = world.resource::<Tick>().0;
    let mut rows = Rows::new(world);
    for i in 0..7 {
        rows.spawn(GroupId(1)).unwrap().set(Signal { value: i as f32 }).unwrap();
    }
    for i in 0..3 {
        _ = rows.free(StableId(1000 + tick * 3 + i));
    }
}

fn scenario(threads: u32) -> Scenario {
    let group = |id: &str, kind: &str, entities| BlockGroup {
        id: id.into(),
        kind: kind.into(),
        entities,
        entities_per_block: 100,
        ..Default::default()
    };
    let blocks = vec![group("rocks", "rock", 1000), group("sparks", "spark", 250)];
    Scenario { blocks, threads: Threads::Count(threads), ..Default::default() }
}

fn app() -> App {
    let mut app = App::new();
    app.add_kind(Kind::new("rock").with::<Signal>().with::<Trait>())
        .add_kind(Kind::new("spark").with::<Signal>().recycled())
        .init_resource::<Seen>()
        .save_resource::<Seen>()
        .add_systems(Update, (stir, live_and_die).chain().in_set(Phase::Process))
        .add_systems(Update, look);
    app
}

fn run(ticks: u64) -> Simulation {
    let mut simulation = Simulation::new(app(), scenario(2)).unwrap();
    simulation.run(ticks).unwrap();
    simulation
}

fn save(simulation: &Simulation, folder: &Path) -> std::path::PathBuf {
    let mut captured = Capture::default();
    let about = About { run: "runs/0001".into(), ..Default::default() };
    simulation.in_pool(|world| capture(world, &mut captured, &about));
    write(&captured, &SnapshotFolder::own(folder.into(), 3), 2).unwrap().path
}

#[test]
fn a_restored_run_goes_on_as_if_nothing_had_happened() {
    let folder = tempfile::tempdir().unwrap();
    for at in [0, 1, 5, 30] {
        let path = save(&run(at), folder.path());
        for threads in [1, 2, 8] {
            let (snapshot, refused) = latest(&path).unwrap();
            assert!(refused.is_empty());
            let mut restored = Simulation::restore(app(), scenario(threads), &snapshot).unwrap();
            assert_eq!(restored.tick(), at);
            assert_eq!(restored.digest(), run(at).digest());
            restored.run(40 - at).unwrap();
            assert_eq!(restored.digest(), run(40).digest(), "saved at {at}, {threads} threads");
        }
    }
}

#[test]
fn a_snapshot_in_place_is_the_same_file() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulation = run(12);
    let path = save(&simulation, folder.path());
    let about = About { run: "runs/0001".into(), ..Default::default() };
    let written =
        write_in_place(simulation.world(), &about, &SnapshotFolder::own(other.path().into(), 3), 1).unwrap();
    assert_eq!(fs::read(path).unwrap(), fs::read(written.path).unwrap());
}

#[test]
fn the_last_few_are_kept_and_a_damaged_one_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut simulation = run(1);
    for _ in 0..5 {
        simulation.run(2).unwrap();
        save(&simulation, folder.path());
    }
    let kept = list(folder.path()).unwrap();
    assert_eq!(kept, [7, 9, 11].map(|tick| path_of(folder.path(), tick)));
    let mut bytes = fs::read(&kept[2]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&kept[2], bytes).unwrap();
    let (snapshot, refused) = latest(folder.path()).unwrap();
    assert_eq!((snapshot.head().tick, refused.len()), (9, 1));
    assert!(refused[0].to_string().contains("checksum"), "{}", refused[0]);
    let error = latest(&kept[2]).err().unwrap();
    assert!(error.to_string().contains("tick-000000000011.corec: byte "), "{error}");
}

#[test]
fn runs_in_one_folder_keep_their_own_snapshots_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let place = SnapshotFolder { folder: folder.path().into(), is_own: false, keep: 2 };
    let save = |id: u128, tick: u64| {
        let about = About { id: Some(RunId(id << 96)), run: format!("runs/{id}"), ..Default::default() };
        write_in_place(run(tick).world(), &about, &place, 1).unwrap().path
    };
    let first: Vec<_> = [2, 4].map(|tick| save(1, tick)).into();
    let second: Vec<_> = [4, 6, 8].map(|tick| save(2, tick)).into();
    assert_eq!(second[0].file_name().unwrap(), "tick-000000000004-00000002.corec");
    assert_eq!(list(folder.path()).unwrap(), [&first[..], &second[1..]].concat(), "two of each");
    let error = latest(folder.path()).err().unwrap().to_string();
    assert!(error.contains("snapshots of 2 runs") && error.contains("runs/1 (00000001"), "{error}");
    assert_eq!(latest(&first[1]).unwrap().0.head().id, Some(RunId(1 << 96)));
}

#[test]
fn no_damage_is_read_as_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(save(&run(3), folder.path())).unwrap();
    let file = folder.path().join("damaged");
    let refused = |damaged: &[u8], what: &str| {
        fs::write(&file, damaged).unwrap();
        let found = Snapshot::open(&file).and_then(|snapshot| snapshot.verify());
        assert!(found.is_err(), "{what} went unnoticed");
    };
    // Every byte of both ends, and a spread of the rest; every length likewise.
    let ends = (0..64).chain(bytes.len() - 600..bytes.len());
    for at in ends.chain((64..bytes.len() - 600).step_by(97)) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        refused(&damaged, &format!("bit {} of byte {at}", at % 8));
        refused(&bytes[..at], &format!("a file of {at} bytes"));
    }
    let mut longer = bytes.clone();
    longer.push(0);
    refused(&longer, "a byte more");
}

#[test]
fn a_snapshot_of_other_kinds_is_refused_with_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = save(&run(3), folder.path());
    let snapshot = Snapshot::open(&path).unwrap();
    let refused = |app: App, scenario: Scenario| match Simulation::restore(app, scenario, &snapshot) {
        Err(SimulationError::Snapshot(error)) => error.to_string(),
        Err(error) => error.to_string(),
        Ok(_) => "it was restored".into(),
    };
    let mut other = App::new();
    other
        .add_kind(Kind::new("rock").with::<Signal>())
        .add_kind(Kind::new("spark").with::<Signal>().recycled());
    let error = refused(other, scenario(1));
    assert!(
        error.contains("kind 'rock': found columns StableId 8, Health 4, Signal 4, Trait 8, must be"),
        "{error}"
    );
    let mut unsaved = App::new();
    unsaved.add_kind(Kind::new("rock").with::<Signal>().with::<Trait>());
    unsaved.add_kind(Kind::new("spark").with::<Signal>().recycled());
    let error = refused(unsaved, scenario(1));
    assert!(error.contains("found the resource 'seen', which no plugin here saves"), "{error}");
    let mut fewer = scenario(1);
    fewer.blocks[1].kind = "rock".into();
    assert!(refused(app(), fewer).contains("that its scenario has not"));
}

#[test]
fn a_difference_names_column_block_and_entity() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut left, mut right) = (run(5), run(5));
    let open = |simulation: &Simulation, folder: &Path| Snapshot::open(&save(simulation, folder)).unwrap();
    assert_eq!(diff(&open(&left, folder.path()), &open(&right, other.path())).unwrap(), []);
    Rows::new(left.world_mut()).get(StableId(250)).unwrap().set(Signal { value: 0.5 }).unwrap();
    right.world_mut().resource_mut::<Seen>().seconds.push(1.0);
    let found = diff(&open(&left, folder.path()), &open(&right, other.path())).unwrap();
    let said: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 2, "{said:?}");
    assert!(
        said[0].starts_with(
            "rock.Signal: 1 rows differ, first in block 2 (group 0, its 2.), entity 250: 0x0000003f and"
        ),
        "{said:?}"
    );
    assert!(said[1].starts_with("resource seen: "), "{said:?}");
}
