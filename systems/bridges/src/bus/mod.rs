//! Buses: the streams of a run. Only the one in memory so far; `redis` comes with its bridge.

mod outgoing;

mod memory;

use corec_core::bus::Bus;
use corec_core::config::redact_url;

pub use memory::MemoryBus;
pub use outgoing::Outgoing;

/// Opens the bus of a URL.
///
/// # Errors
/// An unknown scheme, or one whose bridge this version does not have.
pub fn open(url: &str) -> Result<Box<dyn Bus>, String> {
    match url.split("://").next() {
        Some("memory") if url == "memory" => Ok(Box::new(MemoryBus::default())),
        Some("redis" | "rediss" | "redis-cluster") => Err(format!(
            "bus {}: Redis comes with its bridge, which this version does not have: --bus memory",
            redact_url(url)
        )),
        _ => Err(format!("bus {}: found an unknown bus, must be memory", redact_url(url))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_that_is_not_there_yet_says_so_without_the_password() {
        let error = open("redis://ana:s3cret@host").err().unwrap();
        assert!(error.contains("--bus memory") && !error.contains("s3cret"), "{error}");
        assert!(open("kafka://x").is_err() && open("memory://x").is_err());
    }
}
