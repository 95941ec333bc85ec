//! The walk with AVX2.
//!
//! In a top, a row is a lane: every split of a level is asked for eight rows, column by column, and the splits that they passed above
//! choose among the answers. In a block, a split is a lane: a row's values are permuted to the splits that look at them, and the
//! signs of seven comparisons say, by a table, where it leaves. So nothing is gathered, and a row waits for few loads.

use std::arch::x86_64::{__m256, __m256i, _CMP_GT_OQ};

use pulp::x86::V3;

use super::{Block, Column, LANES, LEVELS, STRIP, Strip, TOP_LEVELS, Top, portable};

/// By which splits send a row to the second side: where it leaves the block.
const EXITS: [u8; 256] = {
    let mut exits = [0; 256];
    let mut signs = 0;
    while signs < 256 {
        let mut place = 1;
        while place < 1 << LEVELS {
            place = 2 * place + (signs >> place & 1);
        }
        exits[signs] = place as u8 - (1 << LEVELS);
        signs += 1;
    }
    exits
};

/// Adds each row's paths to its sum. Without AVX2 it is the portable walk.
pub fn sum_paths(strip: &Strip<'_>, sums: &mut [f64]) {
    let Some(v3) = V3::try_new() else { return portable::sum_paths(strip, sums) };
    match strip.columns.len().div_ceil(LANES) {
        1 => v3.vectorize(
            #[inline(always)]
            || strip.sum_in_registers::<1>(v3, sums),
        ),
        2 => v3.vectorize(
            #[inline(always)]
            || strip.sum_in_registers::<2>(v3, sums),
        ),
        3 | 4 => v3.vectorize(
            #[inline(always)]
            || strip.sum_in_registers::<4>(v3, sums),
        ),
        _ => v3.vectorize(
            #[inline(always)]
            || strip.sum_in_memory(v3, sums),
        ),
    }
}

impl Strip<'_> {
    /// Of rows that fit in so many registers.
    #[inline(always)]
    fn sum_in_registers<const REGISTERS: usize>(&self, v3: V3, sums: &mut [f64]) {
        let mut padded = [[[0f32; LANES]; REGISTERS]; STRIP];
        for (to, row) in padded.iter_mut().zip(self.rows()) {
            to.as_flattened_mut()[..row.len()].copy_from_slice(row);
        }
        let mut places = [[0; LANES]; STRIP / LANES];
        for tree in self.layout.trees() {
            self.leave_top(v3, tree.top, &mut places);
            for ((sum, row), place) in sums.iter_mut().zip(&padded).zip(places.as_flattened()) {
                *sum += tree.path(
                    *place as usize,
                    #[inline(always)]
                    |block| exit(v3, block, row),
                );
            }
        }
    }

    /// Of wider rows.
    #[inline(always)]
    fn sum_in_memory(&self, v3: V3, sums: &mut [f64]) {
        let mut places = [[0; LANES]; STRIP / LANES];
        for tree in self.layout.trees() {
            self.leave_top(v3, tree.top, &mut places);
            let rows = self.rows();
            for ((sum, row), place) in sums.iter_mut().zip(rows).zip(places.as_flattened()) {
                *sum += tree.path(
                    *place as usize,
                    #[inline(always)]
                    |block| {
                        (0..LEVELS).fold(1, |place, _| block.below(place, |feature| row[feature]))
                            - (1 << LEVELS)
                    },
                );
            }
        }
    }

    /// Where each row leaves a top.
    #[inline(always)]
    fn leave_top(&self, v3: V3, top: &Top, places: &mut [[u32; LANES]; STRIP / LANES]) {
        let mut columns = [&self.columns[0]; 1 << TOP_LEVELS];
        for (column, feature) in columns.iter_mut().zip(top.features) {
            *column = &self.columns[feature as usize];
        }
        for (at, places) in places.as_chunks_mut::<GROUPS>().0.iter_mut().enumerate() {
            let passed = [[v3.avx._mm256_setzero_ps(); GROUPS]; TOP_LEVELS as usize];
            let mut rows =
                Rows { v3, thresholds: &top.thresholds, columns: &columns, at: GROUPS * at, passed };
            rows.passed[0] = rows.level_0(1, 0);
            rows.passed[1] = rows.level_1(1, 0);
            rows.passed[2] = rows.level_2(1, 0);
            rows.passed[3] = rows.level_3(1, 0);
            rows.passed[4] = rows.level_4(1, 0);
            for (group, places) in places.iter_mut().enumerate() {
                let mut place = v3.avx._mm256_setzero_si256();
                for passed in rows.passed {
                    // A split that sends to the second side is -1.
                    let twice = v3.avx2._mm256_add_epi32(place, place);
                    place = v3.avx2._mm256_sub_epi32(twice, bytemuck::cast(passed[group]));
                }
                *places = bytemuck::cast(place);
            }
        }
    }
}

