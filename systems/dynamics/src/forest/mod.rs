//! Isolation forest: which rows of a table stand apart.
//!
//! Random trees split rows at random places of random columns; what is alone after few splits is unlike the rest. Settings,
//! semantics and names are those of scikit-learn's `IsolationForest`, and so are the scores, given its trees; fitted by itself a
//! forest differs in its random numbers only. Works on the rayon pool that is current, to the same bits at any number of
//! threads and any vector width. Accesses nothing of a simulation.
//!
//! Sources: Liu, Ting, Zhou, "Isolation forest", ICDM 2008; scikit-learn 1.9.1, `sklearn.ensemble.IsolationForest`.
//!
//! ```
//! use corec_dynamics::forest::{IsolationForest, Rows, Settings};
//! // Fifteen readings around (20, 1) and one that is far off.
//! let mut readings: Vec<f32> = (0..15).flat_map(|i| [20.0 + i as f32 / 10.0, 1.0 + (i % 4) as f32 / 10.0]).collect();
//! readings.extend([35.0, 4.0]);
//! let rows = Rows::new(&readings, 2)?;
//! let forest = IsolationForest::fit(&Settings { seed: 7, ..Settings::default() }, rows)?;
//! let scores = forest.score_samples(rows)?;
//! assert!(scores[..15].iter().all(|score| *score > scores[15]), "the last stands apart most: {scores:?}");
//! assert!(forest.predict(rows)?[15]);
//! # Ok::<(), corec_dynamics::forest::ForestError>(())
//! ```

mod error;
mod rows;
mod tree;

mod settings;

mod kernels;

mod fit;
mod score;
mod walk;

mod file;

use std::path::Path;

use corec_core::width::Simd;

pub use error::ForestError;
pub use rows::{COLUMNS_MAX, ROWS_MAX, Rows};
pub use settings::{Contamination, MaxFeatures, MaxSamples, PLACES_MAX, Settings, TREES_MAX};
pub use tree::{Node, average_path, round_down};
pub use walk::Walk;

/// scikit-learn's offset where no share of outliers is given: an anomaly score of 0.5.
const OFFSET_AUTO: f64 = -0.5;

/// A forest that has been grown: see the [module](self).
pub struct IsolationForest {
    columns: u32,
    samples: u32,
    offset: f64,
    names: Vec<String>,
    trees: Vec<Vec<Node>>,
    layout: kernels::Layout,
}

impl std::fmt::Debug for IsolationForest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { columns, samples, offset, .. } = self;
        write!(
            f,
            "IsolationForest({} trees of {samples} rows, {columns} columns, offset {offset})",
            self.trees.len()
        )
    }
}

impl IsolationForest {
    /// Grows a forest on rows.
    ///
    /// # Errors
    /// Settings that are not allowed for these rows, by name.
    pub fn fit(settings: &Settings, rows: Rows<'_>) -> Result<Self, ForestError> {
        let sizes = settings.sizes(rows)?;
        let trees = fit::grow(settings, &sizes, rows);
        let mut forest = Self::laid_out(rows.columns() as u32, sizes.samples, sizes.depth, trees);
        if let Contamination::Share(share) = settings.contamination {
            forest.offset = score::percentile(&mut forest.score_samples(rows)?, share);
        }
        Ok(forest)
    }

    /// A forest of trees that were grown elsewhere: for rows of `columns` values, on `samples` rows each.
    /// [`round_down`] makes thresholds of those that are f64.
    ///
    /// # Errors
    /// Trees that are none, deeper than ceil(log2(`samples`)), or of columns that are not there; too many or too large ones.
    pub fn from_trees(
        columns: usize,
        samples: u32,
        offset: f64,
        trees: Vec<Vec<Node>>,
    ) -> Result<Self, ForestError> {
        let wrong = |name, found: String, allowed: String| Err(ForestError::Setting { name, found, allowed });
        if !(1..=COLUMNS_MAX).contains(&columns) {
            return wrong("columns", columns.to_string(), format!("within 1..={COLUMNS_MAX}"));
        }
        if !(1..=TREES_MAX as usize).contains(&trees.len()) {
            return wrong("trees", trees.len().to_string(), format!("within 1..={TREES_MAX}"));
        }
        if samples == 0 {
            return wrong("samples", "0".into(), "at least 1".into());
        }
        if !(-1.0..=0.0).contains(&offset) {
            return wrong("offset", offset.to_string(), "within -1..=0".into());
        }
        let mut depth = 0;
        for (at, nodes) in trees.iter().enumerate() {
            depth = depth.max(tree::depth(at, nodes, columns, settings::depth_max(samples))?);
        }
        settings::check_places(trees.len(), depth)?;
        Ok(Self { offset, ..Self::laid_out(columns as u32, samples, depth, trees) })
    }

