//! Channels: typed messages between plugins, and between plugins and the outside, by name.
//!
//! A message that a plugin sends in one tick is delivered in the next, in the order of the systems that sent it. What
//! comes from outside (a stream of the bus, a source of the plugin's own) is written to the journal before anyone sees
//! it. Messages on their way are part of the run's state, so a restored run delivers what the killed one had sent.

mod outside;
mod queue;

mod deliver;
mod inbox;
mod startup;

use bevy_app::App;
use corec_core::digest::SaveResource;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use corec_core::journal::Journal;
pub use deliver::{are_any, deliver};
pub use inbox::{Inbox, UnreadableMessage};
pub use outside::carry;
pub use queue::Channels;
pub use startup::recorded;

/// Bytes of a message, as JSON.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// A message with a channel of its own. On the bus it is JSON.
///
/// ```
/// use corec_api::prelude::*;
///
/// /// How tired a block is.
/// #[derive(Serialize, Deserialize)]
/// struct Tired {
///     block: u32,
///     mean: f32,
/// }
///
/// impl Channel for Tired {
///     const NAME: &'static str = "tired";
/// }
/// ```
pub trait Channel: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The channel's name; also its stream on the bus.
    const NAME: &'static str;
}

/// What brings messages in from outside, beside the bus: a plugin's own connection.
///
/// Asked in Ingest of every tick, but not while a run is replayed: what it gave then is in the journal.
pub trait Source: Send + Sync {
    /// What has come since it was asked last, as JSON, at most [`MESSAGE_BYTES_MAX`] each. Returns at once.
    fn poll(&mut self) -> Vec<Vec<u8>>;
}

/// Connects channels to the outside.
pub trait AddChannel {
    /// Takes what others write on a stream of the bus as messages of `T`. What plugins here send on `T` stays here.
    fn listen<T: Channel>(&mut self, stream: impl Into<String>) -> &mut Self;

    /// Sends the messages of `T` on the bus under another name than the channel's.
    fn carry<T: Channel>(&mut self, stream: impl Into<String>) -> &mut Self;

    /// Takes what `source` gives as messages of `T`.
    fn add_source<T: Channel>(&mut self, source: impl Source + 'static) -> &mut Self;
}

/// Makes channels part of the state of runs that have any.
pub fn prepare(app: &mut App) {
    app.save_resource::<Channels>();
}
