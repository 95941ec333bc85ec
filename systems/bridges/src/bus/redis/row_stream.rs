//! Row stream: a stream of a table's rows, each under the id `SEQUENCE-0` of its own number.
//!
//! The server takes an id only if it is above the last one, so a row that is sent twice is there once. What the last id is, and whether
//! the entry that has it is the row of that number, says how far a table has come, and that nobody else writes to its stream.

use std::time::Duration;

use corec_core::bus::Cursor;
use redis::{Client, Value};

use super::command::push;
use super::link::{Link, LinkError};
use super::permissions::Uses;
use super::reply::{Message, cursor, messages, stream_info, unexpected};
use super::url::RedisUrl;

/// What the server says of an id that is not above the last one.
const NOT_ABOVE: &str = "equal or smaller";

/// Rows that are sent together.
#[derive(Default)]
pub struct RowBatch {
    data: Vec<u8>,
    /// The number of each, and where it ends.
    ends: Vec<(u64, usize)>,
}

/// How far a stream has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamEnd {
    /// The number of the last row that it has had; 0 for none.
    pub last: u64,
    /// That row, if it is still there.
    pub row: Option<Vec<u8>>,
    /// The first row that is there after the one that was asked about.
    pub first_after: Option<u64>,
}

/// A stream that takes a table's rows, on one connection at a time.
pub struct RowStream {
    url: RedisUrl,
    client: Client,
    stream: String,
    /// How long a connection may take.
    connect_timeout: Duration,
    link: Option<Link>,
    request: Vec<u8>,
}

impl RowBatch {
    /// Adds a row.
    pub fn push(&mut self, sequence: u64, data: &[u8]) {
        self.data.extend_from_slice(data);
        self.ends.push((sequence, self.data.len()));
    }

    /// Takes all of them out.
    pub fn clear(&mut self) {
        self.data.clear();
        self.ends.clear();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of them.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// The number of the first.
    pub fn first(&self) -> Option<u64> {
        self.ends.first().map(|(sequence, _)| *sequence)
    }

    /// The number of the last.
    pub fn last(&self) -> Option<u64> {
        self.ends.last().map(|(sequence, _)| *sequence)
    }

    /// Each with its number.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        self.ends.iter().zip(starts).map(|((sequence, end), start)| (*sequence, &self.data[start..*end]))
    }
}

impl RowStream {
    /// The stream `stream` of a server. Touches nothing.
    ///
    /// # Errors
    /// A file of certificates that can't be read: a text.
    pub fn new(url: &RedisUrl, stream: &str, connect_timeout: Duration) -> Result<Self, String> {
        let (url, client, stream, request) = (url.clone(), url.client()?, stream.into(), Vec::new());
        Ok(Self { url, client, stream, connect_timeout, link: None, request })
    }

