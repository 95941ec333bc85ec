//! Support: servers as the tests have them.
#![allow(dead_code, reason = "a bench needs less of a server than the tests do")]

#[path = "../../../tests/support/skip.rs"]
pub mod skip;

#[cfg(feature = "redis")]
#[path = "../../../tests/support/certificates.rs"]
mod certificates;
#[cfg(feature = "redis")]
#[path = "../../../tests/support/ledger.rs"]
mod ledger;
#[cfg(feature = "redis")]
#[path = "../../../tests/support/redis.rs"]
pub mod redis;

#[cfg(feature = "postgres")]
#[path = "../../../tests/support/batches.rs"]
mod batches;
#[cfg(feature = "postgres")]
#[path = "../../../tests/support/postgres.rs"]
pub mod postgres;
