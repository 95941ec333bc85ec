//! A run from scenario to summary, recorded runs, the registry of plugins, and tests of plugins.
//!
//! [`CorecPlugin`] is the tick, [`run`](fn@run) makes a whole run of it, [`RecordedRun`](recorded::RecordedRun) opens one that has
//! been: [`replay`], [`verify`], [`fork`] and [`ask`] begin there.
//!
//! ```no_run
//! use corec_run::{CorecPlugin, RunPlan, Stop, run, scenarios};
//! let mut app = bevy_app::App::new();
//! app.add_plugins(CorecPlugin);
//! let scenario = scenarios::find("ecosystem", &|_| None)?.scenario;
//! # #[expect(clippy::disallowed_methods)]
//! let plan = RunPlan::new(scenario, std::time::Instant::now());
//! println!("{}", run(app, plan, &Stop::default(), &mut |_| {})?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod clock;
mod error;
mod http;
pub mod scenarios;
pub mod signals;

mod built_in;
mod options;

pub mod manifest;
mod plugin_set;
pub mod recorded;

pub mod view;

mod attendants;
mod plan;

mod folder;
#[cfg(feature = "redis")]
mod stream_rows;

mod input;
mod journal;
mod origin;
mod profile;

pub mod chaos;

mod areas;
mod costs;
mod summary;

mod report;

mod end;
mod start;
mod watchdog;

mod run_loop;

pub mod alerts;
pub mod ask;
mod changed;

pub mod fork;
pub mod replay;
mod temp_folder;
pub mod verify;

mod about;
mod app;
#[cfg(feature = "lint")]
mod lint;
mod tree;

pub mod doctor;
pub mod forest;

#[cfg(feature = "redis")]
pub mod feed;
#[cfg(feature = "redis")]
pub mod tail;

pub mod testing;

pub use attendants::{Progress, SnapshotReport};
pub use built_in::CorecPlugin;
pub use clock::wall_clock;
pub use corec_core::stop::Stop;
pub use corec_telemetry::catch_up::InputChanged;
pub use costs::{PluginSummary, SystemSummary};
pub use error::RunError;
pub use http::Http;
pub use options::{Options, SnapshotInterval};
pub use plan::RunPlan;
pub use run_loop::run;
pub use summary::{Lanes, Summary, peak_rss_bytes, rss_bytes};
pub use view::{View, Watch};

/// The journal's folder in a run's.
pub const JOURNAL: &str = "journal";
/// The snapshots' folder in a run's.
pub const SNAPSHOTS: &str = "snapshots";
/// The summary's file in a run's folder.
pub const SUMMARY: &str = "summary.json";

/// Ticks between two recorded digests, unless asked otherwise.
pub const DIGEST_INTERVAL: u64 = 10;

/// The JSON schema of a scenario with the built-in sections.
pub fn schema() -> serde_json::Value {
    let mut app = bevy_app::App::new();
    app.add_plugins(CorecPlugin);
    app.world().resource::<corec_core::section::Sections>().schema().to_value()
}

/// The plugins of a run, of a folder, of a source tree.
pub mod plugins {
    pub use crate::about::{About, about, check};
    pub use crate::app::CorecPlugins;
    #[cfg(feature = "lint")]
    pub use crate::lint::{Finding, Rule, lint};
    pub use crate::plugin_set::{CONFIG, PluginSet, read};
    pub use crate::tree::Tree;
}

/// Settings and the text forms of numbers, for a command line.
pub mod settings {
    pub use corec_core::config::{Loaded, Threads, load};
    pub use corec_core::units::{counted, grouped, parse_count};
    pub use corec_dynamics::reshape::{Reshape, ReshapePolicy, SyncInterval};
    pub use corec_dynamics::settings::{
        Audit, AuditInterval, Dynamics, Repair, RepairPolicy, Selection, SelectionPolicy,
    };
    pub use corec_telemetry::settings::{Replicas, RowDetector, Telemetry};
}

/// Snapshots and journals, for a command line.
pub mod snapshots {
    pub use corec_core::digest::FORMAT as DIGEST_FORMAT;
    pub use corec_core::journal::{Input, Inputs, LogError, summary};
    pub use corec_core::snapshot::{Difference, Part, Snapshot, SnapshotError, diff, latest};
    pub use corec_core::units::RunId;
}
