//! The walk without vectors: eight rows side by side, so that their loads overlap.

use super::{LEVELS, Layout, TOP_LEVELS, Walk};

/// Rows in flight.
const ROWS: usize = 8;

/// Adds each row's paths to its sum.
pub fn sum_paths(layout: &Layout, rows: &[f32], columns: usize, sums: &mut [f64]) {
    let (groups, rest) = sums.as_chunks_mut::<ROWS>();
    let (grouped, left) = rows.split_at(groups.len() * ROWS * columns);
    for tree in layout.trees() {
        for (sums, rows) in groups.iter_mut().zip(grouped.chunks_exact(ROWS * columns)) {
            add(tree, std::array::from_fn(|r| &rows[r * columns..][..columns]), sums);
        }
        for (sum, row) in rest.iter_mut().zip(left.chunks_exact(columns)) {
            add(tree, [row], std::array::from_mut(sum));
        }
    }
}

#[inline(always)]
fn add<const N: usize>(tree: Walk<'_>, rows: [&[f32]; N], sums: &mut [f64; N]) {
    let mut places = [1; N];
    for _ in 0..TOP_LEVELS {
        for (place, row) in places.iter_mut().zip(rows) {
            *place = tree.top.below(*place, row);
        }
    }
    for place in &mut places {
        *place -= 1 << TOP_LEVELS;
    }
    let (mut first, mut width) = (0, 1 << TOP_LEVELS);
    while first < tree.blocks.len() {
        let blocks = &tree.blocks[first..][..width];
        let mut inside = [1; N];
        for _ in 0..LEVELS {
            for r in 0..N {
                inside[r] = blocks[places[r]].below(inside[r], rows[r]);
            }
        }
        for r in 0..N {
            places[r] = (places[r] << LEVELS) | (inside[r] - (1 << LEVELS));
        }
        first += width;
        width <<= LEVELS;
    }
    for r in 0..N {
        sums[r] += tree.paths[places[r]];
    }
}