    fn laid_out(columns: u32, samples: u32, depth: u32, trees: Vec<Vec<Node>>) -> Self {
        let layout = kernels::Layout::new(&trees, depth);
        Self { columns, samples, offset: OFFSET_AUTO, names: Vec::new(), trees, layout }
    }

    /// Gives its columns names, one each, which a file keeps.
    ///
    /// # Errors
    /// Another number of names than columns; a name of more than 1000 bytes.
    pub fn with_names(self, names: Vec<String>) -> Result<Self, ForestError> {
        if names.len() != self.columns() {
            return Err(ForestError::Columns { found: names.len(), expected: self.columns() });
        }
        if let Some(name) = names.iter().find(|name| name.len() > file::NAME_BYTES_MAX) {
            let (name, found) = ("names", format!("one of {} bytes", name.len()));
            return Err(ForestError::Setting {
                name,
                found,
                allowed: format!("at most {} each", file::NAME_BYTES_MAX),
            });
        }
        Ok(Self { names, ..self })
    }

    /// Values of a row.
    pub fn columns(&self) -> usize {
        self.columns as usize
    }

    /// The names of its columns; none if it has not been given any.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Its trees, each in preorder.
    pub fn trees(&self) -> &[Vec<Node>] {
        &self.trees
    }

    /// Rows that each tree was grown on: scikit-learn's `max_samples_`.
    pub fn samples(&self) -> u32 {
        self.samples
    }

    /// The score below which a row is an outlier: scikit-learn's `offset_`.
    pub fn offset(&self) -> f64 {
        self.offset
    }

    /// Each row's score, within -1..0, one a row: the lower, the more it stands apart. The paper's anomaly score is its opposite.
    ///
    /// # Errors
    /// Rows of another width.
    pub fn score_samples(&self, rows: Rows<'_>) -> Result<Vec<f64>, ForestError> {
        let mut scores = vec![0.0; rows.len()];
        self.score_into(Simd::widest(), rows, &mut scores)?;
        Ok(scores)
    }

    /// As [`score_samples`](Self::score_samples), into memory of the caller's and at a vector width of its choice.
    ///
    /// # Errors
    /// Rows of another width.
    ///
    /// # Panics
    /// If there is not a score for each row.
    pub fn score_into(&self, simd: Simd, rows: Rows<'_>, scores: &mut [f64]) -> Result<(), ForestError> {
        if rows.columns() != self.columns() {
            return Err(ForestError::Columns { found: rows.columns(), expected: self.columns() });
        }
        assert_eq!(scores.len(), rows.len(), "a score for each row");
        score::scores(&self.layout, simd, self.normal(), rows, scores);
        Ok(())
    }

    /// The trees as one walks down them, for rows that come one by one.
    pub fn walk(&self) -> Walk {
        Walk::new(self.columns(), self.normal(), &self.trees)
    }

    /// The path that is normal, over all trees.
    fn normal(&self) -> f64 {
        self.trees.len() as f64 * average_path(self.samples)
    }

    /// Each row's score less the [offset](Self::offset): below zero for outliers.
    ///
    /// # Errors
    /// Rows of another width.
    pub fn decision_function(&self, rows: Rows<'_>) -> Result<Vec<f64>, ForestError> {
        let mut scores = self.score_samples(rows)?;
        scores.iter_mut().for_each(|score| *score -= self.offset);
        Ok(scores)
    }

    /// Which rows are outliers: true where scikit-learn has -1. A bool, because Rust has no truth in numbers, and because labels
    /// are bools too.
    ///
    /// # Errors
    /// Rows of another width.
    pub fn predict(&self, rows: Rows<'_>) -> Result<Vec<bool>, ForestError> {
        Ok(self.decision_function(rows)?.into_iter().map(|decision| decision < 0.0).collect())
    }

    /// Writes it to a file, which is there whole or not at all; a file that was there before is replaced.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, path: &Path) -> Result<(), ForestError> {
        file::write(path, &file::encode(self.columns, self.samples, self.offset, &self.names, &self.trees))
    }

    /// Reads a file: the forest that was saved, to the bit.
    ///
    /// # Errors
    /// A file that can't be read, is no forest, or is damaged: where in it, what was found, what is allowed.
    pub fn load(path: &Path) -> Result<Self, ForestError> {
        let bytes = file::read(path)?;
        let parts = file::decode(&bytes).map_err(|(at, found, allowed)| {
            let path = path.into();
            ForestError::File { path, at, found, allowed }
        })?;
        let inside = |error: ForestError| ForestError::Io { path: path.into(), message: error.to_string() };
        let columns = parts.columns as usize;
        let forest = Self::from_trees(columns, parts.samples, parts.offset, parts.trees).map_err(inside)?;
        if parts.names.is_empty() { Ok(forest) } else { forest.with_names(parts.names).map_err(inside) }
    }
}
