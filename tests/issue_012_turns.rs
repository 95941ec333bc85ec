//! Turns where rows are born and die: a window that followed from the tick alone could miss a row for ever (one was never due in 400
//! ticks), and so could a restored run's, were its cursors not saved.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use corec::prelude::*;
use corec_core::block::GroupId;
use corec_core::config::{BlockGroup, Scenario, Threads};
use corec_core::simulation::Simulation;
use corec_core::snapshot::{About, SnapshotFolder, latest, write_in_place};

#[derive(Component, Pod, Zeroable, Clone, Copy, Default)]
#[repr(C)]
struct Turns(u32);

/// Births and deaths of a tick.
type Churn = fn(u64) -> (u64, u64);

fn simulation(threads: u32, load: f32, churn: Churn) -> (App, Scenario) {
    let mut app = App::new();
    let come_and_go = move |world: &mut World| -> Result {
        let tick = world.resource::<Tick>().0;
        let (births, deaths) = churn(tick);
        let mut rows = Rows::new(world);
        let alive = rows.population().live();
        for _ in 0..births {
            rows.spawn(GroupId(0))?;
        }
        // From the 100th on: the others live for the whole run.
        let mut young = (100u64..).map(StableId);
        for _ in 0..deaths.min(alive - 100) {
            let id = young.by_ref().find(|id| rows.get(*id).is_ok()).unwrap();
            rows.free(id)?;
        }
        Ok(())
    };
    app.add_plugins(CorecPlugin).add_kind(Kind::new("spark").with::<Turns>().recycled()).add_systems(
        Update,
        (
            |blocks: Blocks<&mut Turns>| {
                blocks.due().par_for_each(|turns| turns.iter_mut().for_each(|turns| turns.0 += 1));
            },
            come_and_go,
        )
            .chain()
            .in_set(Phase::Process),
    );
    let group = BlockGroup {
        id: "sparks".into(),
        kind: "spark".into(),
        entities: 100,
        entities_per_block: 512,
        load,
        ..Default::default()
    };
    (app, Scenario { threads: Threads::Count(threads), blocks: vec![group], ..Default::default() })
}

#[test]
fn rows_get_their_turns_whoever_is_born_and_dies() {
    let patterns: [(&str, Churn); 4] = [
        ("nobody", |_| (0, 0)),
        ("one by turns", |tick| if tick % 2 == 0 { (1, 0) } else { (0, 1) }),
        ("two by turns", |tick| if tick % 2 == 0 { (2, 0) } else { (0, 2) }),
        ("one and one", |_| (1, 1)),
    ];
    for (name, churn) in patterns {
        for load in [0.1, 0.25, 0.5] {
            let (app, scenario) = simulation(1, load, churn);
            let mut simulation = Simulation::new(app, scenario).unwrap();
            simulation.run(400).unwrap();
            let mut rows = Rows::new(simulation.world_mut());
            let turns = (0..100).map(|id| rows.get(StableId(id)).unwrap().value::<Turns>().unwrap().0);
            let fewest = turns.min().unwrap();
            // At most 102 live and two come and go a tick.
            let steady = (400.0 * load * 0.9) as u32;
            assert!(fewest * 10 >= steady * 9, "{name}, load {load}: {fewest} turns, {steady} when steady");
        }
    }
}

#[test]
fn turns_go_on_where_they_were_after_a_restore_at_any_thread_count() {
    let churn: Churn = |tick| (tick % 5, (tick + 1) % 4);
    let folder = tempfile::tempdir().unwrap();
    let place = SnapshotFolder { folder: folder.path().to_owned(), is_own: true, keep: 1 };
    let mut digests = Vec::new();
    for threads in [1, 2, 8] {
        let (app, scenario) = simulation(threads, 0.3, churn);
        let mut whole = Simulation::new(app, scenario).unwrap();
        whole.run(57).unwrap();
        whole.in_pool(|world| write_in_place(world, &About::default(), &place, 1)).unwrap();
        whole.run(60).unwrap();
        let (app, scenario) = simulation(threads, 0.3, churn);
        let (snapshot, _) = latest(folder.path()).unwrap();
        let mut restored = Simulation::restore(app, scenario, &snapshot).unwrap();
        restored.run(60).unwrap();
        digests.push(whole.digest().value);
        digests.push(restored.digest().value);
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:x?}");
}
