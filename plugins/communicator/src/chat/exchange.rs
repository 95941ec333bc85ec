//! An exchange is one POST and its reply, within limits of time and size.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url, redirect, retry};
use rustls_platform_verifier::BuilderVerifierExt;

use super::error::ChatError;
use super::secret::Secret;
use super::settings::ChatSettings;
use super::wire;
use super::{ChatAnswer, ChatQuestion};

/// The body of a failure is read this far: enough for its message.
const FAILURE_BYTES_MAX: usize = 16 << 10;

/// Why an exchange failed, and how long the server wants to be left alone.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: ChatError,
    pub(super) retry_after: Option<Duration>,
}

impl From<ChatError> for Failure {
    fn from(error: ChatError) -> Self {
        Self { error, retry_after: None }
    }
}

/// Everything a request needs but the question.
#[derive(Debug)]
pub(super) struct Exchange {
    client: Client,
    url: Url,
    key: Secret,
    authorization: Option<HeaderValue>,
}

impl Exchange {
    pub(super) fn new(settings: &ChatSettings, key: Secret) -> Result<Self, ChatError> {
        let url = settings.url()?;
        let authorization = authorization(&key)?;
        let encrypted = url.scheme() == "https";
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls(encrypted)?)
            // A redirect could carry the key to another host, and a POST does not survive most of them.
            .redirect(redirect::Policy::none())
            // Retries are counted by the worker, against the rate limit.
            .retry(retry::never())
            // Half the time, so that a server out of reach is told from a slow one, which may bill.
            .connect_timeout(Duration::from_secs_f64(settings.timeout_seconds / 2.0))
            // The runtime sleeps between questions and would not see a kept connection end.
            .pool_max_idle_per_host(0);
        if !encrypted {
            // HTTP_PROXY would get to read the key; HTTPS_PROXY tunnels and does not.
            builder = builder.no_proxy();
            if authorization.is_some() {
                tracing::warn!("chat.base_url: found http, anyone on the way can read the key");
            }
        }
        let client = builder.build().map_err(|e| refused("http", &e))?;
        Ok(Self { client, url, key, authorization })
    }

    /// Sends a question and reads the reply. The caller's time-out bounds it.
    pub(super) async fn ask(
        &self,
        settings: &ChatSettings,
        question: &ChatQuestion,
    ) -> Result<ChatAnswer, Failure> {
        let mut request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let response =
            request.body(wire::request(settings, question)).send().await.map_err(|e| unanswered(&e))?;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(response).await);
        }
        let body = body(response, settings.body_bytes_max).await?;
        Ok(wire::answer(settings, &self.key, question, &body)?)
    }

    async fn refusal(&self, response: Response) -> Failure {
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(seconds);
        // The status is what matters: a body that fails or is too long leaves the message out.
        let body = body(response, FAILURE_BYTES_MAX).await.unwrap_or_default();
        Failure { error: ChatError::Status { status, message: wire::failure(&self.key, &body) }, retry_after }
    }
}

/// Reads a body piece by piece, and drops the connection once it is too long.
async fn body(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, ChatError> {
    let mut body = Vec::new();
    let cut = |e: reqwest::Error| ChatError::Reply(format!("body: {}, must be whole", causes(&e)));
    while let Some(piece) = response.chunk().await.map_err(cut)? {
        if body.len() + piece.len() > bytes_max {
            return Err(ChatError::BodyTooLarge(bytes_max));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// `Retry-After` in seconds. The form with a date would need a wall clock that agrees: left to the backoff.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.trim().parse::<u32>().ok().map(|seconds| Duration::from_secs(seconds.into()))
}

fn authorization(key: &Secret) -> Result<Option<HeaderValue>, ChatError> {
    if key.expose().is_empty() {
        return Ok(None);
    }
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose())).map_err(|_| {
        ChatError::Settings(
            "chat key: found a character no HTTP header may hold, must be plain ASCII".to_owned(),
        )
    })?;
    // HTTP libraries then leave it out of their own logs.
    value.set_sensitive(true);
    Ok(Some(value))
}

/// TLS with ring, named here: reqwest would else look for a provider of the whole process and panic without one.
fn tls(encrypted: bool) -> Result<rustls::ClientConfig, ChatError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| refused("tls", &e))?;
    if !encrypted {
        // Never used, and a machine without CA certificates can still ask a local model.
        return Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth());
    }
    Ok(builder.with_platform_verifier().map_err(|e| refused("tls", &e))?.with_no_client_auth())
}

fn refused(what: &str, found: &dyn std::error::Error) -> ChatError {
    ChatError::Settings(format!("chat: {what}: found {}, must be set up", causes(found)))
}

fn unanswered(error: &reqwest::Error) -> ChatError {
    let found = causes(error);
    if error.is_connect() { ChatError::Connect(found) } else { ChatError::Broken(found) }
}

/// The innermost cause: reqwest's own text only names the address, which may hold what nobody should read.
fn causes(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().chars().take(200).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_no_header_may_hold_is_refused_and_not_shown() {
        let error = Exchange::new(&ChatSettings::default(), Secret::new("sk-1\n2ecret")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "chat key: found a character no HTTP header may hold, must be plain ASCII"
        );
    }

    #[test]
    fn the_exchange_shows_no_key() {
        let settings = ChatSettings { base_url: "http://127.0.0.1:1".to_owned(), ..Default::default() };
        let exchange = Exchange::new(&settings, Secret::new("sk-secret")).unwrap();
        assert!(!format!("{exchange:?}").contains("secret"));
    }

    #[test]
    fn retry_after_is_read_in_seconds_only() {
        let read = |text: &str| seconds(&HeaderValue::from_str(text).unwrap());
        assert_eq!(read(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(read("Fri, 31 Dec 1999 23:59:59 GMT"), None);
        assert_eq!(read("-1"), None);
        assert_eq!(read("99999999999"), None);
    }
}