/// Registers of rows that are asked together: a threshold and a column are fetched once for all.
const GROUPS: usize = 2;

/// Rows in a top: which of its levels' splits have sent them to the second side.
struct Rows<'a> {
    v3: V3,
    thresholds: &'a [f32; 1 << TOP_LEVELS],
    columns: &'a [&'a Column; 1 << TOP_LEVELS],
    at: usize,
    passed: [[__m256; GROUPS]; TOP_LEVELS as usize],
}

impl Rows<'_> {
    /// What a split says.
    #[inline(always)]
    fn level_0(&self, place: usize, _: usize) -> [__m256; GROUPS] {
        let threshold: __m256 = bytemuck::cast(self.v3.splat_f32x8(self.thresholds[place]));
        let (column, v3) = (self.columns[place], self.v3);
        let values: [__m256; GROUPS] = [bytemuck::cast(column[self.at]), bytemuck::cast(column[self.at + 1])];
        [
            v3.avx._mm256_cmp_ps::<_CMP_GT_OQ>(values[0], threshold),
            v3.avx._mm256_cmp_ps::<_CMP_GT_OQ>(values[1], threshold),
        ]
    }

    #[inline(always)]
    fn choose(&self, first: [__m256; GROUPS], second: [__m256; GROUPS], level: usize) -> [__m256; GROUPS] {
        let (passed, v3) = (self.passed[level], self.v3);
        [
            v3.avx._mm256_blendv_ps(first[0], second[0], passed[0]),
            v3.avx._mm256_blendv_ps(first[1], second[1], passed[1]),
        ]
    }
}

/// Each: what the splits so many levels below `place`, which is at `level`, say of rows that have come to it.
macro_rules! levels {
    ($($name:ident by $above:ident)+) => {
        impl Rows<'_> {$(
            #[inline(always)]
            fn $name(&self, place: usize, level: usize) -> [__m256; GROUPS] {
                self.choose(self.$above(2 * place, level + 1), self.$above(2 * place + 1, level + 1), level)
            }
        )+
        }
    };
}
levels!(level_1 by level_0 level_2 by level_1 level_3 by level_2 level_4 by level_3);

/// Where a row leaves a block.
#[inline(always)]
fn exit<const REGISTERS: usize>(v3: V3, block: &Block, row: &[[f32; LANES]; REGISTERS]) -> usize {
    let values = pick(v3, row, bytemuck::cast(block.features));
    let is_second = v3.avx._mm256_cmp_ps::<_CMP_GT_OQ>(values, bytemuck::cast(block.thresholds));
    usize::from(EXITS[v3.avx._mm256_movemask_ps(is_second) as usize & 255])
}

/// A row's values of eight features: their lower three bits are a place in a register, the others choose the register.
#[inline(always)]
fn pick<const REGISTERS: usize>(v3: V3, row: &[[f32; LANES]; REGISTERS], features: __m256i) -> __m256 {
    let first = v3.avx2._mm256_permutevar8x32_ps(bytemuck::cast(row[0]), features);
    if REGISTERS == 1 {
        return first;
    }
    let by_8: __m256 = bytemuck::cast(v3.avx2._mm256_slli_epi32::<28>(features));
    let second = v3.avx2._mm256_permutevar8x32_ps(bytemuck::cast(row[1]), features);
    let lower = v3.avx._mm256_blendv_ps(first, second, by_8);
    if REGISTERS == 2 {
        return lower;
    }
    let third = v3.avx2._mm256_permutevar8x32_ps(bytemuck::cast(row[2]), features);
    let fourth = v3.avx2._mm256_permutevar8x32_ps(bytemuck::cast(row[3]), features);
    let upper = v3.avx._mm256_blendv_ps(third, fourth, by_8);
    let by_16: __m256 = bytemuck::cast(v3.avx2._mm256_slli_epi32::<27>(features));
    v3.avx._mm256_blendv_ps(lower, upper, by_16)
}
