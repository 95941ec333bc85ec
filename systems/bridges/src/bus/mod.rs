//! Buses: the streams of a run, in memory or on a Redis server.
//!
//! [`parse`] reads a URL, [`open`] connects.

mod outgoing;

mod memory;
#[cfg(feature = "redis")]
pub mod redis;

use std::time::Duration;

use corec_core::bus::Bus;
use corec_core::config::redact_url;
use corec_core::units::RunId;
use thiserror::Error;

use crate::finding::{Finding, Findings};
use crate::lane::SpoolOptions;

pub use memory::MemoryBus;
pub use outgoing::Outgoing;

/// What a bus's URL asks for.
#[cfg_attr(feature = "redis", expect(clippy::large_enum_variant, reason = "a run has one"))]
pub enum BusUrl {
    /// Streams in memory.
    Memory,
    /// Streams on a server.
    #[cfg(feature = "redis")]
    Redis(redis::RedisUrl),
}

/// Who uses a bus, and how.
pub struct BusOptions {
    /// The instance: every output says it.
    pub instance: String,
    /// The run: what it has sent is known by it.
    pub run: RunId,
    /// The stream that it reads, and those that it surely writes: a user who may not is told at the start.
    pub read: Option<String>,
    /// See `read`.
    pub written: Vec<String>,
    /// How long a start waits for a server.
    pub connect_timeout: Duration,
    /// Where what is sent waits while the server is away.
    pub spool: Option<SpoolOptions>,
}

/// Why a bus can't be had.
#[derive(Debug, Error)]
pub enum OpenError {
    /// What was asked for can't be.
    #[error("{0}")]
    Usage(String),
    /// It is not there now.
    #[error("{0}")]
    Away(String),
}

/// Reads a bus's URL. Touches nothing.
///
/// # Errors
/// An unknown scheme, one that this build does not have, or parts that are not allowed: a text without the password.
pub fn parse(url: &str) -> Result<BusUrl, String> {
    match url.split_once("://") {
        None if url == "memory" => Ok(BusUrl::Memory),
        #[cfg(feature = "redis")]
        Some(("redis" | "rediss", _)) => redis::RedisUrl::parse(url).map(BusUrl::Redis),
        #[cfg(not(feature = "redis"))]
        Some(("redis" | "rediss", _)) => Err(format!(
            "bus {}: this program was built without Redis: build it with --features redis, or use memory",
            redact_url(url)
        )),
        _ => Err(format!(
            "bus {}: found an unknown bus, must be memory, redis://HOST:PORT or rediss://HOST:PORT",
            redact_url(url)
        )),
    }
}

/// Looks whether a run can stand on the bus of a URL. `read` is the stream that it reads, `written` are those that it writes.
/// Changes nothing.
#[cfg_attr(not(feature = "redis"), expect(unused_variables, reason = "memory has every stream"))]
pub fn examine(url: &str, read: Option<&str>, written: &[&str]) -> Vec<Finding> {
    let mut findings = Findings::of("bus");
    match parse(url) {
        #[cfg(feature = "redis")]
        Ok(BusUrl::Redis(url)) => return redis::examine(&url, read, written),
        Ok(_) => findings.ok("url", "memory: streams end with the run"),
        Err(error) => findings.fix("url", error),
    }
    findings.finish()
}

/// Connects to a bus.
///
/// # Errors
/// See [`OpenError`].
#[cfg_attr(not(feature = "redis"), expect(unused_variables, reason = "memory has no need of them"))]
pub fn open(url: &BusUrl, options: &BusOptions) -> Result<Box<dyn Bus>, OpenError> {
    match url {
        BusUrl::Memory => Ok(Box::new(MemoryBus::default())),
        #[cfg(feature = "redis")]
        BusUrl::Redis(url) => Ok(Box::new(redis::RedisBus::open(url, options)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_that_is_none_is_told_without_the_password() {
        for url in ["kafka://ana:s3cret@x", "memory://x", "redis-cluster://h"] {
            let error = parse(url).err().unwrap();
            assert!(error.contains("must be memory") && !error.contains("s3cret"), "{error}");
        }
        assert!(parse("memory").is_ok());
    }
}
