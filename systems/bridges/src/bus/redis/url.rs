//! URL: what `redis://` and `rediss://` say of a server, and of how it is used.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use corec_core::config::{redact_url, with_encoded_password};
use corec_core::units::parse_bytes;
use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates};

/// What the entries of a stream that this run writes may take on the server before the oldest go, unless the URL says otherwise: as
/// much as a stream in memory keeps, twice.
const KEEP: u64 = 64 << 20;
/// How long bytes that nobody acknowledges keep a connection.
const USER_TIMEOUT: Duration = Duration::from_secs(15);
/// Parameters a URL may have.
const PARAMETERS: [&str; 3] = ["ca", "eviction", "keep"];

/// A server, and how it is used.
#[derive(Clone, Debug)]
pub struct RedisUrl {
    /// As errors show it.
    pub shown: String,
    info: ConnectionInfo,
    ca: Option<PathBuf>,
    /// Whether the server may evict streams.
    pub accepts_eviction: bool,
    /// Bytes a stream of our own may take.
    pub keep_bytes: u64,
}

impl RedisUrl {
    /// Reads `redis://[USER[:PASSWORD]@]HOST[:PORT][/DB][?ca=FILE&keep=SIZE&eviction=accept]`; `rediss://` is over TLS. Touches nothing.
    ///
    /// # Errors
    /// What was found and what is allowed: a text without the password.
    pub fn parse(url: &str) -> Result<Self, String> {
        let shown = redact_url(url);
        let fail = |message: &dyn Display| format!("bus {shown}: {message}");
        let form = "must be redis://[USER:PASSWORD@]HOST[:PORT][/DB][?ca=FILE&keep=SIZE&eviction=accept] or rediss://..";
        let encoded = with_encoded_password(url).map_err(|e| fail(&e))?;
        let Some(mut parsed) = redis::parse_redis_url(&encoded) else {
            return Err(fail(&form));
        };
        if !parsed.username().is_empty() && parsed.password().is_none() {
            let todo = "must be USER:PASSWORD@, :PASSWORD@ for the user `default`, or neither";
            return Err(fail(&format!("found a user without a password, {todo}")));
        }
        // What stands before an `@` may have been meant for a password.
        let may_be_secret = parsed.query().is_some_and(|query| query.contains('@'));
        let found = |text: &str| if may_be_secret { "***".into() } else { text.escape_debug().to_string() };
        let (mut ca, mut keep_bytes, mut accepts_eviction) = (None, KEEP, false);
        for (key, value) in parsed.query_pairs() {
            match &*key {
                "ca" if parsed.scheme() == "rediss" => ca = Some(PathBuf::from(&*value)),
                "ca" => return Err(fail(&"found ca= without TLS, must be rediss://..")),
                "keep" => {
                    let bytes = parse_bytes(&value).ok().filter(|bytes| *bytes >= 1 << 20);
                    let value = found(&value);
                    keep_bytes = bytes
                        .ok_or_else(|| fail(&format!("found keep={value}, must be at least 1MiB: 64MiB")))?;
                }
                "eviction" if value == "accept" => accepts_eviction = true,
                other => {
                    let (found, allowed) = (found(other), PARAMETERS.join(", "));
                    return Err(fail(&format!("found the parameter '{found}', must be one of: {allowed}")));
                }
            }
        }
        parsed.set_query(None);
        let info = parsed.into_connection_info().map_err(|_| fail(&form))?;
        let tcp = TcpSettings::default().set_nodelay(true);
        #[cfg(target_os = "linux")]
        let tcp = tcp.set_user_timeout(USER_TIMEOUT);
        Ok(Self { info: info.set_tcp_settings(tcp), ca, accepts_eviction, keep_bytes, shown })
    }

    /// Where it is, and whether a password is sent there.
    pub(super) fn address(&self) -> (&ConnectionAddr, bool) {
        (self.info.addr(), self.info.redis_settings().password().is_some())
    }

    /// The user that it names.
    pub(super) fn user(&self) -> &str {
        self.info.redis_settings().username().unwrap_or("default")
    }

    /// What connects to it.
    ///
    /// # Errors
    /// A file of certificates that can't be read: a text.
    pub(super) fn client(&self) -> Result<Client, String> {
        let fail = |message: &dyn Display| format!("bus {}: {message}", self.shown);
        // Another part of the process may have chosen one: that one is as good.
        _ = rustls::crypto::ring::default_provider().install_default();
        let client = match &self.ca {
            None => Client::open(self.info.clone()),
            Some(path) => {
                let root_cert = Some(read(path).map_err(|e| fail(&e))?);
                Client::build_with_tls(self.info.clone(), TlsCertificates { client_tls: None, root_cert })
            }
        };
        client.map_err(|e| fail(&e))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let pem = std::fs::read(path).map_err(|e| format!("ca: {}: {e}", path.display()))?;
    if !pem.windows(27).any(|window| window == b"-----BEGIN CERTIFICATE-----") {
        return Err(format!("ca: {}: found no certificate, must be a PEM file", path.display()));
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_server_is_and_errors_never_show_its_password() {
        let url = RedisUrl::parse("redis://ana:s3cret@host:7000/2?keep=8MiB").unwrap();
        assert_eq!((url.keep_bytes, &*url.shown), (8 << 20, "redis://ana:***@host:7000/2?keep=8MiB"));
        assert!(RedisUrl::parse("rediss://host?ca=ca.pem").unwrap().client().unwrap_err().contains("ca.pem"));
        for wrong in [
            "redis://ana:s3cret@",
            "redis://ana:s3cret@host?ca=x",
            "redis://ana:s3cret@h?keep=1",
            "redis://a:s3cret@h?x=1",
            "redis://a:b@c/d:e?s3cret#f%g@127.0.0.1:6379",
            "redis://a:b@c?s3cret@h:6379",
            "redis://a:b@c?keep=s3cret@h",
            "redis://s3cret@h",
            "redis://a?s3cret@h",
            "redis://a?keep=s3cret@h",
        ] {
            let error = RedisUrl::parse(wrong).unwrap_err();
            assert!(error.contains("must be") && !error.contains("s3cret"), "{error}");
        }
        let settings = RedisUrl::parse("redis://ana:a?b#c@d:e/f@host:7000").unwrap();
        assert_eq!(settings.info.redis_settings().password(), Some("a?b#c@d:e/f"));
    }
}
