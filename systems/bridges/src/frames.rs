//! Frames: what every entity shows, sent to the bus at the end of a tick, every `publish_interval`.
//!
//! Reads `Signal`, `Health`, `Stats`. A frame has whole blocks of one kind, one after the other. Those of the critical channels are sent on
//! a stream of their own too, as the program before did.

use bevy_ecs::prelude::*;
use corec_core::blocks::Blocks;
use corec_core::bus::RunBus;
use corec_core::column::{Health, Signal, StableId};
use corec_core::journal::Journal;
use corec_core::message::{Frame, FrameColumn, FrameEncoder};
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
    (stats, scenario): (Res<Stats>, Res<RunScenario>),
    (tick, epoch): (Res<Tick>, Res<Epoch>),
    (mut bus, mut journal): (ResMut<RunBus>, ResMut<Journal>),
    mut outputs: ResMut<Outputs>,
    mut ending: ResMut<Ending>,
    mut buffers: Local<Buffers>,
) {
    if !journal.seal(tick.0) {
        return;
    }
    let Buffers { all, critical, encoder, bytes } = &mut *buffers;
    let mut send = |stream: &str, frame: &Frame| {
        // Those of the critical stream say nothing that others do not.
        if stream == DATA_STREAM {
            note(&mut outputs, tick.0, frame);
        }
        encoder.encode(frame, bytes);
        if let Err(error) = bus.publish(stream, *epoch, *tick, bytes) {
            ending.fail(error);
        }
    };
    for frames in [&mut *all, &mut *critical] {
        frames.frame.instance.clone_from(&scenario.0.instance_id);
        (frames.frame.epoch, frames.frame.tick, frames.frame.sequence) = (epoch.0, tick.0, 0);
    }
    blocks.for_each_block(|view, (ids, signals, healths)| {
        let threshold = stats.of(view.id()).threshold;
        let settings = view.group.settings();
        let shown = signals.iter().zip(healths).map(|(signal, health)| {
            let is_shown = health.is_active() && signal.value > threshold;
            if is_shown { signal.value } else { 0.0 }
        });
        let is_critical = CRITICAL_CHANNELS.contains(&settings.channel.0);
        for frames in [Some(&mut *all), is_critical.then_some(&mut *critical)].into_iter().flatten() {
            frames.make_room(view.id().0, &settings.kind, ids.len(), &mut send);
            frames.add(ids, shown.clone());
        }
    });
    all.finish(&mut send);
    critical.finish(&mut send);
}

/// What is kept from one tick to the next, so that none is allocated in it.
pub struct Buffers {
    all: Frames,
    critical: Frames,
    encoder: FrameEncoder,
    bytes: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Self {
        let [all, critical] = [DATA_STREAM, CRITICAL_STREAM].map(Frames::new);
        Self { all, critical, encoder: FrameEncoder::default(), bytes: Vec::new() }
    }
}

/// The frames of a stream in a tick.
struct Frames {
    stream: &'static str,
    /// The one that is filled; without a block while there is none.
    frame: Frame,
}

impl Frames {
    fn new(stream: &'static str) -> Self {
        let column = |name: &str, size| FrameColumn { name: name.into(), size, bytes: Vec::new() };
        let frame = Frame {
            instance: String::new(),
            kind: String::new(),
            first_block: 0,
            blocks: 0,
            epoch: 0,
            tick: 0,
            // Counted within the tick: (instance, epoch, tick, sequence) is the same in a replay and after a restore.
            sequence: 0,
            count: 0,
            columns: vec![column("StableId", 8), column("value", 4)],
        };
        Self { stream, frame }
    }

    /// Sees to it that a block of `count` entities can be added: sends the frame before if it can't.
    fn make_room(&mut self, block: u32, kind: &str, count: usize, send: &mut impl FnMut(&str, &Frame)) {
        let frame = &self.frame;
        let fits = frame.kind == kind
            && frame.first_block + frame.blocks == block
            && frame.count as usize + count <= FRAME_ENTITIES;
        if !fits {
            self.finish(send);
        }
        if self.frame.blocks == 0 {
            self.frame.first_block = block;
            self.frame.kind.replace_range(.., kind);
        }
    }

    /// Adds a block.
    fn add(&mut self, ids: &[StableId], shown: impl Iterator<Item = f32>) {
        let [of_ids, of_values] = &mut self.frame.columns[..] else { unreachable!("it has two columns") };
        of_ids.bytes.extend_from_slice(bytemuck::cast_slice(ids));
        let start = of_values.bytes.len();
        of_values.bytes.resize(start + ids.len() * size_of::<f32>(), 0);
        for (bytes, value) in of_values.bytes[start..].as_chunks_mut().0.iter_mut().zip(shown) {
            *bytes = value.to_le_bytes();
        }
        self.frame.blocks += 1;
        self.frame.count += ids.len() as u32;
    }

    fn finish(&mut self, send: &mut impl FnMut(&str, &Frame)) {
        if self.frame.blocks > 0 {
            send(self.stream, &self.frame);
            self.frame.sequence += 1;
            (self.frame.blocks, self.frame.count) = (0, 0);
            self.frame.columns.iter_mut().for_each(|column| column.bytes.clear());
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
