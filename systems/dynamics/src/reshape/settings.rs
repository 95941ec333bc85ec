//! Settings: when, and by which limits, blocks are reshaped.

use corec_core::section::Section;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::{OrFalse, SECONDS_OR_NONE, or_false, seconds_or_none, within_one};

/// Simulated seconds between two reshapings; 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SyncInterval(pub f64);

impl Default for SyncInterval {
    fn default() -> Self {
        Self(3600.0)
    }
}

impl Section for SyncInterval {
    const NAME: &'static str = "sync_interval";
    const IS_WRITTEN: bool = true;
    const RANGES: &'static [(&'static str, &'static str)] = &[("", SECONDS_OR_NONE)];

    fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        seconds_or_none(self.0)
    }
}

/// When the blocks of a group are fused, split and grown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReshapePolicy {
    /// A block with a lower fitness is fused with a fit one, 0..=1.
    pub fitness_min: f32,
    /// A block with a higher fitness may take another in, 0..=1.
    pub host_fitness_min: f32,
    /// Blocks of a group with a higher load are split, 0..=1.
    pub split_load: f32,
    /// Only blocks of more entities are split.
    pub split_entities: u32,
    /// Blocks of a group with a lower load are grown, 0..=1.
    pub grow_load: f32,
    /// Up to so many entities.
    pub grow_entities: u32,
}

impl Default for ReshapePolicy {
    fn default() -> Self {
        Self {
            fitness_min: 0.2,
            host_fitness_min: 0.5,
            split_load: 0.8,
            split_entities: 500,
            grow_load: 0.2,
            grow_entities: 1000,
        }
    }
}

/// Whether, and when, the blocks of a group are reshaped: an object of limits; `true` for the old program's, `false` for never; null for
/// those of the kind `colony` alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Reshape(Option<Switch>);

/// What a group says for itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
struct Switch(
    #[serde(with = "or_false")]
    #[schemars(with = "OrFalse<ReshapePolicy>")]
    Option<ReshapePolicy>,
);

impl Reshape {
    /// The limits for a group; none if its blocks are not reshaped.
    pub fn policy(&self, is_colony: bool) -> Option<ReshapePolicy> {
        match self.0 {
            Some(Switch(policy)) => policy,
            None => is_colony.then(ReshapePolicy::default),
        }
    }
}

impl Section for Reshape {
    const NAME: &'static str = "reshape";
    const RANGES: &'static [(&'static str, &'static str)] = &[
        ("", "true, false, null or an object of limits"),
        ("fitness_min", "within 0..=1"),
        ("host_fitness_min", "within 0..=1"),
        ("split_load", "within 0..=1"),
        ("grow_load", "within 0..=1"),
        ("split_entities", "a whole number of at least 1"),
        ("grow_entities", "a whole number of at least 1"),
    ];

    fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        let Self(Some(Switch(Some(policy)))) = self else { return Ok(()) };
        within_one([
            ("fitness_min", policy.fitness_min),
            ("host_fitness_min", policy.host_fitness_min),
            ("split_load", policy.split_load),
            ("grow_load", policy.grow_load),
        ])?;
        for (key, entities) in
            [("split_entities", policy.split_entities), ("grow_entities", policy.grow_entities)]
        {
            if entities == 0 {
                return Err((key, "0".into(), "a whole number of at least 1"));
            }
        }
        if policy.host_fitness_min < policy.fitness_min {
            let found = format!("{}, below fitness_min", policy.host_fitness_min);
            return Err((
                "host_fitness_min",
                found,
                "at least fitness_min: what takes others in is none that must go",
            ));
        }
        Ok(())
    }
}
