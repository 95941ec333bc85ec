//! Inherit: an entity takes the traits of the fittest of four that are drawn, with a small mutation.
//!
//! Repair, selection and growth have it in common. Accesses nothing of a world but the seed.

use bevy_ecs::prelude::*;
use corec_core::column::{Signal, StableId, Trait};
use corec_core::rng::{Draws, below, unit};
use corec_core::simulation::RunScenario;

use crate::birth::GAIN;

/// Candidates of which the fittest becomes the parent.
pub const CANDIDATES: usize = 4;
/// Largest mutation of a target and of a gain: at most a fortieth of the range of births, so that an heir stays near its parent.
pub const MUTATION: f32 = 0.02;

/// The draws of repair: draw 0 chooses candidates, draw 1 mutates.
#[derive(Resource, Clone, Copy)]
pub struct RepairDraws(pub(crate) Draws);

impl FromWorld for RepairDraws {
    fn from_world(world: &mut World) -> Self {
        Self(Draws::new(world.resource::<RunScenario>().0.seed, "repair"))
    }
}

impl RepairDraws {
    /// The row of the parent of an entity: the fittest of four drawn of `active`.
    pub(crate) fn parent(
        &self,
        id: StableId,
        tick: u64,
        active: &[u32],
        ids: &[StableId],
        signals: &[Signal],
    ) -> usize {
        let words = self.0.words(id.0, tick, 0);
        let candidates = words.map(|word| active[below(word, active.len() as u32) as usize] as usize);
        fittest(candidates, |row| (signals[row].value, ids[row]))
    }

    /// What an entity takes over.
    pub(crate) fn heir(&self, id: StableId, tick: u64, parent: Trait) -> Trait {
        mutated(parent, self.0.words(id.0, tick, 1), MUTATION)
    }
}

/// The row with the highest value; ties go to the lower id. `of` gives both.
pub fn fittest(rows: [usize; CANDIDATES], of: impl Fn(usize) -> (f32, StableId)) -> usize {
    let fitter = |a: usize, b: usize| {
        let ((one, id), (other, other_id)) = (of(a), of(b));
        if other > one || (other == one && other_id < id) { b } else { a }
    };
    rows[1..].iter().fold(rows[0], |best, row| fitter(best, *row))
}

/// A trait with a mutation of at most so much: of its gain a quarter of it.
pub fn mutated(parent: Trait, words: [u32; 4], mutation: f32) -> Trait {
    let [gain, target, ..] = words.map(|word| unit(word) * 2.0 - 1.0);
    Trait {
        gain: (parent.gain + mutation / 4.0 * gain).clamp(GAIN.start, GAIN.end),
        target: (parent.target + mutation * target).clamp(0.0, 1.0),
    }
}
