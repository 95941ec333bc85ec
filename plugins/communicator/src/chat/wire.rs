//! The wire format is the JSON of a request, and a tolerant reading of what comes back.

use serde_json::{Value, json};

use super::error::ChatError;
use super::secret::Secret;
use super::settings::ChatSettings;
use super::{ChatAnswer, ChatQuestion};

/// Characters of a server's own words that an error quotes.
const MESSAGE_CHARS_MAX: usize = 200;

/// The body of a request.
pub(super) fn request(settings: &ChatSettings, question: &ChatQuestion) -> Vec<u8> {
    json!({
        "model": settings.model,
        "messages": [
            {"role": "system", "content": question.system},
            {"role": "user", "content": question.user},
        ],
        "max_tokens": settings.answer_tokens_max,
        "stream": false,
    })
    .to_string()
    .into_bytes()
}

/// Tokens of a text where nobody counted them: one for three characters. English takes about four (OpenAI's help pages),
/// Spanish and JSON fewer; too many is the safe side of a cost limit.
pub(super) fn tokens_estimated(text: &str) -> u64 {
    (text.chars().count() as u64).div_ceil(3)
}

/// Tokens of a question, as estimated before it is sent: both texts, and some for the roles.
pub(super) fn prompt_tokens_estimated(question: &ChatQuestion) -> u64 {
    tokens_estimated(question.system) + tokens_estimated(&question.user) + 8
}

/// Reads the body of a reply with status 200. Unknown fields are ignored; `usage` may be missing, whole or in part.
pub(super) fn answer(
    settings: &ChatSettings,
    key: &Secret,
    question: &ChatQuestion,
    body: &[u8],
) -> Result<ChatAnswer, ChatError> {
    let reply: Value = serde_json::from_slice(body).map_err(|e| {
        // serde_json's own text quotes no part of the body but its line and column.
        ChatError::Reply(format!("found {} bytes that are no JSON ({e})", body.len()))
    })?;
    let shape = |at: &str, found: &Value, allowed: &str| {
        ChatError::Reply(format!("{at}: found {}, must be {allowed}", kind(found)))
    };
    let list = &reply["choices"];
    let first = list.get(0).ok_or_else(|| match upstream_error(key, &reply) {
        Some(message) => ChatError::Reply(format!("found an error instead of choices: {message}")),
        None => shape("choices", list, "a list with an answer"),
    })?;
    let content = &first["message"]["content"];
    let whole = content.as_str().unwrap_or_default();
    let text = plain(whole, settings.answer_chars_max);
    if text.trim().is_empty() {
        return Err(shape("choices[0].message.content", content, "a text that is not blank"));
    }
    if key.is_given_away_in(&text) {
        return Err(ChatError::Reply("found a piece of the key in the answer, must not be there".to_owned()));
    }
    let tokens = |field: &str| reply["usage"][field].as_u64();
    Ok(ChatAnswer {
        text,
        prompt_tokens: tokens("prompt_tokens").unwrap_or_else(|| prompt_tokens_estimated(question)),
        completion_tokens: tokens("completion_tokens").unwrap_or_else(|| tokens_estimated(whole)),
    })
}

/// The server's own words in the body of a failure, fit for an error: escaped, cut, and without the key.
pub(super) fn failure(key: &Secret, body: &[u8]) -> String {
    serde_json::from_slice(body).ok().and_then(|reply| upstream_error(key, &reply)).unwrap_or_default()
}

/// `{"error": {"message": "..."}}`, or `{"error": "..."}`. Nothing else of a body is ever quoted.
fn upstream_error(key: &Secret, reply: &Value) -> Option<String> {
    let error = &reply["error"];
    let message = error["message"].as_str().or(error.as_str())?;
    if key.is_quoted_in(message) {
        return Some("(withheld: it quotes the key)".to_owned());
    }
    Some(message.chars().take(MESSAGE_CHARS_MAX).flat_map(char::escape_debug).collect())
}

