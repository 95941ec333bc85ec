//! Maths: its functions give the same bits in debug and release, at any vector width and on any thread.
//!
//! Additions have one order: row `i` of a block goes to lane `i % 16`, the lanes are folded in order, then the
//! blocks in order. Sixteen lanes fill one AVX-512 register, so no wider machine needs another order.

/// Lanes of every ordered sum.
pub const SUM_LANES: usize = 16;

/// The ordered sum of a block's column; 0 for an empty one.
///
/// ```
/// assert_eq!(corec_core::maths::ordered_sum(&[1.0, 2.0, 3.5]), 6.5);
/// ```
pub fn ordered_sum(values: &[f32]) -> f64 {
    let mut lanes = [0f32; SUM_LANES];
    let (whole, rest) = values.as_chunks::<SUM_LANES>();
    for chunk in whole {
        for l in 0..SUM_LANES {
            lanes[l] += chunk[l];
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += value;
    }
    fold_lanes(&lanes)
}

/// Folds the lanes of an ordered sum, first to last, in double precision.
#[inline(always)]
pub fn fold_lanes(lanes: &[f32; SUM_LANES]) -> f64 {
    lanes.iter().fold(0.0, |sum, &lane| sum + f64::from(lane))
}

/// All ones where `x` is finite, else 0: a mask for branch-free kernels.
#[inline(always)]
pub fn finite_mask(x: f32) -> u32 {
    0u32.wrapping_sub(u32::from((x.to_bits() & 0x7f80_0000) != 0x7f80_0000))
}

/// `a` where the mask has ones, `b` where it has zeros.
#[inline(always)]
pub fn pick(mask: u32, a: f32, b: f32) -> f32 {
    f32::from_bits((a.to_bits() & mask) | (b.to_bits() & !mask))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_ordered_sum_is_the_fold_of_its_lanes(values in prop::collection::vec(-1e3f32..1e3, 0..200)) {
            let mut lanes = [0f32; SUM_LANES];
            for (i, v) in values.iter().enumerate() {
                lanes[i % SUM_LANES] += v;
            }
            prop_assert_eq!(ordered_sum(&values).to_bits(), fold_lanes(&lanes).to_bits());
        }

        #[test]
        fn only_numbers_are_finite(bits: u32) {
            let x = f32::from_bits(bits);
            prop_assert_eq!(finite_mask(x) == u32::MAX, x.is_finite());
        }
    }
}
