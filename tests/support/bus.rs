//! A bus on a server of the tests', and what is asked of one.
#![allow(clippy::disallowed_methods, reason = "limits of waiting; no result depends on it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use corec_bridges::bus::{BusOptions, open, parse};
use corec_core::bus::{Bus, BusHealth, Entry, OutputId};
use corec_core::units::RunId;

use super::redis::Redis;

/// How long an outage of these tests may last.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn options(run: u128) -> BusOptions {
    let connect_timeout = Duration::from_secs(2);
    let (instance, run, read, written) = ("corec1".into(), RunId(run), None, Vec::new());
    BusOptions { instance, run, read, written, connect_timeout, spool: None }
}

pub fn bus(url: &str, run: u128) -> Box<dyn Bus> {
    open(&parse(url).unwrap(), &options(run)).unwrap()
}

pub fn id(tick: u64, sequence: u64) -> OutputId {
    OutputId { epoch: 0, tick, sequence }
}

/// Takes what comes on a stream until there are `count` entries, or what was lost makes up for it.
pub fn take(bus: &mut dyn Bus, stream: &str, count: usize) -> (Vec<Entry>, u64) {
    let (mut entries, mut lost) = (Vec::new(), 0);
    let start = Instant::now();
    while entries.len() < count {
        assert!(start.elapsed() < PATIENCE, "{} of {count} entries, {:?}", entries.len(), bus.health());
        let polled = bus.poll(stream, 1000).unwrap();
        assert!(polled.entries.windows(2).all(|two| two[0].cursor < two[1].cursor));
        lost += polled.lost;
        if let Some(last) = polled.entries.last() {
            assert_eq!(polled.last, last.cursor);
            bus.done(stream, polled.last).unwrap();
        }
        entries.extend(polled.entries);
        std::thread::sleep(Duration::from_millis(1));
    }
    (entries, lost)
}

pub fn wait_until(bus: &dyn Bus, what: &str, is_so: impl Fn(&BusHealth) -> bool) -> BusHealth {
    let start = Instant::now();
    loop {
        let health = bus.health();
        if is_so(&health) {
            return health;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: {health:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn sent(redis: &Redis, stream: &str) -> Vec<String> {
    let entries = redis.ledger().entries(stream);
    entries.into_iter().map(|entry| String::from_utf8_lossy(&entry.data).into_owned()).collect()
}

pub fn texts(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|n| n.to_string()).collect()
}
