//! A network error says why weights are refused: where, what was found and what is allowed.

use super::{FILE_BYTES_MAX, TENSORS};

/// Why weights are refused.
#[derive(thiserror::Error, Debug)]
pub enum NetworkError {
    /// What follows, in a file.
    #[error("{file}: {error}")]
    File {
        /// The file, as the caller named it.
        file: String,
        /// What is wrong in it.
        #[source]
        error: Box<NetworkError>,
    },
    /// Too few or too many inputs or hidden units.
    #[error("{what}: found {found}, must be within 1..={max}")]
    Size {
        /// `inputs` or `hidden`.
        what: &'static str,
        /// How many.
        found: usize,
        /// At most this many.
        max: usize,
    },
    /// A tensor has another number of values than the network's shape asks for.
    #[error("{tensor}: found {found} values, must be {must}")]
    Count {
        /// The tensor.
        tensor: &'static str,
        /// How many.
        found: usize,
        /// How many it must have.
        must: usize,
    },
    /// A weight is NaN or infinite.
    #[error("{tensor}: found {found} at {at}, must be finite")]
    NotFinite {
        /// The tensor.
        tensor: &'static str,
        /// The value's index, row-major.
        at: usize,
        /// The value.
        found: f32,
    },
    /// A tensor has other dimensions.
    #[error("{tensor}: found shape {found:?}, must be {must}")]
    Dims {
        /// The tensor.
        tensor: &'static str,
        /// Its dimensions.
        found: Vec<usize>,
        /// What they must be.
        must: String,
    },
    /// A tensor is of another type.
    #[error("{tensor}: found type {found}, must be F32")]
    Type {
        /// The tensor.
        tensor: String,
        /// Its type.
        found: String,
    },
    /// A tensor is missing.
    #[error("{tensor}: missing; found {found}, must be {}", TENSORS.join(", "))]
    Missing {
        /// The tensor.
        tensor: &'static str,
        /// The tensors there are.
        found: String,
    },
    /// There are more tensors than a network of two layers has.
    #[error("found {found}, must be only {}", TENSORS.join(", "))]
    Extra {
        /// The tensors there are.
        found: String,
    },
    /// The file is larger than any network's.
    #[error("found {found} bytes, must be at most {FILE_BYTES_MAX}")]
    TooLarge {
        /// Its size in bytes.
        found: u64,
    },
    /// The file is not of its format, or can't be opened.
    #[error("must be a {format} file: {reason}")]
    Unreadable {
        /// The format asked for.
        format: &'static str,
        /// What its reader says.
        reason: String,
    },
}

impl NetworkError {
    pub(crate) fn within(self, file: &str) -> Self {
        Self::File { file: file.to_owned(), error: Box::new(self) }
    }
}
