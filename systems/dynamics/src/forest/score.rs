//! Score: paths become scores, and scores of known rows an offset.

use corec_core::width::Simd;
use rayon::prelude::*;

use super::kernels::{Layout, STRIP};
use super::rows::Rows;

/// Rows that a thread takes at once: a sixteenth of a millisecond or so at a hundred trees.
const PART: usize = STRIP;

/// Each row's score, `-2^(-mean path / normal)`; -0.5 if `normal` is zero.
pub(super) fn scores(layout: &Layout, simd: Simd, normal: f64, rows: Rows<'_>, scores: &mut [f64]) {
    let parts = rows.values().par_chunks(PART * rows.columns());
    scores.par_chunks_mut(PART).zip(parts).for_each(|(scores, part)| {
        layout.sum_paths(simd, part, rows.columns(), scores);
        for score in scores {
            let paths = if normal > 0.0 { *score / normal } else { 1.0 };
            *score = -libm::exp2(-paths);
        }
    });
}

/// The value that `share` of the others lie below, between neighbours by a straight line, as numpy's `percentile` has it.
pub(super) fn percentile(values: &mut [f64], share: f64) -> f64 {
    let place = share * (values.len() - 1) as f64;
    let at = place as usize;
    let (_, low, above) = values.select_nth_unstable_by(at, f64::total_cmp);
    let low = *low;
    let Some(high) = above.iter().copied().min_by(f64::total_cmp) else { return low };
    let (part, gap) = (place - at as f64, high - low);
    // From the nearer neighbour, as numpy.
    if part >= 0.5 { high - gap * (1.0 - part) } else { low + gap * part }
}
