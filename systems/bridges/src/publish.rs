//! Publish: what a run tells the outside, at the end of each tick.
//!
//! Reads `Stats`, `Totals`; empties `Repairs`. Alerts go to the stream `alertas` and to the store in the tick that raises them; repairs to the
//! stream `reparaciones` in their tick, and to the store with its next batch, unless `repair_record` says no; states of
//! blocks and metrics to the store every `store_interval`; frames of values to `bloque_data_stream` every
//! `publish_interval`. Nothing here changes the state of the run but the alerts' own memory. Of a tick whose inputs could not be recorded
//! nothing is said.

use std::sync::Arc;
use std::time::Duration;

use bevy_ecs::prelude::*;
use corec_core::alert::{Alert, AlertState, Alerts};
use corec_core::block::{BlockId, Population};
use corec_core::bus::RunBus;
use corec_core::config::{FAULT_RATIO, FITNESS};
use corec_core::journal::Journal;
use corec_core::outputs::{ENGINE, Outputs};
use corec_core::repairs::Repairs;
use corec_core::simulation::{Ending, RunScenario};
use corec_core::stats::{Stats, Totals};
use corec_core::store::{Batch, BlockState, Metric};
use corec_core::units::{Epoch, Tick, seconds_to_ticks};

use crate::repaired;
use crate::store::StoreLane;

pub use crate::repaired::REPAIR_STREAM;

/// The stream of alerts.
pub const ALERT_STREAM: &str = "alertas";
/// How long a run waits at its end for what is on its way to the bus.
const PATIENCE: Duration = Duration::from_secs(60);
/// Alerts, metrics and rows of plugins that are sent before their interval is over, so that a batch stays small.
const BATCH_ROWS: usize = 10_000;
/// Entities of repairs with which a batch is sent before its interval is over: 4 MB.
const BATCH_REPAIRED: usize = 100_000;

/// Shows the alert rules every block.
pub fn watch(stats: Res<Stats>, population: Res<Population>, tick: Res<Tick>, mut alerts: ResMut<Alerts>) {
    let (fault_ratio, fitness) = (alerts.watched(FAULT_RATIO), alerts.watched(FITNESS));
    for (at, block) in stats.blocks.iter().enumerate().filter(|(_, block)| block.is_measured == 1) {
        let name = || population.block_name(BlockId(at as u32));
        alerts.observe(fault_ratio, at as u32, f64::from(block.fault_ratio), tick.0, name);
        alerts.observe(fitness, at as u32, f64::from(block.fitness), tick.0, name);
    }
}

/// Sends the alerts and repairs, fills the store's batch, and sends it on its way when it is due, or has an alert, or is large.
#[expect(clippy::too_many_arguments, reason = "each is a resource the system declares that it uses")]
pub fn publish(
    scenario: Res<RunScenario>,
    population: Res<Population>,
    stats: Res<Stats>,
    totals: Res<Totals>,
    (tick, epoch): (Res<Tick>, Res<Epoch>),
    (mut alerts, mut repairs): (ResMut<Alerts>, ResMut<Repairs>),
    (mut bus, mut journal): (ResMut<RunBus>, ResMut<Journal>),
    (mut batch, mut lane): (ResMut<Batch>, ResMut<StoreLane>),
    mut outputs: ResMut<Outputs>,
    mut ending: ResMut<Ending>,
    mut bytes: Local<Vec<u8>>,
) {
    let interval = seconds_to_ticks(scenario.0.store_interval, scenario.0.tick_seconds);
    let is_due = (tick.0 + 1).is_multiple_of(interval);
    let has_alerts = alerts.has_outbox();
    let is_large = batch.reported() > BATCH_ROWS || batch.repaired() > BATCH_REPAIRED;
    let is_sent = is_due || has_alerts || !batch.alerts.is_empty() || is_large;
    let has_repairs = scenario.0.repair_record && !repairs.0.is_empty();
    if (is_sent || has_repairs) && !journal.seal(tick.0) {
        return;
    }
    send_alerts(&mut alerts, &mut bus, &mut batch, &mut outputs, (*epoch, *tick), &mut ending);
    if has_repairs {
        repaired::note(&mut outputs, &mut bytes, tick.0, &repairs.0);
        let head = repaired::head(&scenario.0.instance_id, *epoch, *tick);
        let name = |block| population.block_name(block);
        repaired::entries(&head, &repairs.0, &name, &mut |entry| {
            if let Err(error) = bus.publish(REPAIR_STREAM, *epoch, *tick, entry) {
                ending.fail(error);
            }
        });
        batch.repairs.append(&mut repairs.0);
    }
    repairs.0.clear();
    if is_due {
        let before = (batch.blocks.len(), batch.metrics.len());
        fill(&mut batch, tick.0, &population, &stats, &totals);
        note_states(&mut outputs, &mut bytes, tick.0, &batch.blocks[before.0..], &batch.metrics[before.1..]);
    }
    if is_sent {
        lane.send(&mut batch);
    }
    if let Some(failure) = lane.report().failure {
        ending.fail(failure);
    }
}

