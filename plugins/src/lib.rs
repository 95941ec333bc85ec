//! The plugins of this tree. Written by `corec plugin sync`; do not edit.
#![forbid(unsafe_code)]

use corec_systems::plugin::Registered;

/// Every plugin, by its crate's name.
pub const REGISTRY: &[Registered] = &[];
