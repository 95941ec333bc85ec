//! Settings that are a word or something else: "all" or a number, "auto" or a list, false or an object.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RepairPolicy;

/// How many worker threads a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// As many as the process may use.
    All,
    /// So many, at least 1.
    Count(u32),
}

impl Serialize for Threads {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => to.serialize_str("all"),
            Self::Count(n) => to.serialize_u32(*n),
        }
    }
}

impl<'de> Deserialize<'de> for Threads {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(from)? {
            serde_json::Value::String(s) if s == "all" => Ok(Self::All),
            serde_json::Value::Number(n) if n.as_u64().is_some_and(|n| (1..=1024).contains(&n)) => {
                Ok(Self::Count(n.as_u64().unwrap_or(1) as u32))
            }
            found => {
                Err(serde::de::Error::custom(format!("found {found}, must be \"all\" or within 1..=1024")))
            }
        }
    }
}

impl JsonSchema for Threads {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Threads".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "oneOf": [{ "const": "all" }, { "type": "integer", "minimum": 1, "maximum": 1024 }]
        })
    }
}

/// Which plugins a run loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plugins {
    /// "auto": every enabled plugin found.
    Auto,
    /// These, by name.
    Named(Vec<String>),
}

impl Default for Plugins {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

impl Serialize for Plugins {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => to.serialize_str("auto"),
            Self::Named(names) => names.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Plugins {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(from)? {
            serde_json::Value::String(text) if text == "auto" => Ok(Self::Auto),
            serde_json::Value::Array(names) if names.iter().all(serde_json::Value::is_string) => {
                Ok(Self::Named(names.iter().filter_map(|name| name.as_str().map(String::from)).collect()))
            }
            found => {
                Err(serde::de::Error::custom(format!("found {found}, must be \"auto\" or a list of names")))
            }
        }
    }
}

impl JsonSchema for Plugins {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Plugins".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "oneOf": [{ "const": "auto" }, { "type": "array", "items": { "type": "string" } }]
        })
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum RepairOrFalse {
    Policy(RepairPolicy),
    Off(bool),
}

pub(super) mod repair_or_false {
    use std::fmt;

    use serde::de::value::MapAccessDeserializer;
    use serde::de::{Error, MapAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::super::RepairPolicy;

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
