//! The walk without instructions of a width: three levels for a whole strip, in a loop that LLVM vectorises, and from there
//! eight rows side by side, level by level, so that their loads overlap.

use super::{Block, LANES, LEVELS, STRIP, Strip, TOP_LEVELS, Top, Walk};

/// Levels for a whole strip. Of a level below, most splits would be asked in vain.
const FIRST_LEVELS: u32 = 3;

/// Adds each row's paths to its sum.
pub fn sum_paths(strip: &Strip<'_>, sums: &mut [f64]) {
    let mut places = [[0; LANES]; STRIP / LANES];
    for tree in strip.layout.trees() {
        leave_first(strip, tree.top, places.as_flattened_mut());
        for ((at, places), sums) in places.iter().enumerate().zip(sums.chunks_mut(LANES)) {
            // After its last row a strip has values of no row, whose paths nobody takes.
            let paths = paths(strip, tree, at, places.map(|place| place as usize));
            for (sum, path) in sums.iter_mut().zip(paths) {
                *sum += path;
            }
        }
    }
}

/// The places below the first levels that rows go to. Not inlined: LLVM vectorises it only by itself.
#[inline(never)]
fn leave_first(strip: &Strip<'_>, top: &Top, places: &mut [u32]) {
    let column = |place: usize| &strip.columns[top.features[place] as usize].as_flattened()[..STRIP];
    let columns: [&[f32]; 1 << FIRST_LEVELS] = std::array::from_fn(column);
    let says = |place: usize, row: usize| {
        let is_second = columns[place][row] > top.thresholds[place];
        0u32.wrapping_sub(u32::from(is_second))
    };
    let choose = |first: u32, second: u32, passed: u32| first ^ ((first ^ second) & passed);
    for (row, to) in places[..STRIP].iter_mut().enumerate() {
        let root = says(1, row);
        let second = choose(says(2, row), says(3, row), root);
        let left = choose(says(4, row), says(5, row), second);
        let right = choose(says(6, row), says(7, row), second);
        *to = 8 + (root & 4) + (second & 2) + (choose(left, right, root) & 1);
    }
}

/// The paths of eight rows, by their places below the first levels.
#[inline(always)]
fn paths(strip: &Strip<'_>, tree: Walk<'_>, at: usize, mut places: [usize; LANES]) -> [f64; LANES] {
    let value = |feature: usize, lane: usize| strip.columns[feature][at][lane];
    for _ in FIRST_LEVELS..TOP_LEVELS {
        for (lane, place) in places.iter_mut().enumerate() {
            *place = tree.top.below(*place, |feature| value(feature, lane));
        }
    }
    let mut places = places.map(|place| place - (1 << TOP_LEVELS));
    let (mut first, mut width) = (0, 1 << TOP_LEVELS);
    while first < tree.blocks.len() {
        let blocks: [&Block; LANES] = places.map(|place| &tree.blocks[first + place]);
        let mut inside = [1; LANES];
        for _ in 0..LEVELS {
            for (lane, place) in inside.iter_mut().enumerate() {
                *place = blocks[lane].below(*place, |feature| value(feature, lane));
            }
        }
        for (place, inside) in places.iter_mut().zip(inside) {
            *place = (*place << LEVELS) | (inside - (1 << LEVELS));
        }
        first += width;
        width <<= LEVELS;
    }
    places.map(|place| tree.paths[place])
}
