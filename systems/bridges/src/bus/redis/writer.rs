//! Writer: sends a run's outputs, each once.
//!
//! Many entries go in one transaction, together with the id of the last of them, in a hash of the run's own (`corec:sent:RUN`). So the
//! server itself says what it has: after a broken connection, or a kill and a restore, what is at or below that id is not sent again. The
//! hash is watched, and names whoever has begun to write last: a process that was stopped and comes back when another goes on
//! with its run finds its transaction refused. Ids of entries are the server's own, so that others may write to a stream as well.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use corec_core::bus::OutputId;
use corec_core::units::RunId;
use redis::{Client, Value};

use super::command::push;
use super::id;
use super::link::{CONNECT, Link, LinkError, SILENCE, of_server};
use super::reply::{cursor, text, unexpected};
use super::trim::{Written, live_reader};
use super::url::RedisUrl;
use crate::bus::outgoing::Outgoing;
use crate::lane::{Sink, SinkError};
use crate::wait::{now, our_clock};

/// Bytes of entries in one transaction, unless one entry alone has more.
const REQUEST_BYTES: usize = 2 << 20;
/// How long the server keeps what a run has sent last, after the last time.
const SENT_SECONDS: &[u8] = b"2592000";

/// What was counted, for whoever asks meanwhile.
#[derive(Default)]
pub struct Counts {
    /// Outputs that the server had once, and has no more.
    pub lost: AtomicU64,
    /// Answers that came, but so late that the server was away, and the milliseconds that they took.
    pub late: AtomicU64,
    pub late_ms: AtomicU64,
}

/// The far side of a bus's lane.
pub struct Writer {
    url: RedisUrl,
    client: Client,
    instance: String,
    run: RunId,
    /// The hash.
    key: Vec<u8>,
    link: Option<Link>,
    /// Which of the processes that have begun to write this one is; none before it has.
    fence: Option<u64>,
    /// The last output that the server has, and how many it has been given.
    last: Option<OutputId>,
    count: u64,
    counts: Arc<Counts>,
    /// When the server was asked last.
    asked: Option<Instant>,
    written: BTreeMap<String, Written>,
    request: Vec<u8>,
    /// `INSTANCE/RUN/`, so many bytes, and what follows in the entry at hand.
    words: String,
    prefix: usize,
}