/// Without control characters but line feed and tab, without marks that turn the direction of text, and cut.
fn plain(text: &str, chars_max: usize) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |c: &char| matches!(c, '\n' | '\t') || !(c.is_control() || turns(*c));
    text.trim().chars().filter(shown).take(chars_max).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null or nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a blank text",
        Value::Array(list) if list.is_empty() => "an empty list",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<ChatAnswer, String> {
        let question = ChatQuestion { id: 1, system: "rules", user: "{}".to_owned() };
        let settings = ChatSettings { answer_chars_max: 10, ..Default::default() };
        answer(&settings, &Secret::new("sk-secret-0123456789"), &question, body.as_bytes())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn unknown_fields_are_ignored_and_usage_may_be_missing_or_odd() {
        let body = r#"{"x": 1, "choices": [{"y": [], "message": {"content": "well", "z": null}}],
            "usage": {"prompt_tokens": -3, "completion_tokens": 7}}"#;
        assert_eq!(
            read(body),
            Ok(ChatAnswer { text: "well".into(), prompt_tokens: 11, completion_tokens: 7 }),
            "2 for the system text, 1 for the user's, 8 for the roles"
        );
        let body = r#"{"choices": [{"message": {"content": "well"}}]}"#;
        assert_eq!(read(body).unwrap().completion_tokens, 2);
    }

    #[test]
    fn a_null_content_an_empty_list_and_a_list_of_numbers_are_errors() {
        let found = |body: &str| read(body).unwrap_err();
        assert_eq!(
            found(r#"{"choices": [{"message": {"content": null}}]}"#),
            "chat reply: choices[0].message.content: found null or nothing, must be a text that is not blank"
        );
        assert!(found(r#"{"choices": []}"#).contains("choices: found an empty list"));
        assert!(found(r#"{"choices": [1]}"#).contains("content: found null"));
        assert!(found(r#"{"choices": {"0": 1}}"#).contains("choices: found an object"));
        assert!(found(r#"{"choices": [{"message": {"content": " \n\u0000 "}}]}"#).contains("a blank text"));
        assert!(found("[]").contains("choices: found null or nothing"));
        assert!(found("<html>").contains("found 6 bytes that are no JSON"));
        assert!(found(&"[".repeat(100_000)).contains("recursion limit"));
    }

    #[test]
    fn an_error_with_status_200_is_told_in_the_servers_words() {
        let error = read(r#"{"error": {"message": "no credits\u001b[31m", "code": 402}}"#).unwrap_err();
        assert_eq!(error, r"chat reply: found an error instead of choices: no credits\u{1b}[31m");
    }

    #[test]
    fn a_long_answer_is_cut_and_loses_its_control_characters() {
        let body = r#"{"choices": [{"message": {"content": "\u001b[2J\u0007a\nb\u202e mañana y más"}}]}"#;
        assert_eq!(read(body).unwrap().text, "[2Ja\nb mañ");
    }

    #[test]
    fn a_key_taken_apart_by_control_characters_is_still_found() {
        let question = ChatQuestion { id: 1, system: "rules", user: "{}".to_owned() };
        let body = br#"{"choices": [{"message": {"content": "sk-\u0000secret-01\u000023456789"}}]}"#;
        let key = Secret::new("sk-secret-0123456789");
        assert!(answer(&ChatSettings::default(), &key, &question, body).is_err());
    }

    #[test]
    fn the_key_is_neither_in_an_answer_nor_in_an_error() {
        let quoting = r#"{"choices": [{"message": {"content": "sk-secret-0123456789"}}]}"#;
        assert!(!read(quoting).unwrap_err().contains("0123456789"));
        let key = Secret::new("sk-secret-0123456789");
        let body = br#"{"error": {"message": "bad key sk-\u0073ecret-0123456789"}}"#;
        assert_eq!(failure(&key, body), "(withheld: it quotes the key)");
        assert_eq!(failure(&key, b"sk-secret-0123456789"), "");
        assert_eq!(failure(&key, br#"{"error": "model not found"}"#), "model not found");
        assert_eq!(failure(&key, format!(r#"{{"error": "{}"}}"#, "x ".repeat(999)).as_bytes()).len(), 200);
    }
}
