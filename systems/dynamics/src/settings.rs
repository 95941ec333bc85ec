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

/// Every how many simulated seconds blocks are reshaped: 3600. `false` in a scenario, for never.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SyncInterval(
    #[serde(with = "seconds_or_false")]
    #[schemars(with = "SecondsOrFalse")]
    pub Option<f64>,
);

impl Default for SyncInterval {
    fn default() -> Self {
        Self(Some(3600.0))
    }
}

impl Section for SyncInterval {
    const NAME: &'static str = "sync_interval";
    const RANGES: &'static [(&'static str, &'static str)] = &[("", SECONDS)];

    fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        check_seconds(self.0)
    }
}

/// What an interval may be.
const SECONDS: &str = "seconds above 0, at most 1e9, or false for never";

fn check_seconds(seconds: Option<f64>) -> Result<(), (&'static str, String, &'static str)> {
    match seconds {
        Some(seconds) if !(seconds > 0.0 && seconds <= 1e9) => Err(("", seconds.to_string(), SECONDS)),
        _ => Ok(()),
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
#[derive(Clone, Copy, Debug, Default, PartialEq, JsonSchema)]
#[schemars(with = "ReshapeSetting")]
pub enum Reshape {
    /// If the kind is `colony`.
    #[default]
    OfColonies,
    /// Never.
    Off,
    /// By these limits.
    On(ReshapePolicy),
}

impl Reshape {
    /// The limits for a group; none if its blocks are not reshaped.
    pub fn policy(&self, is_colony: bool) -> Option<ReshapePolicy> {
        match self {
            Self::On(policy) => Some(*policy),
            Self::OfColonies if is_colony => Some(ReshapePolicy::default()),
            Self::OfColonies | Self::Off => None,
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
        let Self::On(policy) = self else { return Ok(()) };
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

/// As a scenario has it, for the schema.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "stands for what is read")]
enum ReshapeSetting {
    Limits(ReshapePolicy),
    Switch(bool),
    Open(()),
}

mod policy_or_switch {
    use std::fmt;

    use serde::de::value::MapAccessDeserializer;
    use serde::de::{Error, MapAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Reshape, ReshapePolicy};

    impl Serialize for Reshape {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            match self {
                Self::On(policy) => policy.serialize(to),
                Self::Off => to.serialize_bool(false),
                Self::OfColonies => to.serialize_unit(),
            }
        }
    }

    impl<'de> Deserialize<'de> for Reshape {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from.deserialize_any(PolicyOrSwitch)
        }
    }

    /// Visits the object in place, so that an error knows which of its keys it is about.
    struct PolicyOrSwitch;

    impl<'de> Visitor<'de> for PolicyOrSwitch {
        type Value = Reshape;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("true, false, null or an object of limits")
        }

        fn visit_bool<E: Error>(self, is_on: bool) -> Result<Reshape, E> {
            Ok(if is_on { Reshape::On(ReshapePolicy::default()) } else { Reshape::Off })
        }

        fn visit_unit<E: Error>(self) -> Result<Reshape, E> {
            Ok(Reshape::OfColonies)
        }

        fn visit_map<A: MapAccess<'de>>(self, limits: A) -> Result<Reshape, A::Error> {
            ReshapePolicy::deserialize(MapAccessDeserializer::new(limits)).map(Reshape::On)
        }
    }
}

/// As a scenario has it, for the schema.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "stands for what is read")]
enum SecondsOrFalse {
    Seconds(f64),
    Off(bool),
}

mod seconds_or_false {
    use std::fmt;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(seconds: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        match seconds {
            Some(seconds) => seconds.serialize(to),
            None => to.serialize_bool(false),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        struct NumberOrFalse;

        impl Visitor<'_> for NumberOrFalse {
            type Value = Option<f64>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(super::SECONDS)
            }

            fn visit_bool<E: Error>(self, is_on: bool) -> Result<Self::Value, E> {
                if is_on { Err(E::invalid_value(serde::de::Unexpected::Bool(true), &self)) } else { Ok(None) }
            }

            fn visit_f64<E: Error>(self, seconds: f64) -> Result<Self::Value, E> {
                Ok(Some(seconds))
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Self::Value, E> {
                Ok(Some(seconds as f64))
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Self::Value, E> {
                Ok(Some(seconds as f64))
            }
        }

        from.deserialize_any(NumberOrFalse)
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
