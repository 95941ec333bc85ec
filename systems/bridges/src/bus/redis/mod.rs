//! The bus on Redis Streams: what others write is read ahead by a thread, and what a run sends goes through a lane.
//!
//! An entry has the fields `data` and, if a run of ours wrote it, `id`: `INSTANCE/RUN/EPOCH.TICK.SEQUENCE`. docs/wire-format.md has the formats.

mod command;
mod id;
mod url;

mod link;

mod reply;

mod permissions;

mod locate;
mod trim;

mod inbox;

mod reader;
mod writer;

mod row_stream;
mod streams;
mod tail;

mod doctor;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use corec_core::bus::{Bus, BusError, BusHealth, Cursor, Kept, OutputId, Polled};

pub use doctor::examine;
#[doc(hidden)]
pub use id::parse_output;
pub use link::LinkError;
pub use permissions::USER_RULES;
pub use reply::{ENTRY_BYTES_MAX, Message, entries};
#[doc(hidden)]
pub use reply::{StreamInfo, messages, stream_info};
pub use row_stream::{RowBatch, RowStream, StreamEnd};
pub use streams::{ReaderHealth, StreamReader};
pub use tail::{Tail, TailFrom};
pub use url::RedisUrl;

use super::{BusOptions, OpenError};
use crate::lane::{Lane, LaneOptions, Policy};
use link::Link;
use permissions::Uses;
use writer::{Counts, Writer};

/// Entries that may wait for the server in memory.
const ENTRIES_MAX: usize = 100_000;
/// Bytes of them: a second of frames of a million entities at ten ticks a second.
const BYTES_MAX: usize = 128 << 20;
/// How long they may hold a tick, and how long the server may be away once there is no room for more on disk either.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a run waits at its end for a server that is away, where what it said is kept.
const PATIENCE_AT_END: Duration = Duration::from_secs(5);

/// Streams on a Redis server.
pub struct RedisBus {
    lane: Lane<Writer>,
    reader: StreamReader,
    has_spool: bool,
    counts: Arc<Counts>,
}

impl RedisBus {
    /// Connects to the server, for as long as the options say.
    ///
    /// # Errors
    /// A server that does not come, does not let us in or do what we need, or may let go of streams by itself.
    pub fn open(url: &RedisUrl, options: &BusOptions) -> Result<Self, OpenError> {
        let client = url.client().map_err(OpenError::Usage)?;
        let written: Vec<&str> = options.written.iter().map(String::as_str).collect();
        let link = url.wait_for(options.connect_timeout, |left| {
            let mut link = Link::open(&client, "corec-start", left)?;
            let uses = Uses::of_run(options.read.as_deref(), &written);
            uses.check(&mut link, url, &client).map(|()| link)
        })?;
        check_eviction(url, link)?;
        let writer = url.wait_for(options.connect_timeout, |left| {
            Writer::open(url, client.clone(), (&options.instance, options.run), left)
        })?;
        let counts = writer.counts();
        let lane_options = LaneOptions {
            name: "bus",
            items_max: ENTRIES_MAX,
            bytes_max: BYTES_MAX,
            policy: Policy::Block,
            patience: PATIENCE,
            spool: options.spool.clone(),
        };
        let lane = Lane::start(writer, lane_options).map_err(|e| OpenError::Away(format!("bus: {e}")))?;
        let (name, field) =
            (format!("corec-{}-in", options.instance), format!("{}/{}", options.instance, options.run));
        let reader = StreamReader::start(url, client, &name, &field).map_err(OpenError::Away)?;
        Ok(Self { lane, reader, has_spool: options.spool.is_some(), counts })
    }
}

/// A server that lets go of keys when its memory is full takes whole streams.
fn check_eviction(url: &RedisUrl, mut link: Link) -> Result<(), OpenError> {
    let Ok(answer) = link.ask_one(&[b"INFO", b"memory"]) else { return Ok(()) };
    let Some(facts) = reply::text(&answer) else {
        tracing::warn!("bus {}: may not look at its memory policy (INFO)", url.shown);
        return Ok(());
    };
    let fact = |name: &str| facts.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let (policy, limit) =
        (fact("maxmemory_policy").unwrap_or("noeviction"), fact("maxmemory").unwrap_or("0"));
    let what = format!("bus {}: found maxmemory-policy {policy}, must be noeviction", url.shown);
    if policy == "noeviction" {
        Ok(())
    } else if limit == "0" || url.accepts_eviction || policy.starts_with("volatile") {
        let risk = if limit == "0" { "once it has a maxmemory it" } else { "it" };
        tracing::warn!("{what}: {risk} lets go of streams, or of what a run has sent, in silence");
        Ok(())
    } else {
        let todo = "it lets go of whole streams in silence: redis-cli CONFIG SET maxmemory-policy noeviction, or ?eviction=accept";
        Err(OpenError::Usage(format!("{what}: {todo}")))
    }
}

impl Bus for RedisBus {
    fn subscribe(&mut self, stream: &str, from: Cursor) -> Result<(), BusError> {
        self.reader.subscribe(stream, from);
        Ok(())
    }

    fn poll(&mut self, stream: &str, max: usize) -> Result<Polled, BusError> {
        self.reader.poll(stream, max)
    }

    fn done(&mut self, stream: &str, cursor: Cursor) -> Result<(), BusError> {
        self.reader.done(stream, cursor)
    }

    fn publish(&mut self, stream: &str, id: OutputId, data: &[u8]) -> Result<(), BusError> {
        if data.len() > ENTRY_BYTES_MAX {
            let (stream, bytes) = (stream.into(), data.len());
            return Err(BusError::TooLarge { stream, bytes, bytes_max: ENTRY_BYTES_MAX });
        }
        let mut entry = self.lane.spare().unwrap_or_default();
        entry.set(stream, id, data);
        self.lane.put(entry);
        self.lane.failure().map_or(Ok(()), |failure| Err(BusError::Lane(failure)))
    }

    fn keep(&mut self) -> Kept {
        let safe = self.lane.sync();
        Box::new(move || safe.wait())
    }

    fn health(&self) -> BusHealth {
        let report = self.lane.report();
        let read = self.reader.health();
        let counts = &self.counts;
        let [late, late_ms, lost] =
            [&counts.late, &counts.late_ms, &counts.lost].map(|count| count.load(Ordering::Relaxed));
        BusHealth {
            away: report.away.or(read.away),
            // One server, two connections: an outage is one of either.
            outages: (report.outages + late).max(read.outages),
            away_seconds: (report.away_seconds + late_ms as f64 / 1e3).max(read.away_seconds),
            waiting: report.waiting,
            sent: report.sent,
            dropped: report.dropped,
            spooled: report.spooled,
            spool_bytes: report.spool_bytes,
            lag: read.lag,
            pending: read.pending,
            lost: read.lost + lost,
        }
    }

    fn close(&mut self, deadline: Duration) -> Result<(), BusError> {
        self.reader.stop();
        // What can't be sent is kept on disk: nobody need wait long for a server that is away.
        let is_kept = self.has_spool && self.lane.report().away.is_some();
        let deadline = if is_kept { deadline.min(PATIENCE_AT_END) } else { deadline };
        if let Some(left) = self.lane.close(deadline).map_err(BusError::Lane)? {
            tracing::warn!("bus: {left}: corec run --restore sends them");
        }
        Ok(())
    }
}
