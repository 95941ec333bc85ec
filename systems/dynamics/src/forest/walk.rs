//! Walk: the score of one row, node by node.
//!
//! The kernels take 64 rows at once, and a single one costs them what 64 do. Where rows come one by one, each tree is walked down
//! from its root: a hundred trees are some 800 comparisons. The bits are those of the kernels.

use super::tree::{Node, path};

/// A forest's trees, to be walked down: see [`IsolationForest::walk`](super::IsolationForest::walk).
#[derive(Clone, Debug)]
pub struct Walk {
    columns: usize,
    /// The longest path that is normal, times the trees.
    normal: f64,
    /// Of all trees, each in preorder.
    places: Vec<Place>,
    roots: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// Rows with `value <= threshold` go to the next place, others to `second`.
    Split {
        feature: u32,
        threshold: f32,
        second: u32,
    },
    Leaf {
        path: f64,
    },
}

impl Walk {
    pub(super) fn new(columns: usize, normal: f64, trees: &[Vec<Node>]) -> Self {
        let (mut places, mut roots) = (Vec::with_capacity(trees.iter().map(Vec::len).sum()), Vec::new());
        for tree in trees {
            roots.push(places.len() as u32);
            // Splits whose second child is still to come, the next one last, and their depth.
            let mut open: Vec<(usize, u32)> = Vec::new();
            let mut depth = 0;
            for node in tree {
                match *node {
                    Node::Split { feature, threshold } => {
                        open.push((places.len(), depth));
                        places.push(Place::Split { feature, threshold, second: 0 });
                        depth += 1;
                    }
                    Node::Leaf { rows } => {
                        places.push(Place::Leaf { path: path(depth, rows) });
                        let next = places.len() as u32;
                        if let Some((split, of_split)) = open.pop() {
                            if let Place::Split { second, .. } = &mut places[split] {
                                *second = next;
                            }
                            depth = of_split + 1;
                        }
                    }
                }
            }
        }
        Self { columns, normal, places, roots }
    }

    /// The row's score, as [`score_samples`](super::IsolationForest::score_samples) has it.
    ///
    /// # Panics
    /// On a row of another width.
    pub fn score(&self, row: &[f32]) -> f64 {
        assert_eq!(row.len(), self.columns, "values of a row");
        let mut sum = 0.0;
        for root in &self.roots {
            let mut at = *root;
            sum += loop {
                match self.places[at as usize] {
                    Place::Split { feature, threshold, second } => {
                        at = if row[feature as usize] <= threshold { at + 1 } else { second };
                    }
                    Place::Leaf { path } => break path,
                }
            };
        }
        -libm::exp2(-if self.normal > 0.0 { sum / self.normal } else { 1.0 })
    }
}
