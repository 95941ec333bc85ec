//! Kernels: the same walk through the trees at every vector width, to the same bits.
//!
//! A tree is padded to a full one: five levels as a heap, its top, and below it blocks of three levels, seven splits in a cache
//! line. A padding split sends every row to the first side, and all places below a leaf have its path. A row's paths are added
//! in the order of the trees, so that neither width nor threads reach the sum.

mod portable;
#[cfg(target_arch = "x86_64")]
mod wide;

use corec_core::width::Simd;

use super::tree::{Node, path};

/// Rows that a kernel takes at once: they and a tree stay in the first-level cache.
pub(super) const STRIP: usize = 256;
/// Values that a kernel compares at once.
const LANES: usize = 8;
/// Levels of a top, and of a block.
const TOP_LEVELS: u32 = 5;
const LEVELS: u32 = 3;

/// Levels of splits, by their places in a heap: the root is 1, and below `k` are `2 k` and `2 k + 1`. Place 0 is free.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Splits<const N: usize> {
    thresholds: [f32; N],
    features: [u32; N],
}

type Top = Splits<{ 1 << TOP_LEVELS }>;
type Block = Splits<{ 1 << LEVELS }>;

impl<const N: usize> Splits<N> {
    /// Sends every row to the first side.
    const PADDING: Self = Self { thresholds: [f32::INFINITY; N], features: [0; N] };

    fn set(&mut self, place: usize, feature: u32, threshold: f32) {
        (self.thresholds[place], self.features[place]) = (threshold, feature);
    }

    /// The place below `place` that a row of these values goes to.
    #[inline(always)]
    fn below(&self, place: usize, value: impl Fn(usize) -> f32) -> usize {
        let place = place % N;
        2 * place + usize::from(value(self.features[place] as usize) > self.thresholds[place])
    }
}

/// A forest's trees as the kernels walk them, each of the same size.
pub(super) struct Layout {
    /// Levels of a tree: those of a top, and of one or more storeys of blocks.
    depth: u32,
    tops: Vec<Top>,
    blocks: Vec<Block>,
    /// Blocks of a tree.
    blocks_each: usize,
    /// Paths by place, `2^depth` a tree.
    paths: Vec<f64>,
}

/// One tree of a layout.
#[derive(Clone, Copy)]
struct Walk<'a> {
    top: &'a Top,
    blocks: &'a [Block],
    paths: &'a [f64],
}

/// Blocks of the storeys above the one that begins at `level`.
fn blocks_above(level: u32) -> usize {
    (TOP_LEVELS..level).step_by(LEVELS as usize).map(|above| 1usize << above).sum()
}

impl Layout {
    /// Lays out trees that are no deeper than `depth`.
    pub fn new(trees: &[Vec<Node>], depth: u32) -> Self {
        let storeys = depth.saturating_sub(TOP_LEVELS).div_ceil(LEVELS).max(1);
        let depth = TOP_LEVELS + LEVELS * storeys;
        let blocks_each = blocks_above(depth);
        let mut layout = Self {
            depth,
            tops: vec![Top::PADDING; trees.len()],
            blocks: vec![Block::PADDING; trees.len() * blocks_each],
            blocks_each,
            paths: vec![0.0; trees.len() << depth],
        };
        for (at, nodes) in trees.iter().enumerate() {
            layout.lay_out(at, nodes);
        }
        layout
    }

    fn lay_out(&mut self, tree: usize, nodes: &[Node]) {
        let blocks = &mut self.blocks[tree * self.blocks_each..][..self.blocks_each];
        let paths = &mut self.paths[tree << self.depth..][..1 << self.depth];
        // The places of the subtrees that are to come: level, and number within it.
        let mut open = vec![(0, 0)];
        for node in nodes {
            let (level, number): (u32, usize) = open.pop().expect("a checked tree has a place for each node");
            match *node {
                Node::Leaf { rows } => {
                    let below = self.depth - level;
                    paths[number << below..][..1 << below].fill(path(level, rows));
                    continue;
                }
                Node::Split { feature, threshold } if level < TOP_LEVELS => {
                    self.tops[tree].set(1 << level | number, feature, threshold);
                }
                Node::Split { feature, threshold } => {
                    let within = (level - TOP_LEVELS) % LEVELS;
                    let block = &mut blocks[blocks_above(level - within) + (number >> within)];
                    block.set(1 << within | number & ((1 << within) - 1), feature, threshold);
                }
            }
            open.extend([(level + 1, 2 * number + 1), (level + 1, 2 * number)]);
        }
    }

    fn trees(&self) -> impl Iterator<Item = Walk<'_>> {
        let blocks = self.blocks.chunks_exact(self.blocks_each);
        let parts = self.tops.iter().zip(blocks).zip(self.paths.chunks_exact(1 << self.depth));
        parts.map(|((top, blocks), paths)| Walk { top, blocks, paths })
    }

    /// Each row's sum of paths, over all trees.
    ///
    /// # Panics
    /// If `rows` has not `columns` values for each sum.
    pub fn sum_paths(&self, simd: Simd, rows: &[f32], columns: usize, sums: &mut [f64]) {
        assert_eq!(rows.len(), columns * sums.len(), "a sum for each row");
        sums.fill(0.0);
        let mut by_column = vec![[[0.0; LANES]; STRIP / LANES]; columns];
        for (rows, sums) in rows.chunks(STRIP * columns).zip(sums.chunks_mut(STRIP)) {
            for (at, row) in rows.chunks_exact(columns).enumerate() {
                for (column, value) in by_column.iter_mut().zip(row) {
                    column.as_flattened_mut()[at] = *value;
                }
            }
            let strip = Strip { layout: self, rows, columns: &by_column };
            match simd {
                #[cfg(target_arch = "x86_64")]
                Simd::Avx2 | Simd::Avx512 => wide::sum_paths(&strip, sums),
                _ => portable::sum_paths(&strip, sums),
            }
        }
    }
}

/// A strip's values of a column, as many at once as a register has.
type Column = [[f32; LANES]; STRIP / LANES];

/// Rows, and the same values by column.
struct Strip<'a> {
    layout: &'a Layout,
    rows: &'a [f32],
    columns: &'a [Column],
}

impl<'a> Strip<'a> {
    fn rows(&self) -> impl Iterator<Item = &'a [f32]> {
        self.rows.chunks_exact(self.columns.len())
    }
}

impl<'a> Walk<'a> {
    /// Where a row comes to that leaves the top at `place`; `exit` says where one leaves a block.
    #[inline(always)]
    fn path(&self, mut place: usize, exit: impl Fn(&'a Block) -> usize) -> f64 {
        // Trees on at most 256 rows have one storey: known lengths need no checks.
        if let (Ok(blocks), Ok(paths)) = (self.blocks.try_into(), self.paths.try_into()) {
            let (blocks, paths): (&[Block; 1 << TOP_LEVELS], &[f64; 1 << (TOP_LEVELS + LEVELS)]) =
                (blocks, paths);
            let exit = exit(&blocks[place % blocks.len()]);
            return paths[(place << LEVELS | exit) % paths.len()];
        }
        let (mut first, mut width) = (0, 1 << TOP_LEVELS);
        while first < self.blocks.len() {
            place = place << LEVELS | exit(&self.blocks[first + place]);
            first += width;
            width <<= LEVELS;
        }
        self.paths[place]
    }
}
