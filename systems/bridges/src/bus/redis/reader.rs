//! Reader: the thread that reads streams ahead of the ticks, by the run's own cursors.
//!
//! It has a connection of its own, on which it waits for entries for a part of a second at a time: no answer is no news. Once a second, and
//! whenever it has connected, it looks whether each stream is what it was ([`locate`]), and leaves on the server how far the journal is
//! (`corec:read:STREAM`): writers trim by it, and this reader knows itself again. No pending list, no group: the cursor is the run's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use corec_core::bus::Cursor;
use redis::{Client, Value};

use super::command::push;
use super::id;
use super::inbox::{Inbox, Reading};
use super::link::{CONNECT, Link, LinkError};
use super::locate::locate;
use super::reply::{entries, stream_info, text};
use super::url::RedisUrl;
use crate::wait::{Backoff, now, our_clock};

/// How long the server may wait for an entry before it says that there is none.
const BLOCK: Duration = Duration::from_millis(250);
/// How often streams are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long each answer may take at the end of a run.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// The first pause before the server is tried again, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(30)];

/// What the thread has.
pub struct Reader {
    pub url: RedisUrl,
    pub client: Client,
    /// What `CLIENT LIST` calls it, and what its fields are called.
    pub name: String,
    pub field: String,
    pub inbox: Arc<Inbox>,
}

impl Reader {
    /// Reads until the inbox closes.
    pub fn run(self) {
        let mut backoff = Backoff::new(PAUSES[0], PAUSES[1]);
        loop {
            {
                let mut inner = self.inbox.lock();
                while inner.streams.is_empty() && !inner.is_closing {
                    inner = self.inbox.wait(inner, LOOK);
                }
                if inner.is_closing {
                    return;
                }
            }
            let asked = now();
            let link = Link::open(&self.client, &self.name, CONNECT);
            let error = match link.and_then(|link| self.read(link, &mut backoff)) {
                Ok(()) => return,
                Err(error) => error,
            };
            let text = format!("{}: {}", self.url.shown, error.text());
            let mut inner = self.inbox.lock();
            if let LinkError::Wrong(_) = error {
                inner.failure = Some(text);
                return;
            }
            let pause = backoff.pause();
            tracing::warn!("bus {text}; tried again in {:.1} s", pause.as_secs_f64());
            inner.leave(text, asked);
            let until = now() + pause;
            while !inner.is_closing && now() < until {
                inner = self.inbox.wait(inner, until.saturating_duration_since(now()));
            }
        }
    }

    /// Reads on one connection until it breaks, or the inbox closes.
    fn read(&self, mut link: Link, backoff: &mut Backoff) -> Result<(), LinkError> {
        link.allow(BLOCK)?;
        let mut looked: Option<Instant> = None;
        loop {
            let (mut wanted, mut is_new) = (Vec::new(), false);
            {
                let mut inner = self.inbox.lock();
                if inner.is_closing {
                    drop(inner);
                    return self.look_at_last(link);
                }
                for (name, reading) in &mut inner.streams {
                    is_new |= !reading.is_located;
                    let room = reading.room();
                    if room > 0 {
                        wanted.push((name.clone(), reading.place.cursor, room));
                    }
                }
            }
            if is_new || looked.is_none_or(|at| at.elapsed() >= LOOK) {
                self.look(&mut link)?;
                looked = Some(now());
                continue;
            }
            // The one with the least room says how many are asked for: the command has one number for all.
            let Some(count) = wanted.iter().map(|(_, _, room)| *room).min() else {
                let mut inner = self.inbox.lock();
                inner.hear(now());
                drop(self.inbox.wait(inner, BLOCK));
                continue;
            };
            let read = entries(read_on(&mut link, &wanted, count)?)?;
            // Not before: who may look at streams may not be let read them.
            backoff.reset();
            self.inbox.lock().hear(now());
            for (name, entries) in read {
                let asked =
                    wanted.iter().find(|(wanted, _, _)| *wanted == name).map(|(_, cursor, _)| *cursor);
                let mut inner = self.inbox.lock();
                // Who has subscribed anew meanwhile reads from elsewhere.
                if let Some(reading) = inner.streams.get_mut(&name).filter(|r| Some(r.place.cursor) == asked)
                {
                    reading.add(entries);
                }
                drop(inner);
                self.inbox.wake();
            }
        }
    }

