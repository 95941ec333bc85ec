//! The stream: server-sent events that all viewers share, made once and only while somebody watches.
//!
//! A viewer takes the newest when it is ready for one: who reads slowly misses what came between, and holds nobody up.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use corec_run::view::{Ended, View};
use corec_run::wall_clock;
use futures_util::stream::{self, Stream};
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::{Instant, sleep, timeout_at};

use super::events::Events;
use super::shared::Shared;
use crate::frame;
use crate::told::SummaryTold;

/// How often there is something new at most, and how often a summary.
const EVERY: Duration = Duration::from_millis(100);
const SUMMARY_EVERY: Duration = Duration::from_millis(500);
/// A connection on which nothing happens for so long is told that it is alive.
const BEAT_EVERY: Duration = Duration::from_secs(5);
/// Viewers at once.
pub(super) const VIEWERS_MAX: u64 = 64;
/// How soon a page tries again when its connection is lost.
const RETRY: &str = "retry: 1000\n\n";

/// Makes events while there are viewers, until the server ends.
pub(super) async fn paint(shared: Arc<Shared>, to: Sender<Events>) {
    let (mut events, mut last, mut raw) = (Events::default(), None::<Arc<View>>, Vec::new());
    let mut summarised: Option<Instant> = None;
    while !shared.is_over() {
        let mut view = shared.watch.view();
        if shared.viewers() == 0 {
            summarised = None;
            tokio::select! { () = shared.viewer_came() => {}, () = shared.over() => break }
            // The newest picture may be as old as the last viewer.
            view = shared.fresh().await;
        }
        if last.as_ref().is_none_or(|last| !Arc::ptr_eq(last, &view)) {
            frame::write(&view, wall_clock(), &mut raw);
            events.frame = (events.frame.0 + 1, event("frame", view.tick, &STANDARD.encode(&raw)));
            last = Some(Arc::clone(&view));
        }
        if summarised.is_none_or(|at| at.elapsed() >= SUMMARY_EVERY) || view.ended.is_some() {
            summarised = Some(Instant::now());
            events.summary = (events.summary.0 + 1, summary_event(&shared, &view));
        }
        events.end = view.ended.map(end_event);
        _ = to.send(events.clone());
        tokio::select! { () = sleep(EVERY) => {}, () = shared.over() => {} }
    }
    // The last picture is of the end.
    let view = shared.watch.view();
    frame::write(&view, wall_clock(), &mut raw);
    events.frame = (events.frame.0 + 1, event("frame", view.tick, &STANDARD.encode(&raw)));
    events.summary = (events.summary.0 + 1, summary_event(&shared, &view));
    events.end = Some(end_event(view.ended.unwrap_or(Ended::Failed)));
    _ = to.send(events);
}

fn summary_event(shared: &Shared, view: &View) -> Bytes {
    let summary = SummaryTold::of(view, shared.journal_bytes(view));
    event("summary", view.tick, &serde_json::to_string(&summary).expect("a summary is text and numbers"))
}

fn end_event(how: Ended) -> Bytes {
    Bytes::from(format!("event: end\ndata: {{\"ended\":\"{}\"}}\n\n", how.as_str()))
}

fn event(name: &str, tick: u64, data: &str) -> Bytes {
    Bytes::from(format!("event: {name}\nid: {tick}\ndata: {data}\n\n"))
}

/// A viewer: counted for as long as it is there.
struct Viewer {
    shared: Arc<Shared>,
    events: Receiver<Events>,
    pause: Duration,
    seen: (u64, u64),
    /// What is still to be sent.
    queue: VecDeque<Bytes>,
    /// When it may be sent more.
    due: Instant,
    /// Whether there is something that it was too soon for.
    is_behind: bool,
    has_ended: bool,
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.shared.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The events for one more viewer, `hz` a second at most; none if there are too many.
pub(super) fn watch(
    shared: &Arc<Shared>,
    hz: f64,
) -> Option<impl Stream<Item = Result<Bytes, Infallible>> + use<>> {
    let one_more = |viewers: u64| (viewers < VIEWERS_MAX).then_some(viewers + 1);
    let viewers: &AtomicU64 = &shared.viewers;
    viewers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
    shared.tell_viewer_came();
    let mut events = shared.events.clone();
    events.mark_unchanged();
    let viewer = Viewer {
        shared: Arc::clone(shared),
        events,
        pause: Duration::from_secs_f64(1.0 / hz),
        seen: (0, 0),
        queue: [Bytes::from_static(RETRY.as_bytes())].into(),
        // Within that time there is one of now; the last may be as old as the last viewer.
        due: Instant::now() + EVERY,
        is_behind: true,
        has_ended: false,
    };
    Some(stream::unfold(viewer, |mut viewer| async move { Some((Ok(viewer.next().await?), viewer)) }))
}

impl Viewer {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            if self.has_ended {
                return None;
            }
            // Who takes every picture is woken by it alone, with all others: each time that this thread wakes, a tick loses a processor.
            let until = if self.is_behind { self.due } else { Instant::now() + BEAT_EVERY };
            match timeout_at(until, self.events.changed()).await {
                Ok(Ok(())) if self.is_due() => self.take(),
                Ok(Ok(())) => self.is_behind = true,
                Ok(Err(_)) => self.has_ended = true,
                Err(_) if self.is_behind => self.take(),
                Err(_) => return Some(Bytes::from_static(b": beat\n\n")),
            }
        }
    }

    fn is_due(&self) -> bool {
        self.pause <= EVERY || Instant::now() >= self.due || self.events.borrow().end.is_some()
    }

    /// Takes what is new of the newest events.
    fn take(&mut self) {
        (self.due, self.is_behind) = (Instant::now() + self.pause, false);
        let events = self.events.borrow_and_update().clone();
        if events.summary.0 > self.seen.1 {
            self.queue.push_back(events.summary.1);
        }
        if events.frame.0 > self.seen.0 {
            self.queue.push_back(events.frame.1);
        }
        self.seen = (events.frame.0.max(self.seen.0), events.summary.0.max(self.seen.1));
        if let Some(end) = events.end {
            self.has_ended = true;
            self.queue.push_back(end);
        }
    }
}
