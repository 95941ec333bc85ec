//! The walk without vectors: eight rows side by side, level by level, so that their loads overlap.

use super::{Block, LANES, LEVELS, STRIP, Strip, TOP_LEVELS, Walk};

/// Adds each row's paths to its sum.
pub fn sum_paths(strip: &Strip<'_>, sums: &mut [f64]) {
    for tree in strip.layout.trees() {
        for (at, sums) in sums.chunks_mut(LANES).enumerate() {
            // After the last row a strip has values of no row, whose paths nobody takes.
            let paths = paths(strip, tree, at % (STRIP / LANES));
            for (sum, path) in sums.iter_mut().zip(paths) {
                *sum += path;
            }
        }
    }
}

/// The paths of eight rows.
#[inline(always)]
fn paths(strip: &Strip<'_>, tree: Walk<'_>, at: usize) -> [f64; LANES] {
    let value = |feature: usize, lane: usize| strip.columns[feature][at][lane];
    let mut places = [1; LANES];
    for _ in 0..TOP_LEVELS {
        for lane in 0..LANES {
            places[lane] = tree.top.below(places[lane], |feature| value(feature, lane));
        }
    }
    let mut places = places.map(|place| place - (1 << TOP_LEVELS));
    let (mut first, mut width) = (0, 1 << TOP_LEVELS);
    while first < tree.blocks.len() {
        let blocks: [&Block; LANES] = places.map(|place| &tree.blocks[first + place]);
        let mut inside = [1; LANES];
        for _ in 0..LEVELS {
            for lane in 0..LANES {
                inside[lane] = blocks[lane].below(inside[lane], |feature| value(feature, lane));
            }
        }
        for lane in 0..LANES {
            places[lane] = (places[lane] << LEVELS) | (inside[lane] - (1 << LEVELS));
        }
        first += width;
        width <<= LEVELS;
    }
    places.map(|place| tree.paths[place])
}
