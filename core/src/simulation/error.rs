//! Why a simulation can't start, or can't go on.

use thiserror::Error;

use crate::config::ConfigError;
use crate::executor::{Ambiguity, Failure};
use crate::guard::StructureError;
use crate::populate::{PopulateError, RestoreError};
use crate::snapshot::SnapshotError;

/// Why a simulation can't start or go on.
#[derive(Debug, Error)]
pub enum SimulationError {
    /// A setting is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The scenario can't be populated.
    #[error(transparent)]
    Populate(#[from] PopulateError),
    /// It would need more memory than it may.
    #[error(
        "memory_max: found a need of {needed} MB, must be at most {limit} MB ({setting}): fewer entities, or a higher --memory-max\n{table}"
    )]
    Memory {
        /// Megabytes needed.
        needed: u64,
        /// Megabytes allowed.
        limit: u64,
        /// The setting that allows them.
        setting: String,
        /// The need by kind.
        table: String,
    },
    /// A schedule can't be built.
    #[error("schedule {schedule}: {message}")]
    Schedule {
        /// The schedule.
        schedule: String,
        /// What bevy_ecs says of it.
        message: String,
    },
    /// Systems of one plugin conflict and have no declared order.
    #[error("{}", list(.0))]
    Ambiguous(Vec<Ambiguity>),
    /// A system would write the tick.
    #[error("system '{0}': found ResMut<Tick>, must be Res<Tick>: the engine counts the ticks")]
    WritesTick(String),
    /// Two resources are to be saved under one name.
    #[error("saved resource '{0}': found two types of that name, must be one: two plugins need two names")]
    SavedTwice(&'static str),
    /// Something that may only be used on one thread was made on another than the run's.
    #[error(
        "non-send resource '{0}': found one of the thread that builds the app, must be made on the run's own: insert it in a Startup \
         system, |world: &mut World| world.insert_non_send(..)"
    )]
    NonSend(String),
    /// The thread pool can't be made.
    #[error("threads: found {count}, but the pool could not be started: {message}")]
    Threads {
        /// Threads asked for; 0 for all.
        count: usize,
        /// What the system says.
        message: String,
    },
    /// A system failed that the run can't do without.
    #[error("tick {tick}: {failure}")]
    System {
        /// The tick in which it failed.
        tick: u64,
        /// The failure.
        failure: Failure,
    },
    /// A snapshot can't be restored.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Someone changed block rows behind the engine's back.
    #[error("tick {tick}: {error}")]
    Structure {
        /// The tick in which it was noticed.
        tick: u64,
        /// What was noticed.
        error: StructureError,
    },
    /// A system ended the run with an error.
    #[error("tick {tick}: {message}")]
    Failed {
        /// The tick.
        tick: u64,
        /// What it said.
        message: String,
    },
}

impl From<RestoreError> for SimulationError {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Populate(error) => error.into(),
            RestoreError::Snapshot(error) => error.into(),
        }
    }
}

fn list(ambiguities: &[Ambiguity]) -> String {
    ambiguities.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
