//! Startup: what a plugin reads from outside once, when the run begins.

use bevy_ecs::prelude::*;
use corec_core::journal::{Input, Journal};
use corec_core::plugin::NamedPlugin;
use corec_core::units::Tick;

/// What the plugin `P` reads from outside in `Startup`: a log, a model. It is `live` the first time, and in the journal for a
/// run that is done again, whatever became of the file since.
///
/// # Errors
/// What `live` says.
pub fn recorded<P: NamedPlugin>(
    world: &mut World,
    live: impl FnOnce() -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let tick = world.resource::<Tick>().0;
    let mut journal = world.resource_mut::<Journal>();
    if let Some(Input::Messages { channel, data, .. }) =
        journal.replay(tick, |input| matches!(input, Input::Messages { .. }))
    {
        if channel != P::NAME {
            let (found, name) = (channel.escape_debug(), P::NAME);
            return Err(format!(
                "journal: found what '{found}' has read, must be of '{name}': the run had other plugins"
            )
            .into());
        }
        return Ok(data.concat());
    }
    let bytes = live()?;
    journal
        .record(tick, &Input::Messages { channel: P::NAME.into(), cursor: None, data: vec![bytes.clone()] });
    journal.commit();
    Ok(bytes)
}