    /// Looks once more before it ends: what was lost since is told, and who goes on with the run knows how many entries there had been.
    fn look_at_last(&self, mut link: Link) -> Result<(), LinkError> {
        link.limit(LAST_LOOK)?;
        // A server that does not answer is no news any more.
        _ = self.look(&mut link);
        Ok(())
    }

    /// Whether the entry at the cursor is still there; none where nothing was read yet. No number tells an older state of a stream that
    /// has gone on since from the stream as it was.
    fn has_entry(&self, link: &mut Link, name: &str) -> Result<Option<bool>, LinkError> {
        let cursor = self.inbox.lock().streams.get(name).map(|reading| reading.place.cursor);
        let Some((cursor, from)) = cursor.and_then(|cursor| Some((cursor, id::before(cursor)?))) else {
            return Ok(None);
        };
        let from = from.to_string();
        let words = [&b"XREAD"[..], b"COUNT", b"1", b"STREAMS", name.as_bytes(), from.as_bytes()];
        let found = entries(link.ask_one(&words)?)?;
        Ok(Some(found.iter().flat_map(|(_, entries)| entries).any(|entry| entry.cursor == cursor)))
    }

    /// Looks whether streams are what they were, and leaves on the server how far the journal is.
    fn look(&self, link: &mut Link) -> Result<(), LinkError> {
        let names: Vec<(String, bool)> = self
            .inbox
            .lock()
            .streams
            .iter()
            .map(|(name, reading)| (name.clone(), reading.is_located))
            .collect();
        for (name, is_located) in names {
            let key = format!("corec:read:{name}");
            let mut request = Vec::new();
            push(&mut request, &[b"HGET", key.as_bytes(), self.field.as_bytes()]);
            push(&mut request, &[b"XINFO", b"STREAM", name.as_bytes()]);
            let answers = link.ask(&request, 2)?;
            let [known, info] = <[Value; 2]>::try_from(answers).unwrap_or_default();
            let info = stream_info(info)?;
            let has_entry = if is_located { None } else { self.has_entry(link, &name)? };
            let left = {
                let mut inner = self.inbox.lock();
                let Some(reading) = inner.streams.get_mut(&name) else { continue };
                if !is_located {
                    remember(reading, text(&known));
                }
                let located = locate(reading.place, info, has_entry);
                if let Some(what) = located.what {
                    tracing::warn!(lost = located.lost, cursor = %reading.place.cursor, now = %located.place.cursor,
                        "bus {}: stream '{name}' {what}", self.url.shown);
                }
                reading.found(&located);
                let position = reading.position_done().map_or_else(|| "-".into(), |n| n.to_string());
                format!("{} {position} {:.0}", reading.done, our_clock())
            };
            // A user who may not write does without: it is a hint.
            link.ask_one(&[b"HSET", key.as_bytes(), self.field.as_bytes(), left.as_bytes()])?;
        }
        Ok(())
    }
}

/// Waits for entries of streams after their cursors, at most `count` of each.
fn read_on(link: &mut Link, wanted: &[(String, Cursor, usize)], count: usize) -> Result<Value, LinkError> {
    let (count, block) = (count.to_string(), BLOCK.as_millis().to_string());
    let cursors: Vec<String> = wanted.iter().map(|(_, cursor, _)| cursor.to_string()).collect();
    let mut words: Vec<&[u8]> =
        vec![b"XREAD", b"COUNT", count.as_bytes(), b"BLOCK", block.as_bytes(), b"STREAMS"];
    words.extend(wanted.iter().map(|(name, _, _)| name.as_bytes()));
    words.extend(cursors.iter().map(String::as_bytes));
    link.ask_one(&words)
}

/// Takes from what the server knows of this reader how many entries the stream had had at its cursor.
fn remember(reading: &mut Reading, known: Option<&str>) {
    reading.place.is_known = known.is_some();
    if reading.place.position.is_some() {
        return;
    }
    let mut words = known.unwrap_or_default().split(' ');
    let (at, position) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if id::parse(at.as_bytes()) == Some(reading.place.cursor) {
        reading.place.position = position.parse().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_comes_back_knows_how_much_it_had() {
        let mut reading = Reading::from(Cursor(7, 0));
        remember(&mut reading, None);
        assert_eq!((reading.place.is_known, reading.place.position), (false, None));
        remember(&mut reading, Some("9-0 12 1700000000"));
        assert_eq!((reading.place.is_known, reading.place.position), (true, None), "of another place");
        remember(&mut reading, Some("7-0 12 1700000000"));
        assert_eq!(reading.place.position, Some(12));
    }
}