impl Writer {
    /// A writer for `run`; connects, for about `at_most`.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn open(
        url: &RedisUrl,
        client: Client,
        (instance, run): (&str, RunId),
        at_most: Duration,
    ) -> Result<Self, LinkError> {
        let words = format!("{instance}/{run}/");
        let mut writer = Self {
            url: url.clone(),
            client,
            instance: instance.into(),
            run,
            key: format!("corec:sent:{run}").into_bytes(),
            link: None,
            fence: None,
            last: None,
            count: 0,
            counts: Arc::default(),
            asked: None,
            written: BTreeMap::new(),
            request: Vec::new(),
            prefix: words.len(),
            words,
        };
        writer.connect(at_most)?;
        Ok(writer)
    }

    /// Connects, and asks what the server has of this run.
    fn connect(&mut self, at_most: Duration) -> Result<(), LinkError> {
        let mut link = Link::open(&self.client, &format!("corec-{}-out", self.instance), at_most)?;
        let key = self.key.clone();
        let found = link.ask_one(&[b"HGET", &key, b"fence"])?;
        let found = number(&found).map_err(|_| unexpected("HGET", &found))?;
        match (self.fence, found) {
            (Some(own), Some(found)) if own < found => return Err(self.fenced()),
            (Some(own), Some(found)) if own == found => {}
            (own, found) => {
                // A server that has forgotten it, or has an older state, has the same one again: who was fenced before stays so.
                let by = own.map_or(1, |own| own - found.unwrap_or(0)).to_string();
                let begun = link.ask_one(&[b"HINCRBY", &key, b"fence", by.as_bytes()])?;
                link.ask_one(&[b"EXPIRE", &key, SENT_SECONDS])?;
                self.fence =
                    Some(number(&begun).ok().flatten().ok_or_else(|| unexpected("HINCRBY", &begun))?);
            }
        }
        let mut request = Vec::new();
        push(&mut request, &[b"WATCH", &key]);
        push(&mut request, &[b"HMGET", &key, b"fence", b"last", b"count"]);
        let answers = link.ask(&request, 2)?;
        let Value::Array(has) = &answers[1] else { return Err(unexpected("HMGET", &answers[1])) };
        self.check_fence(has)?;
        let last = has.get(1).and_then(text).and_then(id::parse_output);
        let count = has.get(2).and_then(|count| number(count).ok().flatten()).unwrap_or(0);
        if last.map(OutputId::order) < self.last.map(OutputId::order) {
            let lost = self.count.saturating_sub(count).max(1);
            self.counts.lost.fetch_add(lost, Ordering::Relaxed);
            tracing::warn!(
                lost,
                "bus {}: the server has lost outputs that it had: the last it has is {}, and was {}",
                self.url.shown,
                last.map_or_else(|| "none".into(), id::output_text),
                self.last.map_or_else(String::new, id::output_text)
            );
        } else {
            // What was sent by a process before, or by this one before its connection broke.
            self.last = last;
        }
        (self.count, self.link) = (count, Some(link));
        Ok(())
    }

    /// What is counted.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    fn fenced(&self) -> LinkError {
        LinkError::Wrong(format!("another process goes on with the run {}: this one must end", self.run))
    }

    fn check_fence(&self, has: &[Value]) -> Result<(), LinkError> {
        let found = has.first().and_then(|fence| number(fence).ok().flatten());
        if found == self.fence { Ok(()) } else { Err(self.fenced()) }
    }

    /// Sends what of `items` the server has not, in transactions of their own.
    fn send(&mut self, items: &[Outgoing]) -> Result<(), LinkError> {
        let mut rest = items;
        loop {
            self.asked = Some(now());
            if self.link.is_none() {
                self.connect(CONNECT)?;
            }
            let had =
                rest.partition_point(|item| self.last.is_some_and(|last| item.id.order() <= last.order()));
            rest = &rest[had..];
            if rest.is_empty() {
                return Ok(());
            }
            let mut bytes = 0;
            let fits = |item: &&Outgoing| {
                let had = bytes;
                bytes += item.data.len();
                had == 0 || bytes <= REQUEST_BYTES
            };
            let (now, later) = rest.split_at(rest.iter().take_while(fits).count());
            self.transact(now)?;
            self.note_silence();
            rest = later;
        }
    }

    /// An answer that came late ends an outage that nobody else has seen.
    fn note_silence(&self) {
        let silent = self.asked.map_or(Duration::ZERO, |asked| asked.elapsed());
        if silent > SILENCE {
            self.counts.late.fetch_add(1, Ordering::Relaxed);
            self.counts.late_ms.fetch_add(silent.as_millis() as u64, Ordering::Relaxed);
        }
    }

    /// Sends `items` in one transaction.
    fn transact(&mut self, items: &[Outgoing]) -> Result<(), LinkError> {
        let (Some(link), Some(end)) = (&mut self.link, items.last()) else { return Ok(()) };
        let count = self.count + items.len() as u64;
        let request = &mut self.request;
        request.clear();
        push(request, &[b"MULTI"]);
        for Outgoing { stream, id, data } in items {
            self.words.truncate(self.prefix);
            let OutputId { epoch, tick, sequence } = id;
            write!(self.words, "{epoch}.{tick}.{sequence}").expect("a text takes what is written");
            push(request, &[b"XADD", stream.as_bytes(), b"*", b"data", data, b"id", self.words.as_bytes()]);
        }
        let (last, number) = (id::output_text(end.id), count.to_string());
        push(request, &[b"HSET", &self.key, b"last", last.as_bytes(), b"count", number.as_bytes()]);
        push(request, &[b"EXPIRE", &self.key, SENT_SECONDS]);
        push(request, &[b"EXEC"]);
        push(request, &[b"WATCH", &self.key]);
        push(request, &[b"HMGET", &self.key, b"fence"]);
        // MULTI and what it queues, then EXEC, WATCH, HMGET.
        let queued = 1 + items.len() + 2;
        let answers = link.ask(request, queued + 3)?;
        if let Some(refused) = answers[..queued].iter().find(|answer| matches!(answer, Value::ServerError(_)))
        {
            return Err(unexpected("XADD", refused));
        }
        let answers = &answers[queued..];
        match &answers[2] {
            // It has expired, or the server was told to forget it: a new connection tells it again.
            Value::Array(has) if matches!(has[..], [Value::Nil]) => {
                return Err(LinkError::Away("it has forgotten what it was sent".into()));
            }
            Value::Array(has) => self.check_fence(has)?,
            _ => {}
        }
        match &answers[0] {
            Value::Array(done) => self.note(items, done)?,
            // Watched and changed: by nobody else, as the fence says.
            Value::Nil => return Err(LinkError::Away("it has forgotten what it was sent".into())),
            other => return Err(unexpected("EXEC", other)),
        }
        (self.last, self.count) = (Some(end.id), count);
        self.trim()
    }

    /// Notes what the streams have got; an entry that one did not take is an error for good.
    fn note(&mut self, items: &[Outgoing], done: &[Value]) -> Result<(), LinkError> {
        for (item, answer) in items.iter().zip(done) {
            let Some(at) = cursor(answer) else {
                return Err(match answer {
                    Value::ServerError(error) => {
                        let text = of_server(error.code(), error.details().unwrap_or_default());
                        LinkError::Wrong(format!("stream '{}': {}", item.stream, text.text()))
                    }
                    other => unexpected("XADD", other),
                });
            };
            if !self.written.contains_key(&item.stream) {
                self.written.insert(item.stream.clone(), Written::new(self.url.keep_bytes));
            }
            let written = self.written.get_mut(&item.stream).expect("it was just put there");
            written.add(at, item.data.len());
        }
        Ok(())
    }

    /// Lets go of the oldest entries of streams that have too many.
    fn trim(&mut self) -> Result<(), LinkError> {
        let Some(link) = &mut self.link else { return Ok(()) };
        for (stream, written) in &mut self.written {
            let Some(keep_from) = written.is_due(now()) else { continue };
            let readers = link.ask_one(&[b"HVALS", format!("corec:read:{stream}").as_bytes()])?;
            let clock = our_clock();
            let slowest = match &readers {
                Value::Array(left) => left.iter().filter_map(|left| live_reader(text(left)?, clock)).min(),
                _ => None,
            };
            let from = written.trim(keep_from, slowest);
            link.ask_one(&[b"XTRIM", stream.as_bytes(), b"MINID", b"~", from.to_string().as_bytes()])?;
        }
        Ok(())
    }
}

/// A number that the server keeps as text, or answers with; none where there is nothing.
fn number(value: &Value) -> Result<Option<u64>, ()> {
    match value {
        Value::Nil => Ok(None),
        Value::Int(n) => u64::try_from(*n).map(Some).map_err(|_| ()),
        other => text(other).and_then(|text| text.parse().ok()).map(Some).ok_or(()),
    }
}

impl Sink for Writer {
    type Item = Outgoing;
    const ITEMS_MAX: usize = 4096;

    fn asked(&self) -> Option<Instant> {
        self.asked
    }

    fn take(&mut self, items: &[Outgoing]) -> Result<(), SinkError> {
        self.send(items).map_err(|error| {
            // What the connection was in the middle of is not known: the next one asks.
            self.link = None;
            let text = format!("{}: {}", self.url.shown, error.text());
            match error {
                LinkError::Away(_) | LinkError::Denied(_) => SinkError::Away(text),
                LinkError::Wrong(_) => SinkError::Refused(text),
            }
        })
    }
}
