//! Frames: what every entity shows, sent to the bus at the end of a tick, every `publish_interval`.
//!
//! Reads `Signal`, `Health`, `Stats`. A frame has whole blocks of one kind, one after the other. Those of the critical channels are sent on
//! a stream of their own too, as the program before did.

use bevy_ecs::prelude::*;
use corec_core::blocks::Blocks;
use corec_core::bus::RunBus;
use corec_core::column::{Health, Signal, StableId};
use corec_core::journal::Journal;
use corec_core::message::{Frame, FrameColumn};
use corec_core::outputs::{ENGINE, Outputs};
use corec_core::simulation::{Ending, RunScenario};
use corec_core::stats::Stats;
use corec_core::units::{Epoch, Tick, seconds_to_ticks};

/// The stream of frames.
pub const DATA_STREAM: &str = "bloque_data_stream";
/// The stream of frames of critical channels.
pub const CRITICAL_STREAM: &str = "bloque_data_stream_critical";
/// Security, AI, alerts.
const CRITICAL_CHANNELS: [i8; 3] = [2, 3, 5];
/// Entities a frame carries before the next one is begun.
const FRAME_ENTITIES: usize = 65_536;

/// Whether this is a tick in which frames go out.
pub fn is_frame_due(scenario: Res<RunScenario>, tick: Res<Tick>) -> bool {
    let interval = scenario.0.publish_interval.map(|s| seconds_to_ticks(s, scenario.0.tick_seconds));
    interval.is_some_and(|ticks| (tick.0 + 1).is_multiple_of(ticks))
}

/// Sends what every entity shows: its value where it is above its block's threshold, else 0.
pub fn publish_frames(
    blocks: Blocks<(&StableId, &Signal, &Health)>,
    stats: Res<Stats>,
    scenario: Res<RunScenario>,
    (tick, epoch): (Res<Tick>, Res<Epoch>),
    (mut bus, mut journal): (ResMut<RunBus>, ResMut<Journal>),
    mut outputs: ResMut<Outputs>,
    mut ending: ResMut<Ending>,
) {
    if !journal.seal(tick.0) {
        return;
    }
    let mut send = |stream: &str, frame: &Frame| {
        // Those of the critical stream say nothing that others do not.
        if stream == DATA_STREAM {
            note(&mut outputs, tick.0, frame);
        }
        if let Err(error) = bus.publish(stream, *epoch, *tick, &frame.encode()) {
            ending.fail(error);
        }
    };
    let [mut all, mut critical] = [DATA_STREAM, CRITICAL_STREAM].map(|stream| Frames {
        stream,
        empty: Frame {
            instance: scenario.0.instance_id.clone(),
            kind: String::new(),
            first_block: 0,
            blocks: 0,
            epoch: epoch.0,
            tick: tick.0,
            sequence: 0,
            count: 0,
            columns: vec![column("StableId", 8), column("value", 4)],
        },
        frame: None,
        sequence: 0,
    });
    let mut shown: Vec<[u8; 4]> = Vec::new();
    blocks.for_each_block(|view, (ids, signals, healths)| {
        let threshold = stats.of(view.id()).threshold;
        let settings = view.group.settings();
        shown.clear();
        shown.extend(signals.iter().zip(healths).map(|(signal, health)| {
            let sent = if health.is_active() && signal.value > threshold { signal.value } else { 0.0 };
            sent.to_le_bytes()
        }));
        let mut add = |frames: &mut Frames| {
            let frame = frames.room(view.id().0, &settings.kind, ids.len(), &mut send);
            frame.columns[0].bytes.extend_from_slice(bytemuck::cast_slice(ids));
            frame.columns[1].bytes.extend_from_slice(shown.as_flattened());
        };
        add(&mut all);
        if CRITICAL_CHANNELS.contains(&settings.channel.0) {
            add(&mut critical);
        }
    });
    all.finish(&mut send);
    critical.finish(&mut send);
}

/// The frames of a stream in a tick.
struct Frames {
    stream: &'static str,
    /// What a frame begins as.
    empty: Frame,
    frame: Option<Frame>,
    /// Counted within the tick: (instance, epoch, tick, sequence) is the same in a replay and after a restore.
    sequence: u64,
}

impl Frames {
    /// The frame that takes a block of `count` entities; the one before is sent if it can't.
    fn room(
        &mut self,
        block: u32,
        kind: &str,
        count: usize,
        send: &mut impl FnMut(&str, &Frame),
    ) -> &mut Frame {
        let fits = |f: &Frame| {
            f.kind == kind && f.first_block + f.blocks == block && f.count as usize + count <= FRAME_ENTITIES
        };
        if !self.frame.as_ref().is_some_and(fits) {
            self.finish(send);
        }
        let frame = self.frame.get_or_insert_with(|| Frame {
            kind: kind.into(),
            first_block: block,
            sequence: self.sequence,
            ..self.empty.clone()
        });
        frame.blocks += 1;
        frame.count += count as u32;
        frame
    }

    fn finish(&mut self, send: &mut impl FnMut(&str, &Frame)) {
        if let Some(frame) = self.frame.take() {
            self.sequence += 1;
            send(self.stream, &frame);
        }
    }
}

/// Notes a frame without its epoch, as an alert is noted.
fn note(outputs: &mut Outputs, tick: u64, frame: &Frame) {
    let (first, blocks, count) =
        (u64::from(frame.first_block), u64::from(frame.blocks), u64::from(frame.count));
    let numbers = [first, blocks, count, frame.sequence + 1];
    let [ids, values] = [0, 1].map(|column| &frame.columns[column].bytes[..]);
    let said = [frame.kind.as_bytes(), bytemuck::cast_slice(&numbers), ids, values];
    outputs.note(ENGINE, DATA_STREAM, tick, &said);
}

fn column(name: &str, size: u16) -> FrameColumn {
    FrameColumn { name: name.into(), size, bytes: Vec::new() }
}
