//! The client: asks a run that is shown, here or on another machine, as the page does.

use std::fs;
use std::path::Path;
use std::time::Duration;

use corec_run::recorded::RecordedRun;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;
use ureq::Agent;

use crate::server::FILE;

/// How long an answer may take, and how long it may be.
const PATIENCE: Duration = Duration::from_secs(5);
const BYTES_MAX: u64 = 64 << 20;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// What was given leads to no run that is shown.
    #[error("{0}")]
    Nowhere(String),
    /// Nobody answers.
    #[error("{url}: {why}")]
    Away {
        /// Who was asked.
        url: String,
        /// What the system says.
        why: String,
    },
    /// The answer is no, or none of CoreC's.
    #[error("{url}: {status}: {why}")]
    Refused {
        /// What was asked.
        url: String,
        /// The status.
        status: u16,
        /// What the answer says.
        why: String,
    },
}

/// Asks one run. Clones share a connection.
#[derive(Clone, Debug)]
pub struct Client {
    url: String,
    token: Option<String>,
    agent: Agent,
}

/// What a run's folder says of where it is shown.
#[derive(Deserialize)]
struct Shown {
    url: String,
    /// None where it was given to the run: whoever gave it has it.
    token: Option<String>,
}

impl Client {
    /// Of a run at `http://HOST:PORT` or `HOST:PORT`, or of a run's folder, which has a token too.
    ///
    /// # Errors
    /// What leads to no run that is shown.
    pub fn new(to: &str, token: Option<String>) -> Result<Self, ClientError> {
        let nowhere = |why: String| ClientError::Nowhere(format!("{to}: {why}"));
        if to.starts_with("https://") {
            return Err(nowhere(
                "must be http://: over ssh (ssh -L 8000:localhost:8000 HOST) it is private too".into(),
            ));
        }
        let is_folder = !to.starts_with("http://") && Path::new(to).is_dir();
        let (url, token) = if is_folder {
            let file = Path::new(to).join(FILE);
            let text = fs::read(&file).map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => {
                    nowhere("is not shown: it has ended, or was started without --http".into())
                }
                _ => ClientError::Nowhere(format!("{}: {e}", file.display())),
            })?;
            let shown: Shown = serde_json::from_slice(&text)
                .map_err(|e| ClientError::Nowhere(format!("{}: {e}", file.display())))?;
            if RecordedRun::open(Path::new(to)).is_ok_and(|run| !run.is_going_on()) {
                return Err(nowhere(
                    "is not shown: it was killed; corec run --restore goes on with it".into(),
                ));
            }
            (shown.url, token.or(shown.token))
        } else {
            let host = to.strip_prefix("http://").unwrap_or(to).trim_end_matches('/');
            if host.is_empty() || host.contains(['/', ' ']) || !host.contains(':') {
                return Err(nowhere(
                    "must be a run's folder, or http://HOST:PORT as corec run --http says it".into(),
                ));
            }
            (format!("http://{host}"), token)
        };
        let config = Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false);
        Ok(Self { url, token, agent: config.proxy(None).build().into() })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it has a token to change something with.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// What a path gives: `/api/v1/summary`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let url = format!("{}{path}", self.url);
        let answer = self.agent.get(&url).call();
        self.read(url, answer)
    }

    /// Pauses a plugin, or lets it go on.
    ///
    /// # Errors
    /// See [`ClientError`]; a token that is not the run's is refused with 401.
    pub fn change_plugin(&self, name: &str, is_paused: bool) -> Result<(), ClientError> {
        let change = if is_paused { "pause" } else { "resume" };
        let url = format!("{}/api/v1/plugins/{name}/{change}", self.url);
        let token = self.token.as_deref().unwrap_or_default();
        let answer = self.agent.post(&url).header("Authorization", format!("Bearer {token}")).send_empty();
        self.read::<Value>(url, answer).map(|_| ())
    }

    fn read<T: DeserializeOwned>(
        &self,
        url: String,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, ClientError> {
        let away = |why: ureq::Error| ClientError::Away { url: self.url.clone(), why: why.to_string() };
        let mut answer = answer.map_err(away)?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(BYTES_MAX).read_to_vec().map_err(away)?;
        if !(200..300).contains(&status) {
            let why = serde_json::from_slice::<Value>(&text)
                .ok()
                .and_then(|json| Some(json["error"].as_str()?.to_string()));
            return Err(ClientError::Refused {
                url,
                status,
                why: why.unwrap_or_else(|| "no CoreC, or another version".into()),
            });
        }
        serde_json::from_slice(&text).map_err(|e| ClientError::Refused {
            url,
            status,
            why: format!("no CoreC, or another version: {e}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_to_no_run_is_told_with_what_would() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        for (to, wanted) in [
            (path, "--http"),
            ("https://a:1", "ssh -L"),
            ("a b:1", "HOST:PORT"),
            ("corec", "HOST:PORT"),
            ("", "HOST:PORT"),
        ] {
            let error = Client::new(to, None).unwrap_err().to_string();
            assert!(error.contains(wanted), "{to}: {error}");
        }
        for (to, url) in
            [("http://localhost:8000/", "http://localhost:8000"), ("10.0.0.1:80", "http://10.0.0.1:80")]
        {
            assert_eq!(Client::new(to, None).unwrap().url(), url);
        }
        let text = r#"{"url": "http://127.0.0.1:9", "token": "0123456789abcdef", "pid": 1}"#;
        fs::write(folder.path().join(FILE), text).unwrap();
        let client = Client::new(path, None).unwrap();
        assert!(client.url() == "http://127.0.0.1:9" && client.has_token());
        let away = client.get::<Value>("/health").unwrap_err();
        assert!(matches!(&away, ClientError::Away { .. }), "{away}");
    }
}
