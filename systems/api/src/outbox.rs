//! Outbox: what a plugin says, to people and to other plugins.
//!
//! Nothing is said until the system has come to its end: a system that panics has said nothing, and one that only says
//! things writes nothing that others read.

use std::marker::PhantomData;

use bevy_ecs::prelude::*;
use bevy_ecs::system::{Deferred, SystemBuffer, SystemMeta, SystemParam};
use bevy_ecs::world::DeferredWorld;
use corec_core::alert::Alerts;
use corec_core::block::{BlockId, Population};
use corec_core::flags::Flags;
use corec_core::outputs::Outputs;
use corec_core::plugin::NamedPlugin;
use corec_core::store::{Batch, KeyValue, Metric};
use corec_core::units::Tick;
use serde::Serialize;

use crate::channels::{Channel, Channels, MESSAGE_BYTES_MAX};
use crate::row::{GivenScore, TableRow};

/// Bytes of a name, a key or an alert's subject; what is longer is cut.
const NAME_BYTES_MAX: usize = 200;

/// What the plugin `P` says: alerts, messages, metrics, rows of its own. Applied in the order of the systems.
///
/// ```
/// # use corec_api::prelude::*;
/// # #[derive(Deserialize, JsonSchema)]
/// # struct Fatigue {}
/// # impl Plugin for Fatigue { fn build(&self, _: &mut App) {} }
/// # corec_api::plugin!(Fatigue, name = "fatigue");
/// fn report(stats: Res<Stats>, mut out: Outbox<Fatigue>) {
///     let fitness = f64::from(stats.of(BlockId(0)).fitness);
///     out.metric("fitness", fitness);
///     if fitness < 0.1 {
///         out.alert("exhausted", "block 0", fitness, 2);
///     }
/// }
/// # bevy_ecs::system::assert_is_system(report);
/// ```
#[derive(SystemParam)]
pub struct Outbox<'s, P: NamedPlugin> {
    said: Deferred<'s, Statements<P>>,
}

impl<P: NamedPlugin> Outbox<'_, P> {
    /// Raises an alert: once for `name` and `subject`, until it is cleared. `severity` is 1 (the most urgent)
    /// to 5.
    #[doc(alias = "publicar_alerta")]
    pub fn alert(&mut self, name: &str, subject: &str, value: f64, severity: u8) {
        self.said.push(Statement::Alert { name: cut(name), subject: cut(subject), value, severity });
    }

    /// Clears an alert that was raised.
    pub fn clear_alert(&mut self, name: &str, subject: &str, value: f64) {
        self.said.push(Statement::Clear { name: cut(name), subject: cut(subject), value });
    }

    /// Flags a block that stands apart: a plugin that does so is an auditor. `score` says how far, `why` in what, for people. One alert,
    /// `anomalia_bloque` of severity 2, from the first flag until it is lowered; meanwhile the built-in repair puts the block to work
    /// again, where its group's `repair` lets it. A score that is no finite number, and a block that is not there, raise none.
    pub fn flag(&mut self, block: BlockId, score: f32, why: &str) {
        self.said.push(Statement::Flag { block, score, why: cut(&why.replace('\0', " ")) });
    }

    /// Lowers the plugin's flag of a block that is as others again.
    pub fn lower_flag(&mut self, block: BlockId, score: f32) {
        self.said.push(Statement::LowerFlag { block, score });
    }

    /// Shows the alert rules about `signal` the value of a block: one that the plugin has declared with `app.tells(..)`.
    pub fn observe(&mut self, signal: &'static str, block: BlockId, value: f64) {
        self.said.push(Statement::Observe { signal, block, value });
    }

    /// Gives the table's row of this tick a score, in place of the scenario's detector's: from a system in Process. The summary names the
    /// detector `PLUGIN (method)`. A score that is no finite number leaves the row to that detector.
    pub fn score_row(&mut self, method: &'static str, score: f32) {
        self.said.push(Statement::RowScore { method, score });
    }

    /// Sends a message: to plugins here in the next tick, and on the bus.
    ///
    /// # Errors
    /// A message that JSON has no form for, or of more than [`MESSAGE_BYTES_MAX`] bytes.
    pub fn send<T: Channel>(&mut self, message: &T) -> Result {
        let json = serde_json::to_vec(message)?;
        if json.len() > MESSAGE_BYTES_MAX {
            let (name, bytes) = (T::NAME, json.len());
            return Err(format!(
                "channel '{name}': found a message of {bytes} bytes, must be at most {MESSAGE_BYTES_MAX}"
            )
            .into());
        }
        self.said.push(Statement::Message { channel: T::NAME, json });
        Ok(())
    }

    /// Sends bytes on a stream of the bus, as they are: a [`Record`](corec_core::message::Record) for programs that read the guide's binary
    /// messages. No plugin here reads them.
    pub fn publish(&mut self, stream: &str, data: &[u8]) {
        self.said.push(Statement::Bytes { stream: cut(stream), data: data.into() });
    }

    /// Keeps a number in the store, as the metric `PLUGIN.name`. The first of a name counts in a tick.
    pub fn metric(&mut self, name: &str, value: f64) {
        self.said.push(Statement::Metric { name: cut(name), value });
    }

    /// Keeps a row in the store: a key of the plugin's own and a value as JSON. The first of a key counts in
    /// a tick.
    ///
    /// # Errors
    /// A value that JSON has no form for, or of more than [`MESSAGE_BYTES_MAX`] bytes.
    pub fn keep(&mut self, key: &str, value: &impl Serialize) -> Result {
        let json = serde_json::to_string(value)?;
        if json.len() > MESSAGE_BYTES_MAX {
            return Err(format!(
                "key '{key}': found {} bytes, must be at most {MESSAGE_BYTES_MAX}",
                json.len()
            )
            .into());
        }
        self.said.push(Statement::Row { key: cut(key), json });
        Ok(())
    }
}

