//! Support: a server as the tests have it.

#[path = "../../../tests/support/skip.rs"]
pub mod skip;

#[path = "../../../tests/support/postgres.rs"]
pub mod postgres;
