//! Tail: follows a stream that anybody writes, for people, and says what becomes of it.

use std::time::Duration;

use corec_core::bus::Cursor;
use redis::Client;

use super::id;
use super::link::{CONNECT, Link, LinkError};
use super::reply::{Message, StreamInfo, messages, stream_info};
use super::url::RedisUrl;

/// How long the server may wait for an entry before it says that there is none.
const BLOCK: Duration = Duration::from_millis(250);
/// Entries asked for at once, each of 16 MiB at most.
const COUNT: u64 = 100;

/// Where a stream is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailFrom {
    /// Its first entry.
    Start,
    /// What comes from now on.
    End,
    /// An entry, that one too.
    Entry(Cursor),
}

impl std::str::FromStr for TailFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole =
            |text: &str| id::parse(text.as_bytes()).or_else(|| id::parse(format!("{text}-0").as_bytes()));
        match text {
            "start" => Ok(Self::Start),
            "end" => Ok(Self::End),
            _ => whole(text).map(Self::Entry).ok_or_else(|| {
                format!(
                    "found '{}', must be start, end or an entry's id: 1767225600000-0",
                    text.escape_debug()
                )
            }),
        }
    }
}

/// A stream that is followed.
pub struct Tail {
    url: RedisUrl,
    client: Client,
    stream: String,
    from: TailFrom,
    /// After the last entry that was read; none before the server has been reached.
    cursor: Option<Cursor>,
    link: Option<Link>,
}

impl Tail {
    /// A stream of a server. Touches nothing.
    ///
    /// # Errors
    /// A file of certificates that can't be read: a text.
    pub fn new(url: &RedisUrl, stream: &str, from: TailFrom) -> Result<Self, String> {
        let client = url.client()?;
        Ok(Self { url: url.clone(), client, stream: stream.into(), from, cursor: None, link: None })
    }

    /// Where it is, without a password.
    pub fn shown(&self) -> &str {
        &self.url.shown
    }

    /// Waits a moment for entries, at most `max`; none are no error. `tell` hears what has become of the stream.
    ///
    /// # Errors
    /// See [`LinkError`]. The next call connects anew, and goes on after what was read.
    pub fn next(&mut self, max: u64, tell: &mut dyn FnMut(String)) -> Result<Vec<Message>, LinkError> {
        let read = self.read(max, tell);
        if read.is_err() {
            self.link = None;
        }
        read
    }

    fn read(&mut self, max: u64, tell: &mut dyn FnMut(String)) -> Result<Vec<Message>, LinkError> {
        if self.link.is_none() {
            let mut link = Link::open(&self.client, "corec-tail", CONNECT)?;
            link.allow(BLOCK)?;
            self.link = Some(link);
            self.look(tell)?;
        }
        let (count, block) = (max.min(COUNT).to_string(), BLOCK.as_millis().to_string());
        let cursor = self.cursor.unwrap_or_default().to_string();
        let words = [&b"XREAD"[..], b"COUNT", count.as_bytes(), b"BLOCK", block.as_bytes(), b"STREAMS"];
        let link = self.link.as_mut().ok_or_else(not_connected)?;
        let answer = link.ask_one(&[&words[..], &[self.stream.as_bytes(), cursor.as_bytes()]].concat())?;
        let read = messages(answer)?;
        match read.last() {
            Some(last) => self.cursor = Some(last.at),
            // A stream that was emptied would be waited for in silence.
            None => self.look(tell)?,
        }
        Ok(read)
    }

    /// Looks whether the stream is what it was.
    fn look(&mut self, tell: &mut dyn FnMut(String)) -> Result<(), LinkError> {
        let link = self.link.as_mut().ok_or_else(not_connected)?;
        let answer = link.ask_one(&[b"XINFO", b"STREAM", self.stream.as_bytes()])?;
        let info = stream_info(answer)?;
        let Some(cursor) = self.cursor else {
            self.cursor = Some(self.begin(info));
            if info.is_none() {
                tell(format!("stream '{}': is not there yet: waiting for its first entry", self.stream));
            }
            return Ok(());
        };
        let last = info.unwrap_or_default().last;
        if last < cursor && cursor > Cursor::START {
            self.cursor = Some(Cursor::START);
            tell(format!(
                "stream '{}': ends at {last}, and was read to {cursor}: it was emptied or set back, and is read from its beginning",
                self.stream
            ));
        }
        Ok(())
    }

    fn begin(&self, info: Option<StreamInfo>) -> Cursor {
        match self.from {
            TailFrom::Start => Cursor::START,
            TailFrom::End => info.unwrap_or_default().last,
            TailFrom::Entry(entry) => id::before(entry).unwrap_or_default(),
        }
    }
}

fn not_connected() -> LinkError {
    LinkError::Away("not connected".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_begin_is_a_word_or_an_id() {
        assert_eq!(("start".parse(), "end".parse()), (Ok(TailFrom::Start), Ok(TailFrom::End)));
        assert_eq!(
            ("5-3".parse(), "7".parse()),
            (Ok(TailFrom::Entry(Cursor(5, 3))), Ok(TailFrom::Entry(Cursor(7, 0))))
        );
        for wrong in ["", "x", "-1", "5-", "\x1b"] {
            let error = wrong.parse::<TailFrom>().unwrap_err();
            assert!(error.contains("must be start") && !error.contains('\x1b'), "{error}");
        }
    }
}
