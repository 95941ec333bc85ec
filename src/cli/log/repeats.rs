//! Repeats: of what one place in the source says again and again, the first of each ten seconds are told, and how many more there were.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use corec_run::settings::grouped;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

/// Lines of one place in so much time.
const BURST: u64 = 20;
const WINDOW: Duration = Duration::from_secs(10);
/// How much of a line is said again with how many more there were, in characters.
const SHOWN: usize = 120;
/// What it says itself is told in any case.
pub(super) const TARGET: &str = "corec::repeats";

/// A filter that keeps back what is said too often. Clones are one.
#[derive(Clone, Default)]
pub(super) struct Repeats(Arc<Mutex<Sites>>);

#[derive(Default)]
struct Sites {
    /// By file and line.
    sites: BTreeMap<(&'static str, u32), Site>,
    /// Whether a thread tells what was kept back.
    is_told: bool,
}

/// A place in the source.
struct Site {
    metadata: &'static Metadata<'static>,
    /// When the window began.
    since: Instant,
    seen: u64,
    /// The last that was kept back.
    last: String,
}

impl Repeats {
    fn lock(&self) -> MutexGuard<'_, Sites> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the event is one of the first; counts it in any case.
    fn is_first(&self, event: &Event<'_>) -> bool {
        let metadata = event.metadata();
        let sites = &mut *self.lock();
        let new = || Site { metadata, since: now(), seen: 0, last: String::new() };
        let site = sites.sites.entry(key(metadata)).or_insert_with(new);
        if site.seen <= BURST && site.since.elapsed() >= WINDOW {
            (site.since, site.seen) = (now(), 0);
        }
        site.seen += 1;
        if site.seen <= BURST {
            return true;
        }
        if !sites.is_told {
            let repeats = self.clone();
            let tell = move || {
                while repeats.has_more() {
                    thread::sleep(WINDOW);
                    repeats.tell_all();
                }
            };
            sites.is_told = thread::Builder::new().name("corec-log".into()).spawn(tell).is_ok();
        }
        false
    }

    /// Keeps what an event says that is kept back. Whatever it says may say something itself: nothing is locked meanwhile.
    fn keep(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut Message(&mut text));
        if let Some(site) = self.lock().sites.get_mut(&key(event.metadata())) {
            site.last = text;
        }
    }

    /// Whether something was kept back; if not, its thread is over.
    fn has_more(&self) -> bool {
        let sites = &mut *self.lock();
        sites.is_told = sites.sites.values().any(|site| site.seen > BURST);
        sites.is_told
    }

    /// Tells how many more there were, of each place that has said too much.
    pub fn tell_all(&self) {
        let mut told = Vec::new();
        for site in self.lock().sites.values_mut().filter(|site| site.seen > BURST) {
            told.push((site.metadata, site.seen - BURST, std::mem::take(&mut site.last)));
            (site.since, site.seen) = (now(), 0);
        }
        for (metadata, repeats, last) in told {
            let text = format!("{last} (and {} more like it)", grouped(repeats - 1));
            let from = metadata.target();
            match *metadata.level() {
                Level::ERROR => tracing::error!(target: TARGET, from, repeats, "{text}"),
                Level::WARN => tracing::warn!(target: TARGET, from, repeats, "{text}"),
                _ => tracing::info!(target: TARGET, from, repeats, "{text}"),
            }
        }
    }
}

/// The place in the source.
fn key(metadata: &'static Metadata<'static>) -> (&'static str, u32) {
    (metadata.file().unwrap_or_else(|| metadata.target()), metadata.line().unwrap_or(0))
}

#[expect(clippy::disallowed_methods, reason = "how often something is said is no part of a result")]
fn now() -> Instant {
    Instant::now()
}

impl<S: Subscriber> Filter<S> for Repeats {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        if event.metadata().target() == TARGET || self.is_first(event) {
            return true;
        }
        self.keep(event);
        false
    }
}

/// Takes the message of an event, and no more of it than is shown.
struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let text = format!("{value:?}");
            self.0.extend(text.chars().take(SHOWN));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_said_five_thousand_times_is_told_twenty_times_and_then_counted() {
        let (lines, repeats) = (Lines::default(), Repeats::default());
        let to = lines.clone();
        let log = tracing_subscriber::fmt::layer()
            .with_writer(move || to.clone())
            .event_format(super::super::json::Line);
        let log = tracing_subscriber::registry().with(log.with_filter(repeats.clone()));
        tracing::subscriber::with_default(log, || {
            for n in 0..5000 {
                tracing::warn!(n, "row {n} is odd");
            }
            tracing::error!("another place");
            repeats.tell_all();
            repeats.tell_all();
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let said: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(said.len(), 22, "{text}");
        assert_eq!((&said[19]["message"], &said[19]["n"]), (&"row 19 is odd".into(), &19.into()));
        assert_eq!(said[20]["message"], "another place");
        assert_eq!(said[21]["message"], "row 4999 is odd (and 4,979 more like it)");
        assert_eq!((&said[21]["level"], &said[21]["repeats"]), (&"WARN".into(), &4980.into()));
    }
}
