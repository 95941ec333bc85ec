//! The plugins of this tree. Written by `corec plugin sync`; do not edit.
#![forbid(unsafe_code)]

use corec_api::plugin::Registered;

/// Every plugin, by its crate's name.
#[rustfmt::skip]
pub const REGISTRY: &[Registered] = &[
    Registered::of::<alerts::BlockAlerts>(),
    Registered::of::<analyzer::Analyzer>(),
    Registered::of::<communicator::Communicator>(),
    Registered::of::<saboteur::Saboteur>(),
];
