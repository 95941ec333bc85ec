//! Readiness: whether a run takes in what comes, and its bridges are up.

use std::time::Duration;

use corec_run::view::View;
use serde::Serialize;

use crate::told::lanes;

/// A tick that takes longer is an operator's matter.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// Whether a run is ready, and why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    status: &'static str,
    /// Empty when it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
}

impl Readiness {
    /// That of a picture.
    ///
    /// `stuck` is for how long it has given none to those who asked.
    pub fn of(view: &View, stuck: Duration) -> Self {
        let mut reasons = Vec::new();
        if view.made.is_none() {
            reasons.push("the run has not started".to_string());
        }
        if let Some(ended) = view.ended {
            reasons.push(format!("the run has ended: {}", ended.as_str()));
        }
        if view.ended.is_none() && stuck > STUCK_AFTER {
            reasons.push(format!("the run has been in one tick for {} s", stuck.as_secs()));
        }
        let away = lanes(view).into_iter().filter_map(|lane| Some((lane.name, lane.away?)));
        reasons.extend(away.map(|(name, why)| format!("{name}: {why}")));
        if let Some(failure) = &view.store.failure {
            reasons.push(format!("store: {failure}"));
        }
        Self { status: if reasons.is_empty() { "ready" } else { "not ready" }, reasons }
    }

    /// Whether it is.
    pub fn is_ready(&self) -> bool {
        self.reasons.is_empty()
    }
}
