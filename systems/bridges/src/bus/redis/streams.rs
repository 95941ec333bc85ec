//! Streams: those that are read of a server, ahead of whoever takes their entries.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use corec_core::bus::{BusError, Cursor, Entry, Polled};
use redis::Client;

use super::inbox::{Inbox, Reading};
use super::link::{CONNECT, Link, LinkError};
use super::permissions::Uses;
use super::reader::Reader;
use super::reply::entries;
use super::url::RedisUrl;
use crate::bus::OpenError;
use crate::wait::now;

/// Reads streams, each by a cursor. The thread ends when it is dropped.
pub struct StreamReader {
    client: Client,
    name: String,
    inbox: Arc<Inbox>,
    thread: Option<JoinHandle<()>>,
}

/// How it is with what is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReaderHealth {
    /// Why the server can't be reached; none while it can.
    pub away: Option<String>,
    /// How often it could not be.
    pub outages: u64,
    /// For how long in all, seconds.
    pub away_seconds: f64,
    /// Entries that wait here or there.
    pub lag: u64,
    /// Entries that were given, and that nobody has said to have.
    pub pending: u64,
    /// Entries that were gone before they could be read.
    pub lost: u64,
}

impl StreamReader {
    /// Connects, for at most `connect_timeout`, to read `stream`. The server shows `name` of its connections, and knows how far each
    /// reader is by `field`.
    ///
    /// # Errors
    /// A server that does not come, does not let us in, or does not let us read.
    pub fn connect(
        url: &RedisUrl,
        stream: &str,
        name: &str,
        field: &str,
        connect_timeout: Duration,
    ) -> Result<Self, OpenError> {
        let client = url.client().map_err(OpenError::Usage)?;
        url.wait_for(connect_timeout, |left| {
            Uses::of_reader(stream).check(&mut Link::open(&client, name, left)?, url, &client)
        })?;
        Self::start(url, client, name, field).map_err(OpenError::Away)
    }

    /// Starts the thread.
    pub(super) fn start(url: &RedisUrl, client: Client, name: &str, field: &str) -> Result<Self, String> {
        let inbox = Arc::new(Inbox::default());
        let (url, of_thread, name, field) = (url.clone(), client.clone(), name.to_string(), field.into());
        let reader = Reader { url, client: of_thread, name: name.clone(), field, inbox: Arc::clone(&inbox) };
        let thread = std::thread::Builder::new().name("corec-bus-in".into()).spawn(|| reader.run());
        let thread = thread.map_err(|e| format!("bus: its thread could not start: {e}"))?;
        Ok(Self { client, name, inbox, thread: Some(thread) })
    }

    /// Reads `stream` from the entry after `from` on; what was read ahead from elsewhere is let go.
    pub fn subscribe(&self, stream: &str, from: Cursor) {
        self.inbox.lock().streams.insert(stream.into(), Reading::from(from));
        self.inbox.wake();
    }

    /// The first entry that a stream has now, on a connection of its own; none if it has none.
    ///
    /// # Errors
    /// A server that is away, or a stream that can't be read: a text.
    pub fn first(&self, stream: &str) -> Result<Option<Entry>, String> {
        let words = [&b"XREAD"[..], b"COUNT", b"1", b"STREAMS", stream.as_bytes(), b"0-0"];
        let read =
            Link::open(&self.client, &self.name, CONNECT).and_then(|mut link| entries(link.ask_one(&words)?));
        let first = read.map_err(|error| error.text().to_string())?.pop();
        Ok(first.and_then(|(_, mut entries)| entries.pop()))
    }

    /// What has come on a stream since the last call, at most `max` entries.
    ///
    /// # Errors
    /// A stream that can't be read.
    pub fn poll(&self, stream: &str, max: usize) -> Result<Polled, BusError> {
        let mut inner = self.inbox.lock();
        if let Some(failure) = &inner.failure {
            return Err(BusError::Lane(failure.clone()));
        }
        let Some(reading) = inner.streams.get_mut(stream) else {
            return Err(BusError::NotSubscribed(stream.into()));
        };
        let was_full = reading.room() == 0;
        let polled = reading.poll(max);
        drop(inner);
        if was_full {
            self.inbox.wake();
        }
        Ok(polled)
    }

    /// Waits for something to poll, for `at_most`.
    pub fn wait(&self, stream: &str, at_most: Duration) {
        let inner = self.inbox.lock();
        if inner.failure.is_none() && inner.streams.get(stream).is_some_and(Reading::is_empty) {
            drop(self.inbox.wait(inner, at_most));
        }
    }

    /// Says that what was polled up to `cursor` is safe.
    ///
    /// # Errors
    /// A stream that nobody has subscribed to.
    pub fn done(&self, stream: &str, cursor: Cursor) -> Result<(), BusError> {
        match self.inbox.lock().streams.get_mut(stream) {
            None => Err(BusError::NotSubscribed(stream.into())),
            Some(reading) => {
                reading.done(cursor);
                Ok(())
            }
        }
    }

    /// How it is.
    pub fn health(&self) -> ReaderHealth {
        let inner = self.inbox.lock();
        let counts = inner.streams.values().map(Reading::counts);
        let [lag, pending, lost] = counts.fold([0; 3], |sum, of| [0, 1, 2].map(|i| sum[i] + of[i]));
        let (outages, away_seconds) = inner.outages(now());
        ReaderHealth {
            away: inner.away.as_ref().map(|(why, _)| why.clone()),
            outages,
            away_seconds,
            lag,
            pending,
            lost,
        }
    }

    /// Ends the thread.
    pub(super) fn stop(&mut self) {
        self.inbox.lock().is_closing = true;
        self.inbox.wake();
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        self.stop();
    }
}

impl RedisUrl {
    /// Does what needs the server again until it is there, for at most `connect_timeout`; `ask` hears how much of that is left.
    pub(super) fn wait_for<T>(
        &self,
        connect_timeout: Duration,
        mut ask: impl FnMut(Duration) -> Result<T, LinkError>,
    ) -> Result<T, OpenError> {
        /// Between two attempts.
        const PAUSE: Duration = Duration::from_millis(200);
        let until = now() + connect_timeout;
        loop {
            let error = match ask(until.saturating_duration_since(now())) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let text = format!("bus {}: {}", self.shown, error.text());
            match error {
                LinkError::Away(_) if now() + PAUSE < until => std::thread::sleep(PAUSE),
                LinkError::Away(_) => {
                    let seconds = connect_timeout.as_secs_f64();
                    let todo = "start it, or wait longer with --connect-timeout, or run with --bus memory";
                    return Err(OpenError::Away(format!("{text}; tried for {seconds} s: {todo}")));
                }
                LinkError::Denied(_) | LinkError::Wrong(_) => return Err(OpenError::Usage(text)),
            }
        }
    }
}
