//! Settings: what a URL of PostgreSQL says, our own parameters apart from the client's.

use std::path::PathBuf;
use std::time::Duration;

use corec_core::config::{redact_url, with_encoded_password};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// How long one attempt to connect may take, unless the URL says otherwise.
const CONNECT: Duration = Duration::from_secs(5);
/// A peer that has vanished is noticed within half a minute: probes after 15 s, every 5 s, three of them.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(15), Duration::from_secs(5), 3);
/// How long bytes may be under way without an answer from the peer's system.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Whom to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Whoever answers, as `sslmode=prefer` and `require` of PostgreSQL's own client do.
    Anyone,
    /// The authorities in a PEM file, or the system's; the name must be right too.
    Authorities(Option<PathBuf>),
}

/// What a URL asks for.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The URL without its password.
    pub shown: String,
    pub config: Config,
    pub trust: Trust,
    /// Days after which a partition is detached.
    pub retention_days: Option<u16>,
}

impl Settings {
    /// Reads a URL. Touches nothing.
    ///
    /// # Errors
    /// What in it can't be read. A text, without the password.
    pub fn parse(url: &str) -> Result<Self, String> {
        let url = &with_encoded_password(url)?;
        let (base, parameters) = split(url);
        // What stands before an `@`, or behind a password, may have been meant for a part of it.
        let may_be_secret = parameters.contains('@') || parameters.to_ascii_lowercase().contains("password");
        let shown = |found: &str| if may_be_secret { "***".into() } else { found.to_string() };
        let (mut rest, mut mode, mut ca, mut retention_days) = (Vec::new(), None, None, None);
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match key {
                "sslmode" => mode = Some(decoded(value)),
                "ca" | "sslrootcert" if value.is_empty() => {
                    return Err(format!("{key}: found no file, must be a PEM file"));
                }
                "ca" | "sslrootcert" => ca = Some(PathBuf::from(decoded(value))),
                "retention_days" => {
                    let days = value.parse().ok().filter(|days| *days > 0);
                    let wrong = || {
                        let found = shown(value);
                        format!("retention_days: found '{found}', must be a whole number of days, at least 1")
                    };
                    retention_days = Some(days.ok_or_else(wrong)?);
                }
                _ => rest.push(parameter),
            }
        }
        let url = if rest.is_empty() { base.to_string() } else { format!("{base}?{}", rest.join("&")) };
        let mut config: Config = url.parse().map_err(|e| unreadable(&e, &shown))?;
        if config.get_password() == Some(b"***") {
            return Err(
                "found *** for a password, must be the password: a run's record has none, give --store URL"
                    .into(),
            );
        }
        let (ssl_mode, trust) = trust(mode.as_deref(), ca, &shown)?;
        config.ssl_mode(ssl_mode);
        complete(&mut config)?;
        Ok(Self { shown: redact_url(&url_shown(base, parameters)), config, trust, retention_days })
    }
}

fn url_shown(base: &str, parameters: &str) -> String {
    if parameters.is_empty() { base.into() } else { format!("{base}?{parameters}") }
}

/// The URL up to its parameters, and those. A password may hold a `?`.
fn split(url: &str) -> (&str, &str) {
    let host = url.rfind('@').filter(|at| url[*at..].contains('?')).unwrap_or(0);
    match url[host..].find('?') {
        Some(at) => (&url[..host + at], &url[host + at + 1..]),
        None => (url, ""),
    }
}

/// A text with its `%41` as letters.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).filter(|_| *first == b'%');
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn unreadable(error: &tokio_postgres::Error, shown: &dyn Fn(&str) -> String) -> String {
    let why = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    let why = shown(&why);
    format!(
        "found a URL that can't be read ({why}), must be postgres://USER:PASSWORD@HOST:PORT/DATABASE, with % in a password as %25"
    )
}

/// Whether TLS is spoken, and with whom. A named authority is asked for a reason: it is always held against the server.
fn trust(
    mode: Option<&str>,
    ca: Option<PathBuf>,
    shown: &dyn Fn(&str) -> String,
) -> Result<(SslMode, Trust), String> {
    match (mode, ca) {
        (Some(mode @ ("disable" | "prefer")), Some(_)) => Err(format!(
            "sslmode: found {mode} beside ca=, must be require: an authority is no use without TLS"
        )),
        (None | Some("require" | "verify-full"), ca @ Some(_)) => {
            Ok((SslMode::Require, Trust::Authorities(ca)))
        }
        (Some("verify-full"), None) => Ok((SslMode::Require, Trust::Authorities(None))),
        (Some("require"), None) => Ok((SslMode::Require, Trust::Anyone)),
        (None | Some("prefer"), None) => Ok((SslMode::Prefer, Trust::Anyone)),
        (Some("disable"), None) => Ok((SslMode::Disable, Trust::Anyone)),
        (Some(other), _) => {
            let found = shown(other);
            Err(format!("sslmode: found '{found}', must be disable, prefer, require or verify-full"))
        }
    }
}

/// What the URL leaves open: nothing may wait for ever.
fn complete(config: &mut Config) -> Result<(), String> {
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err("found no host, must be postgres://USER@HOST/DATABASE".into());
    }
    let is_blank = |host: &Host| matches!(host, Host::Tcp(name) if name.is_empty());
    if config.get_hosts().iter().any(is_blank) {
        return Err("found no host, must be postgres://USER@HOST/DATABASE".into());
    }
    if config.get_application_name().is_none() {
        config.application_name("corec");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNACKNOWLEDGED);
    }
    let (idle, interval, retries) = KEEPALIVE;
    config.keepalives(true).keepalives_idle(idle).keepalives_interval(interval).keepalives_retries(retries);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_parameters_do_not_reach_the_client() {
        let url = "postgresql://ana:s%3Fcret@db:6432/runs?ca=/a%20b.pem&retention_days=30&application_name=x";
        let settings = Settings::parse(url).unwrap();
        assert_eq!(settings.trust, Trust::Authorities(Some("/a b.pem".into())));
        assert_eq!((settings.retention_days, settings.config.get_ports()), (Some(30), &[6432][..]));
        assert_eq!(settings.config.get_application_name(), Some("x"));
        assert_eq!(settings.config.get_password(), Some(&b"s?cret"[..]));
        assert!(settings.config.get_connect_timeout().is_some());
        assert!(!settings.shown.contains("cret@"), "{}", settings.shown);
    }

    #[test]
    fn what_a_url_can_not_mean_is_refused_without_the_password() {
        for (url, wanted) in [
            ("postgres://u:hunter2@h/d?sslmode=verify-ca", "must be disable, prefer, require or verify-full"),
            ("postgres://u:hunter2@h/d?sslmode=prefer&ca=x", "must be require"),
            ("postgres://u:hunter2@h/d?retention_days=0", "at least 1"),
            ("postgres://u:hunter2@h/d?ca=", "PEM"),
            ("postgres://u:hunter2@h/d?colour=red", "colour"),
            ("postgres://u:hunter2@h:x/d", "%25"),
            ("postgres://u:a@b?hunter2@h/d", "%3F"),
            ("postgres://u:a@b?sslmode=hunter2#f%g@h/d", "%3F"),
            ("postgres://a?sslmode=hunter2@h/d", "must be disable"),
            ("postgres://h/d?password=a&hunter2", "can't be read"),
            ("postgres:///d", "no host"),
            ("postgres://u:***@h/d", "--store"),
        ] {
            let error = Settings::parse(url).unwrap_err();
            assert!(error.contains(wanted) && !error.contains("hunter2"), "{url}: {error}");
        }
    }
}
