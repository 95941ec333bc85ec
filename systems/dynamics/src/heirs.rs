//! Heirs: they are as their parents, but for a small mutation.

use corec_core::column::Trait;
use corec_core::rng::unit;

use crate::birth::GAIN;

/// Of so many drawn the fittest becomes a parent.
pub const CANDIDATES: usize = 4;
/// Largest mutation of a target and of a gain: at most a fortieth of the range of births, so that an heir stays near its parent.
const TARGET_MUTATION: f32 = 0.02;
const GAIN_MUTATION: f32 = 0.005;

/// A parent's trait with a mutation: words 0 and 1 of a draw.
pub fn mutated(parent: Trait, words: [u32; 4]) -> Trait {
    let [gain, target, ..] = words.map(|word| unit(word) * 2.0 - 1.0);
    Trait {
        gain: (parent.gain + GAIN_MUTATION * gain).clamp(GAIN.start, GAIN.end),
        target: (parent.target + TARGET_MUTATION * target).clamp(0.0, 1.0),
    }
}