    /// Whether the user may do what a feed does.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn check(&mut self) -> Result<(), LinkError> {
        let uses = Uses::of_feed(&self.stream);
        let (url, client) = (self.url.clone(), self.client.clone());
        let checked = uses.check(self.link()?, &url, &client);
        checked.map_err(|error| self.lose(error))
    }

    /// Where it is, without a password.
    pub fn shown(&self) -> &str {
        &self.url.shown
    }

    /// Asks how far the stream has come, on a new connection if the last one is lost. `after` is what [`StreamEnd::first_after`] comes after.
    ///
    /// # Errors
    /// See [`LinkError`]; a stream whose last id no row can have.
    pub fn locate(&mut self, after: u64) -> Result<StreamEnd, LinkError> {
        self.request.clear();
        push(&mut self.request, &[b"XINFO", b"STREAM", self.stream.as_bytes()]);
        let answer = self.ask(1)?.pop().unwrap_or_default();
        let Some(info) = stream_info(answer)? else { return Ok(StreamEnd::default()) };
        let Cursor(last, second) = info.last;
        if second != 0 {
            return Err(LinkError::Wrong(foreign(&self.stream, info.last, "SEQUENCE-0")));
        }
        let row = match last.checked_sub(1) {
            None => None,
            Some(before) => self.next(Cursor(before, u64::MAX))?.filter(|message| message.at == info.last),
        };
        let first_after = if last > after { self.next(Cursor(after, u64::MAX))? } else { None };
        Ok(StreamEnd {
            last,
            row: row.map(|message| message.data.unwrap_or_default()),
            first_after: first_after.map(|message| message.at.0),
        })
    }

    /// The row `sequence` as the stream has it; none if it has none.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn row(&mut self, sequence: u64) -> Result<Option<Vec<u8>>, LinkError> {
        let found = self.next(Cursor(sequence.saturating_sub(1), u64::MAX))?;
        let found = found.filter(|message| message.at == Cursor(sequence, 0));
        Ok(found.map(|message| message.data.unwrap_or_default()))
    }

    /// Sends rows, whose numbers rise. Gives how many the stream has taken: the others have ids that it had already, or passed.
    ///
    /// # Errors
    /// See [`LinkError`]: how many it has taken is not known then, and is to be asked.
    pub fn send(&mut self, rows: &RowBatch) -> Result<u64, LinkError> {
        self.request.clear();
        let mut id = String::new();
        for (sequence, data) in rows.iter() {
            id.clear();
            // A text takes what is written.
            _ = std::fmt::Write::write_fmt(&mut id, format_args!("{sequence}-0"));
            push(&mut self.request, &[b"XADD", self.stream.as_bytes(), id.as_bytes(), b"data", data]);
        }
        let mut taken = 0;
        for answer in self.ask(rows.len())? {
            match answer {
                Value::ServerError(error) if error.details().is_some_and(|text| text.contains(NOT_ABOVE)) => {
                }
                other if cursor(&other).is_some() => taken += 1,
                other => return Err(self.lose(unexpected("XADD", &other))),
            }
        }
        Ok(taken)
    }

    /// The first entry after a place.
    fn next(&mut self, after: Cursor) -> Result<Option<Message>, LinkError> {
        let after = after.to_string();
        self.request.clear();
        push(
            &mut self.request,
            &[b"XREAD", b"COUNT", b"1", b"STREAMS", self.stream.as_bytes(), after.as_bytes()],
        );
        let answer = self.ask(1)?.pop().unwrap_or_default();
        Ok(messages(answer)?.into_iter().next())
    }

    fn ask(&mut self, count: usize) -> Result<Vec<Value>, LinkError> {
        self.link()?;
        let link = self.link.as_mut().expect("it was just opened");
        link.ask(&self.request, count).map_err(|error| self.lose(error))
    }

    fn link(&mut self) -> Result<&mut Link, LinkError> {
        match &mut self.link {
            Some(link) => Ok(link),
            none => Ok(none.insert(Link::open(&self.client, "corec-feed", self.connect_timeout)?)),
        }
    }

    /// What a connection is in the middle of after an error is not known.
    fn lose(&mut self, error: LinkError) -> LinkError {
        self.link = None;
        error
    }
}

/// What is said of a stream that others write to.
pub(super) fn foreign(stream: &str, found: Cursor, allowed: &str) -> String {
    format!(
        "stream '{stream}': found the last id {found}, must be {allowed}: others write to it, take another name"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_what_was_put_in() {
        let mut rows = RowBatch::default();
        for (sequence, data) in [(4, &b"ab"[..]), (7, b""), (9, b"c")] {
            rows.push(sequence, data);
        }
        assert_eq!(rows.iter().collect::<Vec<_>>(), [(4, &b"ab"[..]), (7, b""), (9, b"c")]);
        assert_eq!((rows.len(), rows.bytes(), rows.is_empty()), (3, 3, false));
        rows.clear();
        assert_eq!((rows.len(), rows.bytes()), (0, 0));
    }
}
