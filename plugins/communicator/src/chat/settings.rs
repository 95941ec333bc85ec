//! The settings of the chat client are plain numbers with their units, checked once.

use std::ops::RangeInclusive;

use corec::prelude::{JsonSchema, schemars};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::error::ChatError;

/// Limits of the chat client. Every limit is on; there is no value for "without".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChatSettings {
    /// Where the API is; `/chat/completions` is added. `http` or `https`, without user or password.
    pub base_url: String,
    /// The model, by the API's name for it.
    pub model: String,
    /// Time for one request, from connecting to the last byte of the body. 0.01..=600; default 20.
    pub timeout_seconds: f64,
    /// Further tries after a failed one. 0..=10; default 2.
    pub retries_max: u32,
    /// The first retry waits up to this, each further one up to twice as long. 0..=60; default 0.5.
    pub backoff_seconds: f64,
    /// No retry waits longer: a server that asks for more (`Retry-After`) fails the question. 0..=600; default 30.
    pub backoff_seconds_max: f64,
    /// Requests a minute, retries included: a bucket of this many, refilled evenly. 1..=60000; default 20.
    pub requests_per_minute_max: u32,
    /// Tokens a run may use, question and answer together. Default 200 000 (3 cents of gpt-4o-mini's input, 2025).
    pub tokens_max: u64,
    /// Tokens of one answer, sent as `max_tokens`. 1..=100000; default 400.
    pub answer_tokens_max: u64,
    /// Characters of an answer; more are cut off. 1..=1000000; default 4000.
    pub answer_chars_max: usize,
    /// Bytes of a reply's body; a longer one is an error. 1024..=67108864; default 262144.
    pub body_bytes_max: usize,
    /// Questions failed in a row that open the breaker. 1..=1000; default 5.
    pub breaker_failures: u32,
    /// How long the breaker stays open before one question may try again. 0..=86400; default 60.
    pub breaker_pause_seconds: f64,
    /// Questions open at once: asked, and their replies not yet collected. 1..=65536; default 64.
    pub queue_max: usize,
}

impl Default for ChatSettings {
    fn default() -> Self {
        Self {
            base_url: "https://openrouter.ai/api/v1".to_owned(),
            model: "openai/gpt-4o-mini".to_owned(),
            timeout_seconds: 20.0,
            retries_max: 2,
            backoff_seconds: 0.5,
            backoff_seconds_max: 30.0,
            requests_per_minute_max: 20,
            tokens_max: 200_000,
            answer_tokens_max: 400,
            answer_chars_max: 4000,
            body_bytes_max: 256 << 10,
            breaker_failures: 5,
            breaker_pause_seconds: 60.0,
            queue_max: 64,
        }
    }
}

impl ChatSettings {
    /// Checks every setting against its range.
    ///
    /// # Errors
    /// [`ChatError::Settings`] says which, what was found and what is allowed.
    pub fn check(&self) -> Result<(), ChatError> {
        self.url()?;
        if self.model.is_empty() || self.model.len() > 200 || self.model.chars().any(char::is_control) {
            let found = self.model.chars().take(40).collect::<String>();
            return Err(wrong(
                "model",
                &format!("'{}'", found.escape_debug()),
                "1 to 200 bytes, no control characters",
            ));
        }
        within("timeout_seconds", self.timeout_seconds, 0.01..=600.0)?;
        within("retries_max", self.retries_max, 0..=10)?;
        within("backoff_seconds", self.backoff_seconds, 0.0..=60.0)?;
        within("backoff_seconds_max", self.backoff_seconds_max, 0.0..=600.0)?;
        within("requests_per_minute_max", self.requests_per_minute_max, 1..=60_000)?;
        within("answer_tokens_max", self.answer_tokens_max, 1..=100_000)?;
        within("answer_chars_max", self.answer_chars_max, 1..=1_000_000)?;
        within("body_bytes_max", self.body_bytes_max, 1 << 10..=64 << 20)?;
        within("breaker_failures", self.breaker_failures, 1..=1000)?;
        within("breaker_pause_seconds", self.breaker_pause_seconds, 0.0..=86_400.0)?;
        within("queue_max", self.queue_max, 1..=65_536)
    }

    /// The address of the API's one endpoint. A query of `base_url` (`?api-version=...`) stays.
    pub(super) fn url(&self) -> Result<Url, ChatError> {
        let allowed = "http://HOST or https://HOST with a path, without user or password";
        // What was found is not shown: some people put the key into the address.
        let unfit = |found| wrong("base_url", found, allowed);
        let mut url = Url::parse(&self.base_url).map_err(|_| unfit("no address"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(unfit("another scheme"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(unfit("a user or password"));
        }
        url.set_fragment(None);
        url.path_segments_mut()
            .map_err(|()| unfit("an address without a path"))?
            .pop_if_empty()
            .extend(["chat", "completions"]);
        Ok(url)
    }
}

fn within<T: PartialOrd + std::fmt::Display>(
    key: &str,
    found: T,
    allowed: RangeInclusive<T>,
) -> Result<(), ChatError> {
    if allowed.contains(&found) {
        return Ok(());
    }
    Err(wrong(key, &found.to_string(), &format!("within {}..={}", allowed.start(), allowed.end())))
}

fn wrong(key: &str, found: &str, allowed: &str) -> ChatError {
    ChatError::Settings(format!("chat.{key}: found {found}, must be {allowed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(base: &str) -> Result<String, String> {
        let settings = ChatSettings { base_url: base.to_owned(), ..Default::default() };
        settings.url().map(|url| url.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn the_defaults_pass_and_name_openrouter() {
        let settings = ChatSettings::default();
        assert_eq!(settings.check(), Ok(()));
        assert_eq!(
            settings.url().map(String::from).as_deref(),
            Ok("https://openrouter.ai/api/v1/chat/completions")
        );
    }

    #[test]
    fn the_endpoint_is_added_with_or_without_a_slash_and_a_query_stays() {
        assert_eq!(
            url("http://localhost:11434/v1/").as_deref(),
            Ok("http://localhost:11434/v1/chat/completions")
        );
        assert_eq!(url("http://h").as_deref(), Ok("http://h/chat/completions"));
        assert_eq!(
            url("https://h/v1?api-version=1").as_deref(),
            Ok("https://h/v1/chat/completions?api-version=1")
        );
    }

    #[test]
    fn an_address_with_a_password_is_refused_and_not_shown() {
        let error = url("https://me:hunter2@h/v1").unwrap_err();
        assert_eq!(
            error,
            "chat.base_url: found a user or password, must be http://HOST or https://HOST with a path, without user or password"
        );
        assert!(url("file:///etc/passwd").is_err());
        assert!(url("").is_err());
    }

    #[test]
    fn a_number_out_of_range_or_nan_names_its_key_and_range() {
        let settings = ChatSettings { timeout_seconds: f64::NAN, ..Default::default() };
        let error = settings.check().unwrap_err().to_string();
        assert_eq!(error, "chat.timeout_seconds: found NaN, must be within 0.01..=600");
        let settings = ChatSettings { queue_max: 0, ..Default::default() };
        assert_eq!(
            settings.check().unwrap_err().to_string(),
            "chat.queue_max: found 0, must be within 1..=65536"
        );
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(serde_json::from_str::<ChatSettings>(r#"{"time_out": 3}"#).is_err());
        assert!(serde_json::from_str::<ChatSettings>(r#"{"timeout_seconds": 3}"#).is_ok());
    }
}
