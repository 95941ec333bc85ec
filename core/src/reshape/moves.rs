//! Moves: what becomes of the rows of a table, column by column and in one order.

use std::ops::Range;

/// Rows that follow each other, and where the first of them goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub from: u32,
    pub to: u32,
    pub rows: u32,
}

/// What is done to each column of a table, in this order. Columns know nothing of each other: each is one thread's.
#[derive(Default, Debug)]
pub(super) struct Moves {
    /// Single rows that take the place of others which are gone, where both still are.
    pub copies: Vec<(u32, u32)>,
    /// Rows that leave their block. They are kept aside while the others are shifted.
    pub aside: Vec<Segment>,
    /// Rows that stay with their block, in row order. None of them overtakes another.
    pub shifts: Vec<Segment>,
    /// Copies of single rows, where both are in the end.
    pub births: Vec<(u32, u32)>,
}

impl Moves {
    /// Moves the rows of one column, whose values have `size` bytes.
    pub fn run(&self, column: &mut [u8], size: usize) {
        let bytes = |first: u32, rows: u32| -> Range<usize> {
            let first = first as usize * size;
            first..first + rows as usize * size
        };
        let mut copy = |&(from, to): &(u32, u32)| column.copy_within(bytes(from, 1), to as usize * size);
        self.copies.iter().for_each(&mut copy);
        let mut kept = Vec::with_capacity(self.aside.iter().map(|s| s.rows as usize * size).sum());
        for segment in &self.aside {
            kept.extend_from_slice(&column[bytes(segment.from, segment.rows)]);
        }
        // Order is kept, so what goes down never reaches what has not gone yet, from the first on; nor what goes up, from the last on.
        for s in self.shifts.iter().filter(|s| s.to < s.from) {
            column.copy_within(bytes(s.from, s.rows), s.to as usize * size);
        }
        for s in self.shifts.iter().rev().filter(|s| s.to > s.from) {
            column.copy_within(bytes(s.from, s.rows), s.to as usize * size);
        }
        let mut kept = &kept[..];
        for segment in &self.aside {
            let (rows, rest) = kept.split_at(segment.rows as usize * size);
            column[bytes(segment.to, segment.rows)].copy_from_slice(rows);
            kept = rest;
        }
        let mut copy = |&(from, to): &(u32, u32)| column.copy_within(bytes(from, 1), to as usize * size);
        self.births.iter().for_each(&mut copy);
    }
}

/// The copies that leave in the first rows of a block of `live` those of its own rows that are `kept`, and rows `others` of another:
/// `others` go where rows are gone, first come first, then behind all; if gaps are left, the block's last rows close them.
/// Rows are those of the table, `kept` and `others` ascending. Gives how many rows are live then.
pub(super) fn merge(
    start: u32,
    live: u32,
    kept: &[u32],
    others: &[u32],
    copies: &mut Vec<(u32, u32)>,
) -> u32 {
    let rows = (kept.len() + others.len()) as u32;
    let mut kept_left = kept.iter().copied().peekable();
    let mut others = others.iter().copied();
    let mut gaps = Vec::new();
    for row in start..start + live {
        if kept_left.next_if_eq(&row).is_some() {
            continue;
        }
        match others.next() {
            Some(other) => copies.push((other, row)),
            None => gaps.push(row),
        }
    }
    copies.extend(others.zip(start + live..));
    // What is beyond the end closes the gaps before it.
    let end = start + rows;
    let beyond = (end..start + live).filter(|row| kept.binary_search(row).is_ok());
    copies.extend(beyond.zip(gaps.into_iter().filter(|gap| *gap < end)));
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_merge_keeps_every_row_that_is_to_be_kept_and_no_other(
            own in prop::collection::vec(any::<bool>(), 0..40), other in prop::collection::vec(any::<bool>(), 0..40)
        ) {
            let (live, start, other_start) = (own.len() as u32, 7, 100);
            let rows = |kept: &[bool], start: u32| -> Vec<u32> {
                kept.iter().zip(start..).filter(|(kept, _)| **kept).map(|(_, row)| row).collect()
            };
            let (kept, others) = (rows(&own, start), rows(&other, other_start));
            let mut copies = Vec::new();
            let after = merge(start, live, &kept, &others, &mut copies);
            let mut column: Vec<u8> = (0..200).collect();
            Moves { copies, ..Moves::default() }.run(&mut column, 1);
            let mut found: Vec<u32> = column[7..7 + after as usize].iter().map(|row| u32::from(*row)).collect();
            found.sort_unstable();
            let wanted: Vec<u32> = kept.into_iter().chain(others).collect();
            prop_assert_eq!(found, wanted);
        }

        #[test]
        fn segments_arrive_as_they_left(
            pieces in prop::collection::vec((0u32..6, 0u32..4, 0u32..4, any::<bool>()), 1..12), size in 1usize..5
        ) {
            // Blocks of rows with gaps before and after the move; some leave theirs, for the end.
            let (mut from, mut to) = (0, 0);
            let mut moves = Moves::default();
            for (rows, before, after, leaves) in pieces {
                let segment = Segment { from: from + before, to: to + after, rows };
                from = segment.from + rows;
                if leaves {
                    moves.aside.push(segment);
                } else {
                    moves.shifts.push(segment);
                    to = segment.to + rows;
                }
            }
            for segment in &mut moves.aside {
                segment.to = to;
                to += segment.rows;
            }
            let column: Vec<u8> = (0..(from.max(to) as usize * size)).map(|i| (i * 7 % 251) as u8).collect();
            let mut moved = column.clone();
            moves.run(&mut moved, size);
            for Segment { from, to, rows } in moves.aside.iter().chain(&moves.shifts).copied() {
                let bytes = |first: u32| first as usize * size..(first + rows) as usize * size;
                prop_assert_eq!(&moved[bytes(to)], &column[bytes(from)]);
            }
        }
    }
}
