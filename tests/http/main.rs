//! `corec run --http`: what a run shows to whoever looks, and that nobody who looks can do it harm.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod client;
mod shown;

mod answers;
mod crowd;
mod metrics;
mod pauses;
mod requests;
mod stream;
