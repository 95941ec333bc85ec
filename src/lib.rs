#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[doc(no_inline)]
pub use corec_systems::{CorecPlugin, run, scenarios, testing};
pub use corec_systems::{plugin, prelude};
