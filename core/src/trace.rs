//! Trace: keeps which thread ran which system and which blocks, and when, if it is asked for.
//!
//! It is written in the trace event format that Perfetto and chrome://tracing open. Its clock never reaches a result.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bevy_ecs::resource::Resource;

use crate::block::BlockId;

/// Spans kept, of 64 bytes each. Later ones are counted and left out.
const SPANS_MAX: u64 = 2_000_000;

/// The spans of a run. Clones share them.
#[derive(Resource, Clone)]
pub struct Trace(Arc<Inner>);

struct Inner {
    start: Instant,
    /// By thread of the pool; the last is for all others.
    shards: Box<[Mutex<Vec<Span>>]>,
    count: AtomicU64,
}

struct Span {
    label: SpanLabel,
    start: Instant,
    end: Instant,
}

const _: () = assert!(size_of::<Span>() == 64, "as SPANS_MAX says");

/// What ran in a span.
pub(crate) enum SpanLabel {
    /// A system, and its phase or schedule.
    System(Arc<str>, Arc<str>),
    /// Blocks, first to last.
    Blocks(BlockId, BlockId),
}

impl Trace {
    /// How a file of a trace begins.
    pub const START: &str = "{\"displayTimeUnit\":";

    /// A trace that begins now, for a pool of so many threads.
    pub fn new(threads: usize) -> Self {
        let shards = (0..=threads).map(|_| Mutex::default()).collect();
        Self(Arc::new(Inner { start: now(), shards, count: AtomicU64::new(0) }))
    }

    /// Runs `work` and keeps when it ran, on this thread.
    pub(crate) fn span<R>(&self, label: impl FnOnce() -> SpanLabel, work: impl FnOnce() -> R) -> R {
        let start = now();
        let result = work();
        self.add(label, start, now());
        result
    }

    pub(crate) fn add(&self, label: impl FnOnce() -> SpanLabel, start: Instant, end: Instant) {
        if self.0.count.fetch_add(1, Ordering::Relaxed) >= SPANS_MAX {
            return;
        }
        let others = self.0.shards.len() - 1;
        let shard = &self.0.shards[rayon::current_thread_index().unwrap_or(others).min(others)];
        shard.lock().unwrap_or_else(PoisonError::into_inner).push(Span { label: label(), start, end });
    }

    /// Spans that were left out because there were too many.
    pub fn left_out(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed).saturating_sub(SPANS_MAX)
    }

    /// Writes the spans so far as trace events: microseconds since the trace began, a `tid` for each thread.
    ///
    /// # Errors
    /// What `to` says.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        write!(to, "{}\"ms\",\"traceEvents\":[", Self::START)?;
        for (tid, shard) in self.0.shards.iter().enumerate() {
            let is_pool = tid + 1 < self.0.shards.len();
            let name = if is_pool { format!("corec-{tid}") } else { "other threads".into() };
            let comma = if tid == 0 { "" } else { "," };
            write!(
                to,
                "{comma}\n{{\"ph\":\"M\",\"pid\":1,\"tid\":{tid},\"name\":\"thread_name\",\"args\":{{\"name\":\"{name}\"}}}}"
            )?;
            for span in shard.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                let (name, category) = match &span.label {
                    SpanLabel::System(name, phase) => (name.to_string(), phase.to_string()),
                    SpanLabel::Blocks(first, last) => {
                        (format!("blocks {}..={}", first.0, last.0), "blocks".into())
                    }
                };
                let [name, category] = [name, category].map(serde_json::Value::String);
                let microseconds =
                    |to: Instant, from: Instant| to.saturating_duration_since(from).as_nanos() as f64 / 1e3;
                let (ts, dur) = (microseconds(span.start, self.0.start), microseconds(span.end, span.start));
                write!(
                    to,
                    ",\n{{\"ph\":\"X\",\"pid\":1,\"tid\":{tid},\"name\":{name},\"cat\":{category},\"ts\":{ts:.3},\"dur\":{dur:.3}}}"
                )?;
            }
        }
        writeln!(to, "\n]}}")?;
        to.flush()
    }
}

#[expect(clippy::disallowed_methods, reason = "the profiler; its readings never reach a result")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
