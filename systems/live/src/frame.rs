//! Frame: what changes all the time, in binary: 184 bytes and five for each block. docs/http.md has the layout.
//!
//! Values of blocks are quantised to a byte each, which is as much as a colour shows; the API has the numbers.

use std::time::{SystemTime, UNIX_EPOCH};

use corec_run::rss_bytes;
use corec_run::view::View;

use crate::told::BLOCKS_MAX;

/// "CCV1".
const MAGIC: u32 = 0x3156_4343;
/// Bytes before the blocks' values.
const HEADER: usize = 184;
/// What stands for no value.
const NONE: u8 = 255;
/// The largest byte that stands for one.
const TOP: f32 = 254.0;

/// A value of each block by its id, and its range where that is known.
type Column<'a> = (Option<(f32, f32)>, &'a dyn Fn(u32) -> f32);

/// Writes the frame of a picture, over what `out` has.
pub fn write(view: &View, now: SystemTime, out: &mut Vec<u8>) {
    let shown = &view.layout.blocks[..view.layout.blocks.len().min(BLOCKS_MAX)];
    let stats = |id: u32| view.blocks.get(id as usize).filter(|block| block.is_measured == 1);
    let score = |id: u32| view.audit_scores.get(id as usize).copied().unwrap_or(f32::NAN);
    let of = |value: fn(&corec_core::stats::BlockStats) -> f32, id: u32| stats(id).map_or(f32::NAN, value);
    let share = Some((0.0, 1.0));
    let columns: [Column; 5] = [
        (share, &|id| of(|b| b.fitness, id)),
        (share, &|id| of(|b| b.fault_ratio, id)),
        (None, &|id| of(|b| b.mean, id)),
        (None, &|id| of(|b| b.deviation, id)),
        (share, &score),
    ];
    let ranges = columns
        .map(|(range, value)| range.unwrap_or_else(|| range_of(shown.iter().map(|(id, ..)| value(id.0)))));
    let milliseconds = now.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1e3);
    let numbers = [
        view.tick as f64,
        milliseconds,
        view.entities as f64,
        view.ticks_per_second,
        view.times.p50 * 1e3,
        view.times.p95 * 1e3,
        view.times.p99 * 1e3,
        view.deadline_misses as f64,
        view.totals.fitness_end.unwrap_or(f64::NAN),
        view.totals.faults as f64,
        view.totals.repairs as f64,
        view.alerts_open.iter().sum::<u64>() as f64,
        rss_bytes() as f64,
        view.bus.lag as f64,
        view.store.waiting as f64,
    ];
    out.clear();
    [MAGIC, HEADER as u32].iter().for_each(|word| out.extend(word.to_le_bytes()));
    numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
    let counts = [shown.len() as u32, view.layout.blocks.len() as u32, view.layout.version, 0];
    counts.iter().for_each(|word| out.extend(word.to_le_bytes()));
    ranges.iter().flat_map(|(min, max)| [min, max]).for_each(|bound| out.extend(bound.to_le_bytes()));
    debug_assert_eq!(out.len(), HEADER);
    for ((_, value), range) in columns.iter().zip(ranges) {
        out.extend(shown.iter().map(|(id, ..)| quantised(value(id.0), range)));
    }
}

/// The least and the largest of the finite ones.
fn range_of(values: impl Iterator<Item = f32>) -> (f32, f32) {
    let finite = values.filter(|value| value.is_finite());
    let (min, max) =
        finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(min, max), v| (min.min(v), max.max(v)));
    if min <= max { (min, max) } else { (0.0, 0.0) }
}

fn quantised(value: f32, (min, max): (f32, f32)) -> u8 {
    if value.is_nan() {
        return NONE;
    }
    let share = if max > min { (value - min) / (max - min) } else { 0.0 };
    (share.clamp(0.0, 1.0) * TOP).round() as u8
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use corec_core::block::{BlockId, GroupId};
    use corec_core::stats::BlockStats;
    use corec_run::view::Layout;

    use super::*;

    #[test]
    fn a_frame_has_its_blocks_to_the_byte_and_marks_those_without_a_value() {
        let block =
            |mean, fitness| BlockStats { mean, fitness, is_measured: 1, live: 9, ..BlockStats::default() };
        let groups = vec![("swarm".to_string(), "cell".to_string())];
        let blocks = (0..4).map(|id| (BlockId(id), GroupId(0), id)).collect();
        let view = View {
            tick: 7,
            layout: Arc::new(Layout { version: 3, groups, blocks }),
            blocks: vec![block(-2.0, 0.0), BlockStats::default(), block(2.0, 1.0), block(0.0, 0.5)],
            audit_scores: vec![0.25, f32::NAN],
            ..View::default()
        };
        let mut frame = vec![1; 1000];
        write(&view, UNIX_EPOCH, &mut frame);
        assert_eq!((frame.len(), &frame[..4]), (HEADER + 5 * 4, &b"CCV1"[..]));
        assert_eq!(f64::from_le_bytes(frame[8..16].try_into().unwrap()), 7.0);
        assert_eq!(u32::from_le_bytes(frame[128..132].try_into().unwrap()), 4);
        assert_eq!(f32::from_le_bytes(frame[160..164].try_into().unwrap()), -2.0, "the least mean");
        assert_eq!(frame[HEADER..HEADER + 4], [0, NONE, 254, 127], "fitness");
        assert_eq!(frame[HEADER + 8..HEADER + 12], [0, NONE, 254, 127], "mean");
        assert_eq!(frame[HEADER + 16..], [64, NONE, NONE, NONE], "score");
    }
}
