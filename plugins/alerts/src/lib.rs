//! The plugin tells of blocks with extreme values, once for each event, on the stream and in the store.
//!
//! Reads `Signal` and `Health` of every kind, in `Phase::Measure`. The rules are the engine's alert rules over the signals
//! `value_max` and `value_min`: enter, leave, hold, severity. Writes nothing but what it says.
#![forbid(unsafe_code)]

use corec::prelude::*;

/// The signals of the highest and the lowest value of a block's active entities.
const VALUE_MAX: &str = "value_max";
const VALUE_MIN: &str = "value_min";

/// Tells of blocks with extreme values.
#[derive(Deserialize, JsonSchema)]
#[serde(default)]
pub struct BlockAlerts {
    /// When an alert is raised and cleared. Those of the scenario with `value_max` or `value_min` count too.
    pub rules: Vec<AlertRule>,
}

impl Default for BlockAlerts {
    /// Values are within 0..=1 under the default dynamics, and start around their targets of 0.2 to 0.8.
    fn default() -> Self {
        let rule = |name: &str, signal: &str, enter, leave| AlertRule {
            name: name.into(),
            signal: signal.into(),
            enter,
            leave,
            hold: 5.0,
            severity: 3,
        };
        Self {
            rules: vec![
                rule("block_value_high", VALUE_MAX, 0.999, 0.99),
                rule("block_value_low", VALUE_MIN, 0.0, 0.001),
            ],
        }
    }
}

impl Plugin for BlockAlerts {
    fn build(&self, app: &mut App) {
        self.rules.iter().for_each(|rule| _ = app.add_alert_rule(rule.clone()));
        app.tells(VALUE_MAX).tells(VALUE_MIN);
        app.init_resource::<BlockExtremes>().add_systems(Update, watch.in_set(Phase::Measure));
    }
}

corec::plugin!(BlockAlerts, name = "alerts", aliases = ["alertas"]);

/// The extremes of every block, by its id; kept so that a tick allocates nothing.
#[derive(Resource, Default)]
struct BlockExtremes(Vec<Extremes>);

/// The highest and the lowest value of a block's active entities; none active, none found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Extremes(Option<(f32, f32)>);

fn watch(
    blocks: Blocks<(&Signal, &Health)>,
    // lint: allow(unsaved) filled anew in every call
    mut extremes: ResMut<BlockExtremes>,
    mut out: Outbox<BlockAlerts>,
) {
    extremes.0.clear();
    extremes.0.resize(blocks.population().block_count(), Extremes::default());
    blocks.par_fold_blocks(&mut extremes.0, |found, _, (signals, healths)| {
        *found = extremes_kernel(signals, healths)
    });
    for (at, found) in extremes.0.iter().enumerate() {
        let Some((low, high)) = found.0 else { continue };
        out.observe(VALUE_MAX, BlockId(at as u32), high.into());
        out.observe(VALUE_MIN, BlockId(at as u32), low.into());
    }
}

/// Rows side by side.
const LANES: usize = 16;

/// The lowest and the highest value of the active rows.
///
/// # Panics
/// If the slices differ in length.
pub fn extremes_kernel(signals: &[Signal], healths: &[Health]) -> Extremes {
    assert_eq!(signals.len(), healths.len(), "columns of one block are of one length");
    // In lanes, and without a branch: so the loop is one of vectors. The lowest of all does not depend on the order.
    let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    let mut see = |lane: usize, signal: Signal, health: Health| {
        let mask = 0u32.wrapping_sub(u32::from(health.state & Health::ACTIVE));
        let (for_low, for_high) = (
            maths::pick(mask, signal.value, f32::INFINITY),
            maths::pick(mask, signal.value, f32::NEG_INFINITY),
        );
        // A NaN is smaller and larger than nothing, so it is left out here too.
        low[lane] = if for_low < low[lane] { for_low } else { low[lane] };
        high[lane] = if for_high > high[lane] { for_high } else { high[lane] };
    };
    let ((signals, signals_left), (healths, healths_left)) =
        (signals.as_chunks::<LANES>(), healths.as_chunks::<LANES>());
    for (signals, healths) in signals.iter().zip(healths) {
        for lane in 0..LANES {
            see(lane, signals[lane], healths[lane]);
        }
    }
    for (lane, (signal, health)) in signals_left.iter().zip(healths_left).enumerate() {
        see(lane, *signal, *health);
    }
    let low = low.into_iter().fold(f32::INFINITY, |a, b| if b < a { b } else { a });
    let high = high.into_iter().fold(f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
    Extremes((low <= high).then_some((low, high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(value: f32) -> Signal {
        Signal { value }
    }

    #[test]
    fn only_active_rows_count_and_a_nan_does_not() {
        let idle = Health { state: Health::INACTIVE, failures: 1 };
        let signals = [signal(0.4), signal(9.0), signal(0.2), signal(f32::NAN)];
        let healths = [Health::FRESH, idle, Health::FRESH, Health::FRESH];
        assert_eq!(extremes_kernel(&signals, &healths), Extremes(Some((0.2, 0.4))));
        assert_eq!(extremes_kernel(&signals[1..2], &healths[1..2]), Extremes(None));
        assert_eq!(extremes_kernel(&[], &[]), Extremes(None));
    }
}
