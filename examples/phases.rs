//! Sets of one's own between two phases, every tenth tick: `cargo run --release --example phases`.

use corec::prelude::*;

/// A storm: after what entities do, before what blocks measure.
#[derive(SystemSet, Clone, PartialEq, Eq, Hash, Debug)]
enum Storm {
    Rise,
    Strike,
}

/// What a storm takes off every value, 0..=1.
#[derive(Resource, Default)]
struct Wind(f32);

fn storms(app: &mut App) {
    let sets = (Storm::Rise, Storm::Strike).chain().after(Phase::Process).before(Phase::Measure);
    app.init_resource::<Wind>()
        .configure_sets(Update, sets.run_if(|tick: Res<Tick>| tick.0.is_multiple_of(10)))
        .add_systems(Update, (rise.in_set(Storm::Rise), strike.in_set(Storm::Strike)));
}

fn rise(mut wind: ResMut<Wind>) {
    wind.0 += 0.125;
}

fn strike(wind: Res<Wind>, blocks: Blocks<&mut Signal>) {
    blocks.par_for_each(|signals| signals.iter_mut().for_each(|signal| signal.value *= 1.0 - wind.0));
}

#[expect(clippy::print_stdout, reason = "an example shows its result")]
fn main() -> Result<(), SimulationError> {
    let mut app = App::new();
    app.add_plugins((CorecPlugin, storms));
    let cells = BlockGroup { id: "cells".into(), entities: 5000, ..Default::default() };
    let mut simulation = Simulation::new(app, Scenario { blocks: vec![cells], ..Default::default() })?;
    // The eighth storm is that of tick 70, and takes all.
    for ticks in [70, 1, 1] {
        simulation.run(ticks)?;
        let (wind, stats) = (simulation.world().resource::<Wind>(), simulation.world().resource::<Stats>());
        let mean = stats.blocks.iter().map(|block| block.mean).sum::<f32>() / stats.blocks.len() as f32;
        println!("after {} ticks and {} storms: mean {mean:.3}", simulation.tick(), wind.0 / 0.125);
    }
    Ok(())
}
