//! Fit: trees on random rows, each split at a random place of a random column.
//!
//! Every draw is a function of seed, tree and node (Philox), so a tree is the same whichever thread grows it.

use corec_core::rng::{Draws, below};
use rayon::prelude::*;

use super::rows::Rows;
use super::settings::{Settings, Sizes};
use super::tree::{Node, round_down};

/// A column whose values are no further apart is constant: scikit-learn's `FEATURE_THRESHOLD`.
const CONSTANT: f32 = 1e-7;

/// What the trees of a forest draw from.
struct Forest<'a> {
    settings: &'a Settings,
    sizes: &'a Sizes,
    rows: Rows<'a>,
    of_rows: Draws,
    of_columns: Draws,
    of_splits: Draws,
}

/// Grows all trees, in parallel.
pub(super) fn grow(settings: &Settings, sizes: &Sizes, rows: Rows<'_>) -> Vec<Vec<Node>> {
    let draws = |purpose| Draws::new(settings.seed, purpose);
    let of_rows = draws("forest rows");
    let (of_columns, of_splits) = (draws("forest columns"), draws("forest splits"));
    let forest = Forest { settings, sizes, rows, of_rows, of_columns, of_splits };
    (0..u64::from(settings.n_estimators)).into_par_iter().map(|tree| forest.tree(tree)).collect()
}

/// An index below `n` from two words; its bias is below `n / 2^64`.
fn index(words: [u32; 4], n: usize) -> usize {
    let word = u64::from(words[0]) << 32 | u64::from(words[1]);
    ((u128::from(word) * n as u128) >> 64) as usize
}

/// A number within [0, 1) from two words, of 53 bits.
fn unit(words: [u32; 2]) -> f64 {
    let word = u64::from(words[0]) << 32 | u64::from(words[1]);
    (word >> 11) as f64 / (1u64 << 53) as f64
}

/// `count` different numbers below `n`, any set of them as likely as any other (Floyd's algorithm: Bentley, Floyd 1987). With
/// replacement, those of `count` draws, each once.
fn choose(n: usize, count: usize, with_replacement: bool, draw: impl Fn(u64) -> [u32; 4]) -> Vec<usize> {
    let mut is_chosen = vec![0u64; n.div_ceil(64)];
    let mut chosen = Vec::with_capacity(count);
    let mut choose = |at: usize| {
        let (word, bit) = (&mut is_chosen[at / 64], 1 << (at % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        if is_new {
            chosen.push(at);
        }
        is_new
    };
    for (number, last) in (n - count.min(n)..n).enumerate() {
        let words = draw(number as u64);
        if with_replacement {
            choose(index(words, n));
        } else if !choose(index(words, last + 1)) {
            choose(last);
        }
    }
    chosen
}

impl Forest<'_> {
    fn tree(&self, tree: u64) -> Vec<Node> {
        let Sizes { samples, features, .. } = *self.sizes;
        let drawn = |draws: Draws| move |number| draws.words(tree, number, 0);
        let (n, all) = (self.rows.len(), self.rows.columns());
        let rows = choose(n, samples as usize, self.settings.bootstrap, drawn(self.of_rows));
        let columns = match features as usize {
            few if few < all => choose(all, few, false, drawn(self.of_columns)),
            _ => (0..all).collect(),
        };
        let mut values = vec![0.0; rows.len() * columns.len()];
        for (at, row) in rows.iter().enumerate() {
            let row = self.rows.row(*row);
            for (to, column) in values[at..].iter_mut().step_by(rows.len()).zip(&columns) {
                *to = row[*column];
            }
        }
        let candidates = (0..columns.len()).collect();
        let mut members: Vec<u32> = (0..rows.len() as u32).collect();
        let (drawn, varied) = (rows.len(), columns.len());
        let mut grower = Grower { forest: self, tree, drawn, values, columns, candidates, nodes: Vec::new() };
        grower.grow(&mut members, varied, 1);
        grower.nodes
    }
}

/// A tree as it grows.
struct Grower<'a> {
    forest: &'a Forest<'a>,
    tree: u64,
    /// How many rows were drawn, and their values, column after column.
    drawn: usize,
    values: Vec<f32>,
    /// Which columns of the table they are.
    columns: Vec<usize>,
    /// The columns, those that are constant among a node's rows last.
    candidates: Vec<usize>,
    nodes: Vec<Node>,
}

/// Where a node is split.
struct Split {
    column: usize,
    threshold: f32,
    /// Candidates that may differ among the node's rows.
    varied: usize,
}

impl Grower<'_> {
    /// Grows the subtree of `members`, which takes the place `node` of a heap whose root is 1. The first `varied` candidates may
    /// differ among them.
    fn grow(&mut self, members: &mut [u32], varied: usize, node: u64) {
        let is_leaf = members.len() < 2 || node.ilog2() >= self.forest.sizes.depth;
        let split = if is_leaf { None } else { self.split(members, varied, node) };
        let Some(Split { column, threshold, varied }) = split else {
            self.nodes.push(Node::Leaf { rows: members.len() as u32 });
            return;
        };
        self.nodes.push(Node::Split { feature: self.columns[column] as u32, threshold });
        let values = &self.values[column * self.drawn..][..self.drawn];
        let mut firsts = 0;
        for at in 0..members.len() {
            members.swap(firsts, at);
            firsts += usize::from(values[members[firsts] as usize] <= threshold);
        }
        let (first, second) = members.split_at_mut(firsts);
        self.grow(first, varied, 2 * node);
        self.grow(second, varied, 2 * node + 1);
    }

    /// A column that is not constant among the members, any as likely as any other, and a place between its least and its most.
    fn split(&mut self, members: &[u32], mut varied: usize, node: u64) -> Option<Split> {
        let mut draw = 0;
        while varied > 0 {
            let words = self.forest.of_splits.words(self.tree, node, draw);
            draw += 1;
            let at = below(words[0], varied as u32) as usize;
            let column = self.candidates[at];
            let values = &self.values[column * self.drawn..][..self.drawn];
            let (mut least, mut most) = (f32::INFINITY, f32::NEG_INFINITY);
            for member in members {
                let value = values[*member as usize];
                (least, most) = (least.min(value), most.max(value));
            }
            if most > least + CONSTANT {
                let (low, high) = (f64::from(least), f64::from(most));
                let threshold = round_down(low + unit([words[1], words[2]]) * (high - low));
                // At the most, all would go to the first side.
                let threshold = if threshold < most { threshold } else { least };
                return Some(Split { column, threshold, varied });
            }
            varied -= 1;
            self.candidates.swap(at, varied);
        }
        None
    }
}
