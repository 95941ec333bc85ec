//! A question is read strictly from `{"texto": "...", "valor": 0.5}`, the guide's message, or `{"text", "value"}`.
//!
//! Whatever came in, an error tells where, what was found and what is allowed, and quotes nothing unescaped.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// Bytes of a whole question.
pub const QUESTION_BYTES_MAX: usize = 64 << 10;
/// Characters of its text.
pub const TEXT_CHARS_MAX: usize = 4000;
/// Characters of its id.
pub const ID_CHARS_MAX: usize = 64;

const KEYS: &str = "texto (or text), valor (or value), id";

/// A question, checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// 1 to [`TEXT_CHARS_MAX`] characters, any of them: escape it wherever it is shown.
    pub text: String,
    /// How much it matters to whoever asks: 0 to 1, 0.5 where the question does not say.
    pub value: f64,
    /// The asker's own name for it: 1 to [`ID_CHARS_MAX`] of `a-z A-Z 0-9 . _ : -`.
    pub id: Option<String>,
}

/// What is wrong with a question.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{at}: found {found}, must be {allowed}")]
pub struct QuestionError {
    /// Where: `question`, or `question.KEY`.
    pub at: String,
    /// What was found there.
    pub found: String,
    /// What is allowed there.
    pub allowed: String,
}

/// Reads a question.
///
/// # Errors
/// [`QuestionError`]: too many bytes, no JSON object, a key that is unknown, missing or there twice (`texto` and `text`
/// are the same key), or a value out of its range.
///
/// ```
/// use communicator::question::parse;
/// let question = parse(r#"{"texto": "¿cómo va?", "valor": 0.9}"#.as_bytes())?;
/// assert_eq!((question.text.as_str(), question.value), ("¿cómo va?", 0.9));
/// let error = parse(br#"{"texto": "hi", "valor": 1.7}"#).unwrap_err();
/// assert_eq!(error.to_string(), "question.valor: found 1.7, must be a number within 0..=1");
/// # Ok::<(), communicator::question::QuestionError>(())
/// ```
pub fn parse(bytes: &[u8]) -> Result<Question, QuestionError> {
    if bytes.len() > QUESTION_BYTES_MAX {
        let found = format!("{} bytes", bytes.len());
        return Err(wrong("question", found, format!("at most {QUESTION_BYTES_MAX}")));
    }
    // serde_json's own text quotes no part of what it read but a line and a column.
    let KeyValuePairs(pairs) = serde_json::from_slice(bytes)
        .map_err(|e| wrong("question", format!("no JSON object ({e})"), format!("an object with {KEYS}")))?;
    let (mut text, mut value, mut id) = (None, None, None);
    for (key, found) in pairs {
        let at = format!("question.{key}");
        let twice = match key.as_str() {
            "texto" | "text" => text.replace(text_of(&at, &found)?).is_some(),
            "valor" | "value" => value.replace(value_of(&at, &found)?).is_some(),
            "id" => id.replace(id_of(&at, &found)?).is_some(),
            _ => {
                let key: String = key.chars().take(40).flat_map(char::escape_debug).collect();
                return Err(wrong("question", format!("unknown key '{key}'"), format!("one of {KEYS}")));
            }
        };
        if twice {
            return Err(wrong(&at, "it twice".to_owned(), "given once, in Spanish or in English".to_owned()));
        }
    }
    let missing = || wrong("question.texto", "nothing".to_owned(), text_allowed());
    Ok(Question { text: text.ok_or_else(missing)?, value: value.unwrap_or(0.5), id })
}

fn text_of(at: &str, found: &Value) -> Result<String, QuestionError> {
    let text = found.as_str().ok_or_else(|| wrong(at, kind(found), text_allowed()))?;
    match text.chars().count() {
        1..=TEXT_CHARS_MAX => Ok(text.to_owned()),
        chars => Err(wrong(at, format!("{chars} characters"), text_allowed())),
    }
}

fn text_allowed() -> String {
    format!("a string of 1..={TEXT_CHARS_MAX} characters")
}

fn value_of(at: &str, found: &Value) -> Result<f64, QuestionError> {
    let allowed = || "a number within 0..=1".to_owned();
    match found.as_f64() {
        // Adding 0 turns -0 into 0: both would else be the same number with different bits.
        Some(value) if (0.0..=1.0).contains(&value) => Ok(value + 0.0),
        Some(value) => Err(wrong(at, value.to_string(), allowed())),
        None => Err(wrong(at, kind(found), allowed())),
    }
}

fn id_of(at: &str, found: &Value) -> Result<String, QuestionError> {
    let allowed = || format!("a string of 1..={ID_CHARS_MAX} of a-z A-Z 0-9 . _ : -");
    let id = found.as_str().ok_or_else(|| wrong(at, kind(found), allowed()))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
    let chars = id.chars().count();
    if !(1..=ID_CHARS_MAX).contains(&chars) {
        return Err(wrong(at, format!("{chars} characters"), allowed()));
    }
    match id.chars().find(|c| !plain(*c)) {
        Some(other) => Err(wrong(at, format!("'{}'", other.escape_debug()), allowed())),
        None => Ok(id.to_owned()),
    }
}

fn wrong(at: &str, found: String, allowed: String) -> QuestionError {
    QuestionError { at: at.to_owned(), found, allowed }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
    .to_owned()
}

