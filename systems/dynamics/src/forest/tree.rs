//! Tree: nodes in preorder, and how long a path is.

use super::error::ForestError;

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// Rows with `value <= threshold` go to the first child, which is the next node; others to the second.
    Split {
        /// The column.
        feature: u32,
        /// What its value is compared with.
        threshold: f32,
    },
    /// A leaf that so many rows came to when the tree was grown.
    Leaf {
        /// Rows, at least 1.
        rows: u32,
    },
}

/// The largest f32 that is not above `threshold`: `x <= threshold` for an f32 is `x <= ` this, so trees with thresholds
/// in f64, as scikit-learn's, keep every comparison.
///
/// ```
/// use corec_dynamics::forest::round_down;
/// assert_eq!(round_down(0.5), 0.5);
/// assert!(f64::from(round_down(0.1)) <= 0.1 && f64::from(round_down(0.1).next_up()) > 0.1);
/// ```
pub fn round_down(threshold: f64) -> f32 {
    let near = threshold as f32;
    if f64::from(near) > threshold { near.next_down() } else { near }
}

/// The average path of an unsuccessful search in a binary tree of `rows` rows, which isolation would need on average: equation 1 of
/// the paper, with scikit-learn's values for one row (0) and two (1).
pub fn average_path(rows: u32) -> f64 {
    const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
    match rows {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let n = f64::from(rows);
            2.0 * (libm::log(n - 1.0) + EULER_GAMMA) - 2.0 * (n - 1.0) / n
        }
    }
}

/// How long the path to a leaf is that so many rows came to.
pub(super) fn path(depth: u32, rows: u32) -> f64 {
    // scikit-learn counts a path's nodes, adds what is left, and takes one off; in this order it has its bits.
    f64::from(depth + 1) + average_path(rows) - 1.0
}

/// How deep nodes are; they must be one tree in preorder, no deeper than `depth_max`.
pub(super) fn depth(tree: usize, nodes: &[Node], columns: usize, depth_max: u32) -> Result<u32, ForestError> {
    let wrong = |node, found: String, allowed: String| Err(ForestError::Tree { tree, node, found, allowed });
    // The depths of the subtrees that are still to come, the next one last.
    let (mut open, mut deepest) = (vec![0], 0);
    for (at, node) in nodes.iter().enumerate() {
        let Some(depth) = open.pop() else {
            return wrong(at, format!("{} nodes", nodes.len()), format!("a tree, which ends after {at}"));
        };
        deepest = deepest.max(depth);
        match *node {
            Node::Split { .. } if depth >= depth_max => {
                return wrong(
                    at,
                    format!("a split at depth {depth}"),
                    format!("a leaf: the depth is at most {depth_max}"),
                );
            }
            Node::Split { feature, .. } if feature as usize >= columns => {
                return wrong(at, format!("column {feature}"), format!("below {columns}"));
            }
            Node::Split { threshold, .. } if !threshold.is_finite() => {
                return wrong(at, format!("the threshold {threshold}"), "finite".into());
            }
            Node::Split { .. } => open.extend([depth + 1; 2]),
            Node::Leaf { rows: 0 } => {
                return wrong(at, "a leaf of no row".into(), "of 1 row at least".into());
            }
            Node::Leaf { .. } => {}
        }
    }
    if !open.is_empty() {
        let found = format!("the end, {} subtrees missing", open.len());
        return wrong(nodes.len(), found, "a whole tree in preorder".into());
    }
    Ok(deepest)
}
