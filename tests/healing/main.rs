//! Healing: what goes wrong with a block is found and put right, what is well is left alone, and the fittest spread.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harm;

mod audit;
mod renewal;
mod selection;