/// An object as it was written: a map would keep the last of two equal keys and tell nobody.
struct KeyValuePairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for KeyValuePairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = KeyValuePairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            // The error would else quote the text that is there instead of an object.
            fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<KeyValuePairs, E> {
                Err(E::custom("a string"))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<KeyValuePairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(KeyValuePairs(pairs))
            }
        }
        deserializer.deserialize_any(PairsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn the_guides_message_and_its_english_form_are_read() {
        let spanish = parse(r#"{"texto": "¿cómo va?", "valor": 0.5}"#.as_bytes()).unwrap();
        assert_eq!(spanish, Question { text: "¿cómo va?".into(), value: 0.5, id: None });
        let english = parse(br#" {"value": 1, "text": "hi", "id": "web:7_a.b-c"} "#).unwrap();
        assert_eq!(english, Question { text: "hi".into(), value: 1.0, id: Some("web:7_a.b-c".into()) });
    }

    #[test]
    fn valor_is_a_half_where_it_is_missing_and_never_minus_zero() {
        assert_eq!(parse(br#"{"texto": "a"}"#).unwrap().value, 0.5);
        assert_eq!(parse(br#"{"texto": "a", "valor": -0.0}"#).unwrap().value.to_bits(), 0);
    }

    #[test]
    fn an_error_names_key_found_and_allowed() {
        let text = "must be a string of 1..=4000 characters";
        assert_eq!(told("{}"), format!("question.texto: found nothing, {text}"));
        assert_eq!(told(r#"{"texto": 5}"#), format!("question.texto: found a number, {text}"));
        assert_eq!(told(r#"{"text": ""}"#), format!("question.text: found 0 characters, {text}"));
        let value = "must be a number within 0..=1";
        assert_eq!(
            told(r#"{"texto": "a", "valor": "0.5"}"#),
            format!("question.valor: found a string, {value}")
        );
        assert_eq!(told(r#"{"texto": "a", "value": -0.1}"#), format!("question.value: found -0.1, {value}"));
        assert_eq!(told(r#"{"texto": "a", "valor": null}"#), format!("question.valor: found null, {value}"));
        let id = "must be a string of 1..=64 of a-z A-Z 0-9 . _ : -";
        assert_eq!(told(r#"{"texto": "a", "id": "a b"}"#), format!("question.id: found ' ', {id}"));
        assert_eq!(told(r#"{"texto": "a", "id": ""}"#), format!("question.id: found 0 characters, {id}"));
        assert_eq!(told(r#"{"texto": "a", "id": 1}"#), format!("question.id: found a number, {id}"));
    }

    #[test]
    fn a_key_given_twice_is_refused_in_either_language() {
        for both in [r#"{"texto": "a", "text": "b"}"#, r#"{"texto": "a", "texto": "b"}"#] {
            assert!(told(both).ends_with("found it twice, must be given once, in Spanish or in English"));
        }
    }

    #[test]
    fn an_unknown_key_is_refused_escaped_and_cut() {
        let key = format!(r#"\u001b[2J{}"#, "x".repeat(1000));
        let error = told(&format!(r#"{{"texto": "a", "{key}": 1}}"#));
        assert!(error.starts_with(r"question: found unknown key '\u{1b}[2Jxxx"), "{error}");
        assert!(error.len() < 150, "{error}");
    }

    #[test]
    fn what_is_no_object_is_refused_without_being_quoted() {
        for other in ["", "null", "[]", "7", "\"PWNED\"", "{", "{\"texto\": \"a\"} x", "\u{1b}"] {
            let error = told(other);
            assert!(error.starts_with("question: found no JSON object ("), "{error}");
            assert!(!error.contains("PWNED") && !error.contains('\u{1b}'), "{error}");
        }
        assert!(parse(b"{\"texto\": \"\xff\"}").is_err());
        assert!(told(r#"{"texto": "a", "valor": 1e999}"#).contains("number out of range"));
    }

    #[test]
    fn the_limits_are_met_exactly() {
        let text = |chars| format!(r#"{{"texto": "{}"}}"#, "ñ".repeat(chars));
        assert!(parse(text(4000).as_bytes()).is_ok());
        assert!(told(&text(4001)).contains("found 4001 characters"));
        let id = |chars| format!(r#"{{"texto": "a", "id": "{}"}}"#, "x".repeat(chars));
        assert!(parse(id(64).as_bytes()).is_ok());
        assert!(told(&id(65)).contains("found 65 characters"));
        let padded = |bytes: usize| format!(r#"{}{{"texto":"a"}}"#, " ".repeat(bytes - 13));
        assert!(parse(padded(QUESTION_BYTES_MAX).as_bytes()).is_ok());
        assert_eq!(
            told(&padded(QUESTION_BYTES_MAX + 1)),
            "question: found 65537 bytes, must be at most 65536"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_question_or_an_error_without_control_characters(bytes: Vec<u8>) {
            if let Err(error) = parse(&bytes) {
                prop_assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
            }
        }

        #[test]
        fn any_text_and_value_come_back(text in "\\PC{1,200}|[\\x00-\\x7f]{1,50}", part in 0..=1024_u16) {
            // Of 1024: serde_json reads other fractions to within their last bit.
            let value = f64::from(part) / 1024.0;
            let json = serde_json::json!({"texto": text, "valor": value}).to_string();
            let question = parse(json.as_bytes()).unwrap();
            prop_assert_eq!((question.text, question.value), (text, value));
        }
    }
}
