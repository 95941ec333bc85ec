//! JSON as people write it: an object may have a key only once, for of two the one that does not count goes unnoticed.
//!
//! Text in, a value or an error with its line and column out. Numbers, depth and syntax are serde_json's.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::ConfigError;

/// Reads JSON; `source` names the text in an error. A byte order mark is passed over.
///
/// # Errors
/// [`ConfigError::Syntax`]: text that is not JSON, or an object with a key that is there twice.
///
/// ```
/// use corec_core::config::parse_json;
/// assert_eq!(parse_json("a.json", r#"{"seed": 1}"#)?["seed"], 1);
/// let error = parse_json("a.json", r#"{"seed": 1, "seed": 2}"#).unwrap_err();
/// assert_eq!(error.to_string(), "a.json: line 1, column 18: found the key 'seed' again, must be there once");
/// # Ok::<(), corec_core::config::ConfigError>(())
/// ```
pub fn parse_json(source: &str, text: &str) -> Result<Value, ConfigError> {
    let mut reader = serde_json::Deserializer::from_str(text.trim_start_matches('\u{feff}'));
    let value = Once.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|e| ConfigError::Syntax {
        source_name: source.into(),
        line: e.line(),
        column: e.column(),
        // Its place has fields of its own. From the right, for a key may have such words too.
        message: e
            .to_string()
            .rsplit_once(" at line ")
            .map_or_else(|| e.to_string(), |(message, _)| message.into()),
    })
}

/// A value in which no object has a key twice.
struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key_seed(Key)? {
            if object.contains_key(&key) {
                let key = key.escape_debug();
                return Err(A::Error::custom(format!("found the key '{key}' again, must be there once")));
            }
            let value = entries.next_value_seed(Self)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// A key as text.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<String, D::Error> {
        String::deserialize(from)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> String {
        parse_json("a.json", text).unwrap_err().to_string()
    }

    #[test]
    fn a_key_that_is_there_twice_is_refused_at_any_depth() {
        for (text, place) in [
            (r#"{"a": 1, "a": 1}"#, "line 1, column 12: found the key 'a' again"),
            ("{\"b\": [{}, {\"a\": {},\n \"a\": 2}]}", "line 2, column 4: found the key 'a' again"),
            (r#"{"é": 1, "\u00e9": 1}"#, "found the key 'é' again"),
            (
                r#"{"at line 3\u001b": 1, "at line 3\u001b": 1}"#,
                "found the key 'at line 3\\u{1b}' again, must be there once",
            ),
        ] {
            assert!(error(text).contains(place), "{text}: {}", error(text));
        }
        assert!(parse_json("a.json", r#"[{"a": 1}, {"a": {"a": 1}}]"#).is_ok());
    }

    #[test]
    fn what_is_not_json_says_so_as_before() {
        for text in ["", "{", r#"{"a": 1,}"#, "[1] 2", "nul", r#"{"a" 1}"#, "1e999", &"[".repeat(200)] {
            let expected = serde_json::from_str::<Value>(text).unwrap_err();
            let (line, column) = (expected.line(), expected.column());
            let expected = expected.to_string().split(" at line ").next().unwrap().to_string();
            assert_eq!(error(text), format!("a.json: line {line}, column {column}: {expected}"), "{text}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((".{0,4}", inner), 0..6)
                    .prop_map(|entries| entries.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_value_is_read_as_serde_json_reads_it(value in values()) {
            let text = serde_json::to_string_pretty(&value).unwrap();
            let read = parse_json("a.json", &text).unwrap();
            prop_assert_eq!(&read, &serde_json::from_str::<Value>(&text).unwrap());
            prop_assert_eq!(serde_json::to_string_pretty(&read).unwrap(), text, "the order of keys is kept");
        }
    }
}
