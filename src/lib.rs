#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub use corec_systems::prelude;
#[doc(no_inline)]
pub use corec_systems::{CorecPlugin, run, scenarios};
