//! How a section is read from a scenario's text, and written.

use schemars::schema_for;
use serde_json::Value;

use super::Section;
use crate::config::{ConfigError, deserialize, unknown};

pub(super) fn written<T: Section>(section: &T) -> Value {
    // Through text, in which an f32 is as short as it was given: as a Value it would be an f64 of many digits.
    let text = serde_json::to_string(section).expect("settings are text and numbers");
    serde_json::from_str(&text).expect("it was just written")
}

/// Reads a section at `path`.
pub(super) fn read<T: Section>(source: &str, path: &str, value: &Value) -> Result<T, ConfigError> {
    if value.is_array() {
        // serde would take its items for the keys in their order.
        let message = "found a list, must be an object".into();
        return Err(ConfigError::Text { source_name: source.into(), path: path.into(), message });
    }
    let section: T = deserialize(source, value.clone(), T::RANGES).map_err(|error| error.below(path))?;
    section.check().map_err(|(key, found, allowed)| ConfigError::Value {
        source_name: source.into(),
        path: if key.is_empty() { path.into() } else { format!("{path}.{key}") },
        found,
        allowed: allowed.into(),
    })?;
    Ok(section)
}

/// Refuses a key that the section's type passes over in silence.
pub(super) fn check_keys<T: Section>(source: &str, path: &str, value: &Value) -> Result<(), ConfigError> {
    let mut ignored = None;
    // It has been read before: there is no other error.
    _ = serde_ignored::deserialize::<_, _, T>(value, |at| {
        ignored.get_or_insert_with(|| at.to_string());
    });
    let Some(at) = ignored else { return Ok(()) };
    let schema = schema_for!(T);
    let known = schema.get("properties").and_then(Value::as_object);
    let known: Vec<&str> = known.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    let message = match at.rsplit_once('.') {
        None => unknown("key", &at, &known),
        Some((_, key)) => format!("unknown key '{}'", key.escape_debug()),
    };
    Err(ConfigError::Text { source_name: source.into(), path: format!("{path}.{at}"), message })
}
