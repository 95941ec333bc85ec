//! Http: where a run is shown over HTTP, as a scenario or `--http` has it. Who serves it is a crate above this one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use corec_core::section::Section;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an address must be.
const ALLOWED: &str = "an address and a port: 127.0.0.1:8000, localhost:8000, 0.0.0.0:8000, 8000";
const PORT: u16 = 8000;

/// The address and the port at which a run is shown over HTTP. Off this machine only if it is named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Http(pub String);

impl Default for Http {
    fn default() -> Self {
        Self(format!("127.0.0.1:{PORT}"))
    }
}

impl Section for Http {
    const NAME: &'static str = "http";
    const RANGES: &'static [(&'static str, &'static str)] = &[("", ALLOWED)];

    fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        self.address().map(|_| ()).map_err(|_| ("", self.0.clone(), ALLOWED))
    }
}

impl Http {
    /// The address. A port alone is this machine's own, and 0 any that is free.
    ///
    /// # Errors
    /// What was found and what is allowed.
    pub fn address(&self) -> Result<SocketAddr, String> {
        let (here, text) = (IpAddr::V4(Ipv4Addr::LOCALHOST), self.0.trim());
        let address = match text.strip_prefix("localhost").unwrap_or(text) {
            "" => Some(SocketAddr::new(here, PORT)),
            rest => {
                let port = rest.strip_prefix(':').unwrap_or(rest);
                let on_port = port.parse().ok().map(|port| SocketAddr::new(here, port));
                let host = rest.trim_matches(['[', ']']).parse().ok();
                let on_host = host.map(|host: IpAddr| SocketAddr::new(host, PORT));
                on_port.or_else(|| rest.parse().ok()).or(on_host)
            }
        };
        address.ok_or_else(|| format!("found '{}', must be {ALLOWED}", text.escape_debug()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_this_machines_own_unless_another_is_named() {
        for (given, expected) in [
            ("8123", "127.0.0.1:8123"),
            (":8123", "127.0.0.1:8123"),
            ("localhost", "127.0.0.1:8000"),
            ("localhost:0", "127.0.0.1:0"),
            ("0.0.0.0", "0.0.0.0:8000"),
            ("10.1.2.3:80", "10.1.2.3:80"),
            ("[::1]:9", "[::1]:9"),
            ("::1", "[::1]:8000"),
        ] {
            assert_eq!(Http(given.into()).address().unwrap().to_string(), expected, "{given}");
        }
        for given in ["corec", "70000", "1.2.3.4:x", "http://1.2.3.4:80", "localhost:x", "1.2.3.4:80/"] {
            assert!(Http(given.into()).address().unwrap_err().contains("8000"), "{given}");
        }
        assert_eq!(Http::default().address().unwrap().to_string(), "127.0.0.1:8000");
    }
}