/// Notes what goes to the store, its bytes put together in `bytes`.
fn note_states(
    outputs: &mut Outputs,
    bytes: &mut Vec<u8>,
    tick: u64,
    blocks: &[BlockState],
    metrics: &[Metric],
) {
    bytes.clear();
    for state in blocks {
        bytes.extend_from_slice(&state.block.to_le_bytes());
        bytes.extend_from_slice(&[state.channel as u8]);
        bytes.extend_from_slice(bytemuck::bytes_of(&[state.entities, state.active]));
        bytes.extend_from_slice(bytemuck::bytes_of(&[
            state.mean.to_bits(),
            state.deviation.to_bits(),
            state.fitness.to_bits(),
            state.threshold.to_bits(),
        ]));
    }
    outputs.note(ENGINE, "block_states", tick, &[bytes]);
    for metric in metrics {
        outputs.note(
            ENGINE,
            "metrics",
            tick,
            &[metric.name.as_bytes(), &metric.value.to_bits().to_le_bytes()],
        );
    }
}

/// An alert without its epoch: a fork's past has the one of the run that it was forked from, and its own when it is done again.
fn note_alert(outputs: &mut Outputs, tick: u64, alert: &Alert) {
    let said: [&[u8]; 7] = [
        alert.instance.as_bytes(),
        alert.subject.as_bytes(),
        &alert.tick.to_le_bytes(),
        &alert.sequence.to_le_bytes(),
        &alert.value.to_bits().to_le_bytes(),
        &[alert.severity, u8::from(alert.state == AlertState::Raised)],
        alert.why.as_bytes(),
    ];
    // Without reasons as it was before alerts had any.
    let said = if alert.why.is_empty() { &said[..6] } else { &said };
    let by = if alert.by.is_empty() { ENGINE } else { &alert.by };
    outputs.note(by, &format!("{ALERT_STREAM} {}", alert.name), tick, said);
}

fn send_alerts(
    alerts: &mut Alerts,
    bus: &mut RunBus,
    batch: &mut Batch,
    outputs: &mut Outputs,
    (epoch, tick): (Epoch, Tick),
    ending: &mut Ending,
) {
    for alert in alerts.take_outbox() {
        note_alert(outputs, tick.0, &alert);
        if let Err(error) = bus.publish(ALERT_STREAM, epoch, tick, &alert.to_json()) {
            ending.fail(error);
        }
        batch.alerts.push(alert);
    }
}

/// The states of all blocks and the run's own metrics.
fn fill(batch: &mut Batch, tick: u64, population: &Population, stats: &Stats, totals: &Totals) {
    for block in population.blocks() {
        // One that is younger than the last Measure has nothing to say yet.
        let Some(stats) = stats.blocks.get(block.id().0 as usize) else { continue };
        let group = population.group(block.group());
        batch.blocks.push(BlockState {
            tick,
            block: block.id().0,
            group: Arc::clone(group.name()),
            channel: group.settings().channel.0,
            entities: block.live(),
            active: stats.active,
            mean: stats.mean,
            deviation: stats.deviation,
            fitness: stats.fitness,
            threshold: stats.threshold,
        });
    }
    let mut metric =
        |name: &'static str, value: f64| batch.metrics.push(Metric { tick, name: name.into(), value });
    metric("entities", population.live() as f64);
    metric("fitness", totals.fitness_end.unwrap_or(0.0));
    metric("faults", totals.faults as f64);
    metric("repairs", totals.repairs as f64);
}

/// Close: what is left to be said is of the last tick and those before it, which nothing may be added to any more.
pub fn seal(tick: Res<Tick>, mut journal: ResMut<Journal>) {
    journal.seal(tick.0.saturating_sub(1));
}

/// Close: sends what is left, and closes store and bus. A run without a tick may have none yet, and has said nothing.
pub fn close(
    mut alerts: ResMut<Alerts>,
    bus: Option<ResMut<RunBus>>,
    (mut batch, lane): (ResMut<Batch>, Option<ResMut<StoreLane>>),
    (tick, epoch): (Res<Tick>, Res<Epoch>),
    journal: Res<Journal>,
    mut outputs: ResMut<Outputs>,
    mut ending: ResMut<Ending>,
) {
    let Some((mut lane, mut bus)) = lane.zip(bus) else { return };
    if journal.failure().is_none() {
        send_alerts(&mut alerts, &mut bus, &mut batch, &mut outputs, (*epoch, *tick), &mut ending);
        lane.send(&mut batch);
    }
    match lane.close(tick.0) {
        Ok(None) => {}
        Ok(Some(left)) => tracing::warn!("store: {left}: corec run --restore sends them"),
        Err(error) => ending.fail(error),
    }
    if let Err(error) = bus.close(PATIENCE) {
        ending.fail(error);
    }
}
