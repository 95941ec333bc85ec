//! An intent is what a question is about: one of five.

use serde::{Deserialize, Serialize};

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// How the run is going. Spanish: estado.
    State,
    /// What is wrong. Spanish: anomalías.
    Anomalies,
    /// What changed. Spanish: cambios.
    Changes,
    /// What to do. Spanish: consejo.
    Advice,
    /// Anything else. Spanish: otro.
    Other,
}

impl Intent {
    /// Every intent, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::State, Self::Anomalies, Self::Changes, Self::Advice, Self::Other];
}
