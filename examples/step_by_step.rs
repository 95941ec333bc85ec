//! A program that makes the ticks itself: it looks at a block, changes an entity between two ticks, keeps the state, and goes on
//! from it in a second simulation with the same bits: `cargo run --release --example step_by_step`.

use corec::prelude::*;
use corec::run::settings::Threads;
use corec::run::snapshots::Snapshot;
use corec_core::snapshot::{About, SnapshotFolder, write_in_place};

/// Water in a pond, in metres.
#[derive(Component, Pod, Zeroable, Clone, Copy, Default)]
#[repr(C)]
struct Level(f32);

/// Rain falls on every pond, and the fuller it is, the more runs off.
fn weather(app: &mut App) {
    app.add_kind(Kind::new("pond").with::<Level>()).add_systems(Update, rain.in_set(Phase::Process));
}

fn rain(scenario: Res<RunScenario>, tick: Res<Tick>, blocks: Blocks<(&StableId, &mut Level)>) {
    let draws = Draws::new(scenario.0.seed, "step_by_step.rain");
    blocks.par_for_each(|(ids, levels)| {
        for (id, level) in ids.iter().zip(levels) {
            let [drops, ..] = draws.words(id.0, tick.0, 0).map(rng::unit);
            level.0 += 0.1 * drops - 0.05 * level.0;
        }
    });
}

/// Fills a pond, and gives the level that it had.
fn fill(pond: StableId, world: &mut World) -> Result<f32> {
    let mut rows = Rows::new(world);
    let mut row = rows.get(pond)?;
    let before = row.value::<Level>()?;
    row.set(Level(20.0))?;
    Ok(before.0)
}

/// A system that only runs when it is asked: the mean level of each block, in their order.
fn means(blocks: Blocks<&Level>) -> Vec<f32> {
    let mut means = vec![0.0; blocks.population().block_count()];
    blocks.par_fold_blocks(&mut means, |mean, _, levels| {
        *mean = levels.iter().map(|level| level.0).sum::<f32>() / levels.len() as f32;
    });
    means
}

fn app() -> App {
    let mut app = App::new();
    app.add_plugins((CorecPlugin, weather));
    app
}

fn scenario(threads: u32) -> Scenario {
    let ponds = BlockGroup { id: "ponds".into(), kind: "pond".into(), entities: 5000, ..Default::default() };
    Scenario { blocks: vec![ponds], threads: Threads::Count(threads), ..Default::default() }
}

#[expect(clippy::print_stdout, reason = "an example shows its result")]
fn main() -> Result {
    let mut simulation = Simulation::new(app(), scenario(1))?;
    // A tick at a time; `run(50)` does the same in one call.
    (0..50).try_for_each(|_| simulation.step())?;
    let means = simulation.in_pool_mut(|world| world.run_system_cached(means))?;
    println!("tick {}: the mean level of block 0 is {:.3} m", simulation.tick(), means[0]);

    let before = fill(StableId(7), simulation.world_mut())?;
    println!("pond 7 is filled between two ticks, from {before:.3} m to 20 m");
    // The file of the snapshot is there, whole and synced, when the call returns.
    let folder = SnapshotFolder::own(std::env::temp_dir().join("corec-step_by_step"), 1);
    let written = simulation.in_pool(|world| write_in_place(world, &About::default(), &folder, 1))?;
    let mut restored = Simulation::restore(app(), scenario(2), &Snapshot::open(&written.path)?)?;
    std::fs::remove_dir_all(&folder.folder)?;

    simulation.run(100)?;
    restored.run(100)?;
    assert_eq!(simulation.digest(), restored.digest());
    println!("tick {}: both have the digest {:016x}", restored.tick(), restored.digest().value);
    Ok(())
}
