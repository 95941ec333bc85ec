#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[doc(no_inline)]
pub use corec_systems::{CorecPlugin, channels, run, scenarios, testing};
pub use corec_systems::{plugin, prelude};

/// The guide's blocks, compiled and run as the README's are.
#[cfg(doctest)]
#[doc = include_str!("../docs/plugin-guide.md")]
struct PluginGuide;

/// The guide in Spanish.
#[cfg(doctest)]
#[doc = include_str!("../docs/es/guia-de-plugins.md")]
struct GuiaDePlugins;