/// A text of at most so many bytes, cut between two characters.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(NAME_BYTES_MAX)].to_string()
}

enum Statement {
    Alert { name: String, subject: String, value: f64, severity: u8 },
    Clear { name: String, subject: String, value: f64 },
    Flag { block: BlockId, score: f32, why: String },
    LowerFlag { block: BlockId, score: f32 },
    Observe { signal: &'static str, block: BlockId, value: f64 },
    RowScore { method: &'static str, score: f32 },
    Message { channel: &'static str, json: Vec<u8> },
    Bytes { stream: String, data: Vec<u8> },
    Metric { name: String, value: f64 },
    Row { key: String, json: String },
}

impl Statement {
    fn apply(self, plugin: &'static str, world: &mut World) {
        let tick = world.resource::<Tick>().0;
        match self {
            Self::Alert { name, subject, value, severity } => {
                let severity = severity.clamp(1, 5);
                world.resource_mut::<Alerts>().publish(plugin, &name, &subject, value, severity, tick);
            }
            Self::Clear { name, subject, value } => {
                world.resource_mut::<Alerts>().clear(plugin, &name, &subject, value, tick);
            }
            Self::Flag { block, score, why } => with_flags(world, block, |flags, alerts, subject| {
                flags.raise(alerts, plugin, block, subject, score, &why, tick);
            }),
            Self::LowerFlag { block, score } => with_flags(world, block, |flags, alerts, subject| {
                flags.lower(alerts, plugin, block, subject, score, tick);
            }),
            Self::Observe { signal, block, value } => {
                world.resource_scope(|world, mut alerts: Mut<Alerts>| {
                    let name = || world.resource::<Population>().block_name(block);
                    let signal = alerts.watched(signal);
                    alerts.observe(signal, block.0, value, tick, name);
                })
            }
            Self::RowScore { method, score } => {
                if let Some(mut row) = world.get_resource_mut::<TableRow>() {
                    row.given = Some(GivenScore { plugin, method, score }).filter(|_| score.is_finite());
                }
            }
            Self::Message { channel, json } => {
                world.resource_mut::<Outputs>().note(plugin, channel, tick, &[&json]);
                Channels::send(world, channel, json);
            }
            Self::Bytes { stream, data } => {
                world.resource_mut::<Outputs>().note(plugin, &stream, tick, &[&data]);
                Channels::send_raw(world, stream, data);
            }
            Self::Metric { name, value } => {
                let mut outputs = world.resource_mut::<Outputs>();
                outputs.note(plugin, "metrics", tick, &[name.as_bytes(), &value.to_bits().to_le_bytes()]);
                let name = format!("{plugin}.{name}").into();
                world.resource_mut::<Batch>().metrics.push(Metric { tick, name, value });
            }
            Self::Row { key, json } => {
                let mut outputs = world.resource_mut::<Outputs>();
                outputs.note(plugin, "plugin_rows", tick, &[key.as_bytes(), json.as_bytes()]);
                let row = KeyValue { tick, plugin: plugin.into(), key, value: json };
                world.resource_mut::<Batch>().rows.push(row);
            }
        }
    }
}

/// Changes the flags of a block, if it is there, given its name.
fn with_flags(world: &mut World, block: BlockId, change: impl FnOnce(&mut Flags, &mut Alerts, &str)) {
    let population = world.resource::<Population>();
    if population.block(block).is_none() {
        return;
    }
    let subject = population.block_name(block);
    world.resource_scope(|world, mut flags: Mut<Flags>| {
        change(&mut flags, &mut world.resource_mut::<Alerts>(), &subject);
    });
}

/// What has been said and not applied yet.
pub struct Statements<P> {
    said: Vec<Statement>,
    by: PhantomData<fn() -> P>,
}

impl<P> Statements<P> {
    fn push(&mut self, statement: Statement) {
        self.said.push(statement);
    }
}

impl<P> Default for Statements<P> {
    fn default() -> Self {
        Self { said: Vec::new(), by: PhantomData }
    }
}

impl<P: NamedPlugin> SystemBuffer for Statements<P> {
    fn apply(&mut self, _: &SystemMeta, world: &mut World) {
        self.said.drain(..).for_each(|statement| statement.apply(P::NAME, world));
    }

    /// For an observer, which may only queue.
    fn queue(&mut self, _: &SystemMeta, mut world: DeferredWorld) {
        let said = std::mem::take(&mut self.said);
        world.commands().queue(move |world: &mut World| {
            said.into_iter().for_each(|statement| statement.apply(P::NAME, world));
        });
    }
}
