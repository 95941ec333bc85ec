//! {name}: entities tire under load, and tired ones answer more weakly. Yours to change.
//!
//! Reads and writes `Signal` of its own kind, in `Phase::Process`. Says how tired its blocks are.
#![forbid(unsafe_code)]

use corec::prelude::*;

/// The kind of its entities; what the plugin is called, too.
const NAME: &str = "{name}";

/// The settings: a key of config.json for every field. `entities`, `channel`, `load`, `interval`, `repair`, `budget_ms`
/// and `enabled` are there for every plugin.
#[derive(Deserialize, JsonSchema)]
#[serde(default)]
pub struct {Type} {
    /// Tiredness gained in a tick at full value, 0..=1.
    pub gain_per_tick: f32,
    /// Mean tiredness of a block, 0..=1, above which an alert is raised.
    pub tiredness_max: f32,
}

impl Default for {Type} {
    fn default() -> Self {
        Self { gain_per_tick: 0.01, tiredness_max: 0.5 }
    }
}

/// How tired an entity is: 0 is fresh, 1 is spent.
#[derive(Component, Pod, Zeroable, Clone, Copy, Default)]
#[repr(C)]
pub struct Tiredness(pub f32);

impl Plugin for {Type} {
    fn build(&self, app: &mut App) {
        // With a Trait, the default dynamics move the signal too.
        app.add_kind(Kind::new(NAME).with::<Signal>().with::<Trait>().with::<Tiredness>())
            .add_systems(Update, (tire.in_set(Phase::Process), report.in_set(Phase::Measure)));
    }
}

#[rustfmt::skip]
corec::plugin!({Type}, name = "{name}");

/// Tires the entities that are due.
fn tire(
    // The plugin's struct, as its config.json has it.
    settings: Res<Settings<{Type}>>,
    blocks: Blocks<(&mut Tiredness, &mut Signal)>,
) {
    let gain = settings.gain_per_tick;
    blocks.due().par_for_each(|(tiredness, signal)| tire_kernel(gain, tiredness, signal));
}

fn tire_kernel(gain: f32, tiredness: &mut [Tiredness], signal: &mut [Signal]) {
    for (tiredness, signal) in tiredness.iter_mut().zip(signal) {
        tiredness.0 = (tiredness.0 + gain * signal.value).min(1.0);
        signal.value *= 1.0 - tiredness.0;
    }
}

/// Tells of blocks that are too tired, once for each event: an alert stands until it is cleared, a little below.
fn report(
    settings: Res<Settings<{Type}>>,
    blocks: Blocks<&Tiredness>,
    // What is said is said in the plugin's name.
    mut out: Outbox<{Type}>,
) {
    blocks.for_each_block(|view, tiredness| {
        let mean = tiredness.iter().map(|t| t.0).sum::<f32>() / tiredness.len().max(1) as f32;
        let subject = format!("{}/{}", view.group.name(), view.block.index());
        if mean > settings.tiredness_max {
            tracing::debug!(subject, mean, "too tired");
            out.alert("too_tired", &subject, mean.into(), 3);
        } else if mean < 0.9 * settings.tiredness_max {
            out.clear_alert("too_tired", &subject, mean.into());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_entity_answers_nothing() {
        let (mut tiredness, mut signal) = ([Tiredness(0.99)], [Signal { value: 1.0 }]);
        tire_kernel(0.5, &mut tiredness, &mut signal);
        assert_eq!((tiredness[0].0, signal[0].value), (1.0, 0.0));
    }
}
