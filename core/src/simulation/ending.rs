//! Endings: of a run, which a system may ask for, and of plugins, which failures have stopped.

use std::collections::BTreeSet;

use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};

use crate::digest::Saved;

/// How systems end a run: the tick in hand is finished first.
#[derive(Resource, Clone, Default, Debug)]
pub struct Ending {
    /// There is nothing more to do: an input has ended.
    pub is_finished: bool,
    /// The run can't go on, and why.
    pub failure: Option<String>,
}

impl Ending {
    /// Ends the run with an error; the first one counts.
    pub fn fail(&mut self, why: impl ToString) {
        self.failure.get_or_insert_with(|| why.to_string());
    }
}

/// The plugins that failures have stopped. Part of the state: they stay stopped in a restored run.
#[derive(Resource, Default, Serialize, Deserialize)]
pub struct StoppedPlugins(pub BTreeSet<String>);

impl Saved for StoppedPlugins {
    const NAME: &'static str = "stopped_plugins";
}
