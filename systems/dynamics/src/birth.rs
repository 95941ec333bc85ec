//! Birth: gives new entities of a kind with `Signal` and `Trait` a value and a trait.
//!
//! Runs once, in `Startup`. Reads `StableId`. Writes `Signal`, `Trait`. Repair uses the same rule for fresh entities.

use bevy_ecs::prelude::*;
use corec_core::blocks::Blocks;
use corec_core::column::{Signal, StableId, Trait};
use corec_core::rng::{Draws, unit};
use corec_core::simulation::RunScenario;

/// The slowest and the quickest a fresh entity may follow its target. At 0.05 it takes 14 ticks to go half the way.
pub const GAIN: std::ops::Range<f32> = 0.05..0.25;

/// The draws of births.
#[derive(Resource, Clone, Copy)]
pub struct BirthDraws(Draws);

impl FromWorld for BirthDraws {
    fn from_world(world: &mut World) -> Self {
        Self(Draws::new(world.resource::<RunScenario>().0.seed, "birth"))
    }
}

impl BirthDraws {
    /// The value and trait of an entity when it is fresh: value and target anywhere in 0..1, its gain in [`GAIN`].
    pub fn fresh(&self, id: StableId) -> (Signal, Trait) {
        let [value, gain, target, _] = self.0.words(id.0, 0, 0).map(unit);
        let gain = GAIN.start + (GAIN.end - GAIN.start) * gain;
        (Signal { value }, Trait { gain, target })
    }
}

/// Gives every entity its first value and trait.
pub fn birth(draws: Res<BirthDraws>, blocks: Blocks<(&StableId, &mut Signal, &mut Trait)>) {
    blocks.par_for_each(|(ids, signals, traits)| {
        for ((id, signal), inherited) in ids.iter().zip(signals).zip(traits) {
            (*signal, *inherited) = draws.fresh(*id);
        }
    });
}
