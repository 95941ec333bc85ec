//! Why a run could not start or end well, and the exit status that tells of it.

use corec_core::config::ConfigError;
use corec_core::populate::PopulateError;
use corec_core::simulation::SimulationError;
use thiserror::Error;

/// Why a run could not start or end well.
#[derive(Debug, Error)]
pub enum RunError {
    /// Bad usage or configuration: nothing has run.
    #[error("{0}")]
    Usage(String),
    /// The run failed.
    #[error("{0}")]
    Failed(String),
    /// A signal came before there was anything to end well.
    #[error("interrupted by signal {0}")]
    Interrupted(usize),
}

impl RunError {
    /// The exit status that tells of it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
            // A shell's convention.
            Self::Interrupted(signal) => 128u8.saturating_add(*signal as u8),
        }
    }
}

impl From<ConfigError> for RunError {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// What a simulation refuses before it starts is the user's to change, but for what the machine lacks.
pub(crate) fn refusal(error: SimulationError) -> RunError {
    match error {
        // A kind is the plugin's code, but for what its config says of it.
        SimulationError::Populate(PopulateError::Kind(ref kind)) if !kind.is_of_config() => {
            RunError::Failed(error.to_string())
        }
        SimulationError::Config(_)
        | SimulationError::Populate(_)
        | SimulationError::Memory { .. }
        | SimulationError::NonSend(_)
        | SimulationError::Threads { .. } => RunError::Usage(error.to_string()),
        other => RunError::Failed(other.to_string()),
    }
}
