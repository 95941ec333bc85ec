//! What watchers are given: metrics, a summary and a frame of a thousand blocks and twenty plugins of five systems.

use std::sync::Arc;
use std::time::SystemTime;

use corec::live::metrics::{Form, HttpCounts, write};
use corec::live::{frame, told::SummaryTold};
use corec::run::view::{Layout, PluginState, PluginView, View};
use corec_core::block::{BlockId, GroupId};
use corec_core::executor::SystemTiming;
use corec_core::phase::Owner;
use corec_core::stats::BlockStats;
use criterion::{Criterion, Throughput};

use crate::memcpy;

const BLOCKS: u32 = 1000;
const PLUGINS: usize = 20;
/// A scrape may be so long.
const METRICS_BYTES_MAX: usize = 100 << 10;

#[expect(clippy::disallowed_methods, reason = "a picture says when it was made")]
fn view() -> View {
    let names: Vec<&'static str> =
        (0..PLUGINS).map(|n| -> &'static str { format!("plugin_of_a_team_{n}").leak() }).collect();
    let system = |plugin: &'static str, n: usize| SystemTiming {
        name: format!("{plugin}::systems::does_something_{n}"),
        phase: "process".into(),
        owner: Some(Owner::Plugin(plugin)),
        calls: 1000,
        seconds: 1.5,
    };
    let plugin = |name: &&'static str| PluginView {
        name,
        state: PluginState::Running,
        budget_ms: Some(1.0),
        kind_bytes: 1 << 20,
        errors: 0,
        error: None,
    };
    let stats = |id: u32| BlockStats {
        live: 1000,
        active: 990,
        is_measured: 1,
        fitness: (id % 100) as f32 / 100.0,
        ..BlockStats::default()
    };
    let groups = (0..10).map(|n| (format!("group{n}"), "cell".to_string())).collect();
    View {
        made: Some(std::time::Instant::now()),
        layout: Arc::new(Layout {
            version: 1,
            groups,
            blocks: (0..BLOCKS).map(|id| (BlockId(id), GroupId((id % 10) as u16), id / 10)).collect(),
        }),
        blocks: (0..BLOCKS).map(stats).collect(),
        systems: names.iter().flat_map(|name| (0..5).map(|n| system(name, n))).collect(),
        plugins: names.iter().map(plugin).collect(),
        ..View::default()
    }
}

pub fn live(c: &mut Criterion) {
    let view = Arc::new(view());
    let mut group = c.benchmark_group("live/blocks=1000/plugins=20");
    let mut length = 0;
    for (name, form) in [("metrics/openmetrics", Form::OpenMetrics), ("metrics/text", Form::Text)] {
        length = write(&view, HttpCounts::default(), form).len();
        assert!(length <= METRICS_BYTES_MAX, "{length} bytes");
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(name, |b| b.iter(|| write(&view, HttpCounts::default(), form)));
    }
    memcpy(&mut group, length, 1);
    let summary = || serde_json::to_vec(&SummaryTold::of(&view, 0)).expect("it is text and numbers");
    group.throughput(Throughput::Bytes(summary().len() as u64));
    group.bench_function("summary", |b| b.iter(summary));
    let mut bytes = Vec::new();
    frame::write(&view, SystemTime::UNIX_EPOCH, &mut bytes);
    assert_eq!(bytes.len(), 184 + 5 * BLOCKS as usize);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("frame", |b| b.iter(|| frame::write(&view, SystemTime::UNIX_EPOCH, &mut bytes)));
    group.finish();
}
