//! Alerts: those that are up, and the last ones.

use std::sync::Arc;

use corec_core::alert::{Alert, AlertState};
use corec_run::view::View;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertTold {
    /// Its number in the run.
    pub sequence: u64,
    /// The tick in which it was raised or cleared.
    pub tick: u64,
    /// What it is about.
    pub name: String,
    /// Whom it is about: a block, a column, a system.
    pub subject: String,
    /// How urgent: 1 is the most, 5 the least; 0 where it was raised before this process and is not known.
    pub severity: u8,
    /// The value that decided.
    pub value: f64,
    /// The plugin that says so; empty for the engine and its rules.
    pub by: String,
    /// The reasons, for people; empty for most.
    pub why: String,
    /// Whether it begins or ends: `raised` or `cleared`.
    #[schemars(with = "String")]
    pub state: AlertState,
}

impl From<&Alert> for AlertTold {
    fn from(alert: &Alert) -> Self {
        Self {
            sequence: alert.sequence,
            tick: alert.tick,
            name: alert.name.clone(),
            subject: alert.subject.clone(),
            severity: alert.severity,
            // JSON has no infinities.
            value: if alert.value.is_finite() { alert.value } else { 0.0 },
            by: alert.by.clone(),
            why: alert.why.clone(),
            state: alert.state,
        }
    }
}

/// Alerts of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertsTold {
    /// Finished ticks.
    pub tick: u64,
    /// Those that are up, the most urgent first; 500 at most.
    pub open: Vec<AlertTold>,
    /// The last ones, the newest first; a hundred at most.
    pub recent: Vec<AlertTold>,
    /// How many are up.
    pub open_count: u64,
    /// How many were raised since the run began.
    pub raised: u64,
}

impl AlertsTold {
    /// Those of a picture.
    pub fn of(view: &View) -> Self {
        let told = |alerts: &[Arc<Alert>]| alerts.iter().map(|alert| AlertTold::from(&**alert)).collect();
        Self {
            tick: view.tick,
            open: told(&view.open),
            recent: told(&view.recent),
            open_count: view.alerts_open.iter().sum(),
            raised: view.alerts_raised,
        }
    }
}
