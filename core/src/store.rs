//! Store: what a run keeps for people and other programs. Its implementations are bridges.

use std::borrow::Cow;
use std::sync::Arc;

use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::alert::Alert;
use crate::repairs::RepairRecord;
use crate::units::RunId;

/// A block at a tick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockState {
    /// The tick.
    pub tick: u64,
    /// The block's id.
    pub block: u32,
    /// Its group's name.
    pub group: Arc<str>,
    /// Its channel.
    pub channel: i8,
    /// Live entities.
    pub entities: u32,
    /// Active ones.
    pub active: u32,
    /// Mean value of the active ones.
    pub mean: f32,
    /// Standard deviation of their values.
    pub deviation: f32,
    /// Fitness, 0..=1.
    pub fitness: f32,
    /// What a value must exceed to be sent.
    pub threshold: f32,
}

/// A number that a plugin or the engine reports at a tick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// The tick.
    pub tick: u64,
    /// What it is.
    pub name: Cow<'static, str>,
    /// Its value.
    pub value: f64,
}

/// A row that a plugin keeps for itself at a tick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyValue {
    /// The tick.
    pub tick: u64,
    /// The plugin.
    pub plugin: Cow<'static, str>,
    /// The plugin's own key.
    pub key: String,
    /// The value, JSON.
    pub value: String,
}

/// What goes to the store together, in one transaction. As a resource: what has been said since the last one.
#[derive(Resource, Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// States of blocks.
    pub blocks: Vec<BlockState>,
    /// Alerts.
    pub alerts: Vec<Alert>,
    /// Metrics.
    pub metrics: Vec<Metric>,
    /// Rows of plugins.
    pub rows: Vec<KeyValue>,
    /// Repairs: a row for each block and cause in a tick.
    pub repairs: Vec<RepairRecord>,
}

impl Batch {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows in it.
    pub fn len(&self) -> usize {
        self.blocks.len() + self.reported()
    }

    /// Adds what another has.
    pub fn extend(&mut self, other: &Self) {
        self.blocks.extend_from_slice(&other.blocks);
        self.alerts.extend_from_slice(&other.alerts);
        self.metrics.extend_from_slice(&other.metrics);
        self.rows.extend_from_slice(&other.rows);
        self.repairs.extend_from_slice(&other.repairs);
    }

    /// Rows in it, but for the states of blocks, which come when they are due.
    pub fn reported(&self) -> usize {
        self.alerts.len() + self.metrics.len() + self.rows.len() + self.repairs.len()
    }

    /// Entities that its repairs name.
    pub fn repaired(&self) -> usize {
        self.repairs.iter().map(|record| record.entities.len()).sum()
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.blocks.clear();
        self.alerts.clear();
        self.metrics.clear();
        self.rows.clear();
        self.repairs.clear();
    }
}

/// What a store says of a run as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunRecord {
    /// The run: its rows are found by it. None for one without a folder.
    pub id: Option<RunId>,
    /// The scenario's name.
    pub scenario: String,
    /// The instance.
    pub instance: String,
    /// The seed.
    pub seed: u64,
    /// Live entities at the start.
    pub entities: u64,
    /// The scenario in JSON, passwords left out.
    pub settings: String,
    /// Whether the run goes on: its rows are there already.
    pub continues: bool,
    /// Whether it was begun by a version that knew no ids.
    pub is_old: bool,
}

/// Why a store could not do as asked.
#[derive(Debug, Error)]
#[error("store {url}: {message}")]
pub struct StoreError {
    /// The store's URL, without its password.
    pub url: String,
    /// What went wrong.
    pub message: String,
    /// Whether it may go well later: the store can't be reached, or somebody else holds it.
    pub is_away: bool,
}

impl StoreError {
    /// An error for good.
    pub fn failed(url: impl Into<String>, message: impl ToString) -> Self {
        Self { url: url.into(), message: message.to_string(), is_away: false }
    }
}

/// Where a run's states, alerts and metrics go. Called from a thread of its own, never from a tick.
pub trait Store: Send {
    /// Starts a run.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn begin(&mut self, run: &RunRecord) -> Result<(), StoreError>;

    /// Keeps a batch, wholly or not at all. A batch that the store has already, for it said too late that it does, changes nothing.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn write(&mut self, batch: &Batch) -> Result<(), StoreError>;

    /// Makes what was written survive a loss of power, where the store can.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn sync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Ends the run at `tick`: what was written can be read by others from now on.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn end(&mut self, tick: u64) -> Result<(), StoreError>;
}
