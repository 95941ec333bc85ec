//! Leaves: a kind's blocks are cut into what one thread takes at a time.

use super::columns::Columns;
use crate::block::Block;

/// What one thread takes at a time: blocks that follow each other, their rows, and their items of the result.
pub(super) struct Leaf<'p, 'w, 'o, D: Columns, R> {
    pub blocks: &'p [Block],
    pub slices: D::Slices<'w>,
    pub out: &'o mut [R],
}

/// The leaves of a kind, cut off the front one by one. By rows, so that uneven blocks balance: large ones first, then smaller ones,
/// so that all threads come to their end together.
pub(super) struct Leaves<'p, 'w, 'o, D: Columns, R> {
    rest: Option<Leaf<'p, 'w, 'o, D, R>>,
    rows_left: u32,
    rows_min: u32,
    threads: u32,
}

impl<'p, 'w, 'o, D: Columns, R> Leaves<'p, 'w, 'o, D, R> {
    pub fn of(blocks: &'p [Block], slices: D::Slices<'w>, out: &'o mut [R], threads: usize) -> Self {
        let rows_left = blocks.last().map_or(0, |last| last.start + last.capacity - blocks[0].start);
        let threads = threads as u32;
        let rows_min = if threads == 1 { rows_left } else { rows_left / (128 * threads) };
        Self { rest: Some(Leaf { blocks, slices, out }), rows_left, rows_min, threads }
    }
}

impl<'p, 'w, 'o, D: Columns, R> Iterator for Leaves<'p, 'w, 'o, D, R> {
    type Item = Leaf<'p, 'w, 'o, D, R>;

    fn next(&mut self) -> Option<Self::Item> {
        let Leaf { blocks, slices, out } = self.rest.take()?;
        let wanted = (self.rows_left / (2 * self.threads)).max(self.rows_min);
        let start = blocks[0].start;
        let taken = blocks.partition_point(|block| block.start - start < wanted).max(1);
        if taken == blocks.len() {
            return Some(Leaf { blocks, slices, out });
        }
        let (first, rest) = blocks.split_at(taken);
        let rows = rest[0].start - start;
        let (slices, slices_after) = D::cut(slices, rows as usize);
        let (out, out_after) = out.split_at_mut((rest[0].id.0 - first[0].id.0) as usize);
        self.rows_left -= rows;
        self.rest = Some(Leaf { blocks: rest, slices: slices_after, out: out_after });
        Some(Leaf { blocks: first, slices, out })
    }
}
