//! Settings that are a word or something else: "all" or a number, "auto" or a list.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
