//! Finding: a rule that a line may break, and where.

use std::fmt;
use std::path::PathBuf;

use super::rule::Rule;

/// A line that may be a slip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// The rule.
    pub rule: Rule,
    /// What was found.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, rule, what } = self;
        write!(f, "{}:{line}:{column}: {}: {what}: {}", file.display(), rule.name(), rule.advice())
    }
}
