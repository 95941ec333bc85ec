//! Plan: what a run is made of.

use std::path::PathBuf;
use std::time::Instant;

use corec_core::config::Scenario;
use corec_telemetry::catch_up::InputChanged;

use crate::manifest::PluginRecord;
use crate::options::Options;
use crate::recorded::Continuation;
use crate::view::Watch;

/// What a run is made of.
pub struct RunPlan {
    /// The scenario, with everything a flag changed.
    pub scenario: Scenario,
    /// What else was asked for. What it leaves open is as the run that is gone on with had it.
    pub options: Options,
    /// The run's folder; none for the next `runs/NNNN`.
    pub out: Option<PathBuf>,
    /// The plugins that were built into the app, for the manifest.
    pub plugins: Vec<PluginRecord>,
    /// The table to replay.
    pub input: Option<PathBuf>,
    /// What to do if the table is not as it was.
    pub input_changed: InputChanged,
    /// Whether rows come from the journal alone, for `corec verify --kill`.
    pub is_input_recorded: bool,
    /// Where to write which thread ran what and when; none keeps no trace.
    pub profile: Option<PathBuf>,
    /// What to go on from.
    pub restore: Option<Continuation>,
    /// Kills the process before this tick, with no time for anything: what `corec verify --kill` survives.
    pub kill_at: Option<u64>,
    /// As `kill_at`, within this tick: its row is in the journal and not applied yet.
    pub kill_in: Option<u64>,
    /// The scenario as it was given, for the manifest.
    pub scenario_given: serde_json::Value,
    /// What shows the run to whoever watches it.
    pub watch: Watch,
    /// When the process started.
    pub started: Instant,
}

impl RunPlan {
    /// A scenario as it is, in the next folder, as fast as it goes.
    pub fn new(scenario: Scenario, started: Instant) -> Self {
        Self {
            scenario,
            options: Options::default(),
            out: None,
            plugins: Vec::new(),
            input: None,
            input_changed: InputChanged::default(),
            is_input_recorded: false,
            profile: None,
            restore: None,
            kill_at: None,
            kill_in: None,
            scenario_given: serde_json::Value::Null,
            watch: Watch::default(),
            started,
        }
    }
}
