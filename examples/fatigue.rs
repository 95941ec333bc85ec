//! A component and a system of one's own, on a scenario of one's own: `cargo run --release --example fatigue`.

use corec::prelude::*;

/// How tired an entity is: 0 is fresh, 1 is spent.
#[derive(Component, Pod, Zeroable, Clone, Copy, Default)]
#[repr(C)]
struct Tiredness(f32);

/// Entities tire under load; tired entities answer more weakly.
fn fatigue(app: &mut App) {
    app.add_kind(Kind::new("tired").with::<Signal>().with::<Trait>().with::<Tiredness>())
        .add_systems(Update, tire.in_set(Phase::Process));
}

fn tire(blocks: Blocks<(&mut Tiredness, &mut Signal)>) {
    blocks.due().par_for_each(|(tiredness, signal)| {
        for (tiredness, signal) in tiredness.iter_mut().zip(signal) {
            tiredness.0 = (tiredness.0 + 0.001 * signal.value).min(1.0);
            signal.value *= 1.0 - tiredness.0;
        }
    });
}

fn main() -> AppExit {
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/scenarios/fatigue.json");
    App::new().add_plugins((CorecPlugins::scenario(scenario), fatigue)).run()
}
