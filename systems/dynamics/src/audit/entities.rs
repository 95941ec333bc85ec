//! Entities: the forest ranks the entities of a block, or of a whole run, one by one.

use corec_core::column::{Health, Signal, Trait};
use corec_core::width::Simd;
use rayon::prelude::*;

use crate::forest::{ForestError, IsolationForest, Rows, Settings};

/// What an entity is judged by: its value, its distance to its target, its failures, its gain.
pub const ENTITY_FEATURES: usize = 4;

/// Rows that a thread fills at once.
const PART: usize = 4096;

/// How much each entity stands apart from the others given, within 0..1, by a forest grown on them: the higher, the more. One score each,
/// in their order; works on the rayon pool that is current, to the same bits at any number of threads.
///
/// # Errors
/// No entity at all; a value or a trait that is no finite number, by its row.
///
/// # Panics
/// If the slices differ in length.
///
/// ```
/// use corec_core::column::{Health, Signal, Trait};
/// use corec_dynamics::audit::rank_entities;
/// let mut signals: Vec<Signal> = (0..100).map(|i| Signal { value: 0.4 + i as f32 / 500.0 }).collect();
/// signals[7].value = 0.95;
/// let (traits, healths) = (vec![Trait { gain: 0.1, target: 0.5 }; 100], vec![Health::FRESH; 100]);
/// let scores = rank_entities(&signals, &traits, &healths, 1)?;
/// assert!(scores.iter().enumerate().all(|(i, score)| i == 7 || *score < scores[7]));
/// # Ok::<(), corec_dynamics::forest::ForestError>(())
/// ```
pub fn rank_entities(
    signals: &[Signal],
    traits: &[Trait],
    healths: &[Health],
    seed: u64,
) -> Result<Vec<f64>, ForestError> {
    let n = signals.len();
    assert!(traits.len() == n && healths.len() == n, "columns are of one length");
    let mut rows = vec![[0.0; ENTITY_FEATURES]; n];
    let parts = signals.par_chunks(PART).zip(traits.par_chunks(PART)).zip(healths.par_chunks(PART));
    rows.par_chunks_mut(PART).zip(parts).for_each(|(rows, ((signals, traits), healths))| {
        entity_rows(signals, traits, healths, rows);
    });
    let rows = Rows::new(rows.as_flattened(), ENTITY_FEATURES)?;
    let forest = IsolationForest::fit(&Settings { seed, ..Settings::default() }, rows)?;
    let mut scores = vec![0.0; n];
    forest.score_into(Simd::widest(), rows, &mut scores)?;
    scores.par_chunks_mut(PART).for_each(|scores| scores.iter_mut().for_each(|score| *score = -*score));
    Ok(scores)
}

/// What entities are judged by.
fn entity_rows(
    signals: &[Signal],
    traits: &[Trait],
    healths: &[Health],
    rows: &mut [[f32; ENTITY_FEATURES]],
) {
    for (((signal, inherited), health), row) in signals.iter().zip(traits).zip(healths).zip(rows) {
        let distance = (signal.value - inherited.target).abs();
        *row = [signal.value, distance, f32::from(health.failures), inherited.gain];
    }
}
