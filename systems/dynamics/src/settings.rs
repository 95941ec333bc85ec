//! Settings: what a group of blocks says of its dynamics and its repair.

use corec_core::section::Section;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The default dynamics of one entity:
/// `value += gain * (target - value) + coupling * (block mean - value) + noise`, kept within 0..=1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Dynamics {
    /// Share of the distance to the block's mean covered in a tick, 0..=1.
    pub coupling: f32,
    /// Largest random change of a value in a tick, 0..=1; drawn evenly from -noise..noise.
    pub noise: f32,
    /// Chance that an entity fails in a tick in which it is processed, 0..=1.
    pub fault_rate: f32,
}

impl Default for Dynamics {
    fn default() -> Self {
        Self { coupling: 0.05, noise: 0.02, fault_rate: 0.001 }
    }
}

impl Section for Dynamics {
    const NAME: &'static str = "dynamics";
    const RANGES: &'static [(&'static str, &'static str)] =
        &[("coupling", "within 0..=1"), ("noise", "within 0..=1"), ("fault_rate", "within 0..=1")];

    fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        within_one([("coupling", self.coupling), ("noise", self.noise), ("fault_rate", self.fault_rate)])
    }
}

fn within_one<const N: usize>(
    shares: [(&'static str, f32); N],
) -> Result<(), (&'static str, String, &'static str)> {
    match shares.iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
        Some((key, share)) => Err((key, share.to_string(), "within 0..=1")),
        None => Ok(()),
    }
}

/// The bounds beyond which a block is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RepairPolicy {
    /// A block with a larger share of inactive entities is repaired, 0..=1.
    #[doc(alias = "max_errores")]
    pub fault_ratio_max: f32,
    /// A block with a lower fitness is repaired, 0..=1.
    #[doc(alias = "min_fitness")]
    pub fitness_min: f32,
}

impl Default for RepairPolicy {
    fn default() -> Self {
        Self { fault_ratio_max: 0.05, fitness_min: 0.2 }
    }
}

/// When the blocks of a group are repaired; none, `false` in a scenario, for never.
#[doc(alias = "autoreparacion")]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Repair(
    #[serde(with = "repair_or_false")]
    #[schemars(with = "RepairOrFalse")]
    pub Option<RepairPolicy>,
);

impl Default for Repair {
    fn default() -> Self {
        Self(Some(RepairPolicy::default()))
    }
}

impl Section for Repair {
    const NAME: &'static str = "repair";
    const RANGES: &'static [(&'static str, &'static str)] =
        &[("fault_ratio_max", "within 0..=1"), ("fitness_min", "within 0..=1")];

    fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        let policy = self.0.unwrap_or_default();
        within_one([("fault_ratio_max", policy.fault_ratio_max), ("fitness_min", policy.fitness_min)])
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum RepairOrFalse {
    Policy(RepairPolicy),
    Off(bool),
}

mod repair_or_false {
    use std::fmt;

    use serde::de::value::MapAccessDeserializer;
    use serde::de::{Error, MapAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::RepairPolicy;

    pub fn serialize<S: Serializer>(policy: &Option<RepairPolicy>, to: S) -> Result<S::Ok, S::Error> {
        match policy {
            Some(policy) => policy.serialize(to),
            None => to.serialize_bool(false),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<RepairPolicy>, D::Error> {
        from.deserialize_any(PolicyOrFalse)
    }

    /// Visits the object in place, so that an error knows which of its keys it is about.
    struct PolicyOrFalse;

    impl<'de> Visitor<'de> for PolicyOrFalse {
        type Value = Option<RepairPolicy>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("false or an object of limits")
        }

        fn visit_bool<E: Error>(self, is_on: bool) -> Result<Self::Value, E> {
            Ok(is_on.then(RepairPolicy::default))
        }

        fn visit_map<A: MapAccess<'de>>(self, limits: A) -> Result<Self::Value, A::Error> {
            RepairPolicy::deserialize(MapAccessDeserializer::new(limits)).map(Some)
        }
    }
}
