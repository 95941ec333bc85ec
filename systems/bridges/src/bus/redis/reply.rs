//! Reply: what the server answers, as entries and as facts about a stream. Whatever it says, nothing here panics.

use std::fmt::{self, Debug, Write};

use corec_core::bus::{Cursor, Entry};
use redis::Value;

use super::id;
use super::link::{LinkError, of_server};

/// The most an entry's data may have; of a larger one nothing is given, so that it is refused like any that can't be read.
pub const ENTRY_BYTES_MAX: usize = 16 << 20;

/// Letters that are told of an answer of another form.
const LETTERS_SHOWN: usize = 80;

/// What a stream is, as `XINFO STREAM` has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamInfo {
    /// Entries there are.
    pub length: u64,
    /// Entries there ever were.
    pub added: u64,
    /// The last id that was given.
    pub last: Cursor,
    /// The first entry's id.
    pub first: Option<Cursor>,
}

/// Reads the answer to `XREAD`: streams with their entries, oldest first.
///
/// # Errors
/// What the server says, or an answer of another form.
pub fn entries(value: Value) -> Result<Vec<(String, Vec<Entry>)>, LinkError> {
    let streams = match value {
        Value::Nil => return Ok(Vec::new()),
        Value::Array(streams) => streams,
        other => return Err(unexpected("XREAD", &other)),
    };
    let entry = |of: Message| Entry { cursor: of.at, data: of.data.unwrap_or_default() };
    streams.into_iter().map(|value| stream(value, entry)).collect()
}

/// An entry with all that a reader of any stream may want to know of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub at: Cursor,
    /// The field `id`: who wrote it, and as what.
    pub by: Option<Vec<u8>>,
    /// The field `data`; none where it is missing or too long.
    pub data: Option<Vec<u8>>,
}

/// Reads the answer to `XREAD` of one stream, oldest first.
///
/// # Errors
/// As [`entries`].
pub fn messages(value: Value) -> Result<Vec<Message>, LinkError> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::Array(mut streams) if streams.len() == 1 => {
            Ok(stream(streams.remove(0), |message| message)?.1)
        }
        other => Err(unexpected("XREAD", &other)),
    }
}

fn stream<T>(value: Value, make: impl Fn(Message) -> T) -> Result<(String, Vec<T>), LinkError> {
    match pair(value) {
        Ok((Value::BulkString(name), Value::Array(found))) => {
            let found: Result<Vec<T>, LinkError> =
                found.into_iter().map(|value| message(value).map(&make)).collect();
            Ok((String::from_utf8_lossy(&name).into_owned(), found?))
        }
        Ok((_, other)) | Err(other) => Err(unexpected("XREAD", &other)),
    }
}

fn message(value: Value) -> Result<Message, LinkError> {
    let (id, fields) = pair(value).map_err(|other| unexpected("XREAD", &other))?;
    let at = cursor(&id).ok_or_else(|| unexpected("an entry's id", &id))?;
    let mut message = Message { at, ..Message::default() };
    // An entry that was deleted has no fields.
    let fields = if let Value::Array(fields) = fields { fields } else { Vec::new() };
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        match (name, value) {
            (Value::BulkString(name), Value::BulkString(value)) if name == b"data" => {
                message.data = Some(value).filter(|data| data.len() <= ENTRY_BYTES_MAX);
            }
            (Value::BulkString(name), Value::BulkString(value)) if name == b"id" => message.by = Some(value),
            _ => {}
        }
    }
    Ok(message)
}

/// Reads the answer to `XINFO STREAM`; none where there is no stream.
///
/// # Errors
/// What the server says, or an answer of another form.
pub fn stream_info(value: Value) -> Result<Option<StreamInfo>, LinkError> {
    let facts = match value {
        Value::Array(facts) => facts,
        Value::ServerError(error) if error.details().is_some_and(|text| text.contains("no such key")) => {
            return Ok(None);
        }
        other => return Err(unexpected("XINFO", &other)),
    };
    let mut info = StreamInfo::default();
    let mut facts = facts.into_iter();
    while let (Some(name), Some(value)) = (facts.next(), facts.next()) {
        let Value::BulkString(name) = name else { continue };
        match (&name[..], value) {
            (b"length", Value::Int(n)) => info.length = n.max(0).unsigned_abs(),
            (b"entries-added", Value::Int(n)) => info.added = n.max(0).unsigned_abs(),
            (b"last-generated-id", id) => info.last = cursor(&id).unwrap_or_default(),
            (b"first-entry", Value::Array(entry)) => info.first = entry.first().and_then(cursor),
            _ => {}
        }
    }
    Ok(Some(info))
}

/// A text, where the answer is one.
pub fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// An entry's id.
pub fn cursor(value: &Value) -> Option<Cursor> {
    text(value).and_then(|text| id::parse(text.as_bytes()))
}

/// The error that an answer is, or that it is none that was to be expected.
pub fn unexpected(to: &str, value: &Value) -> LinkError {
    match value {
        Value::ServerError(error) => of_server(error.code(), error.details().unwrap_or_default()),
        other => LinkError::Away(format!("it answers {to} with {}", start_of(other))),
    }
}

/// The first letters of a thing, and no more of it than they need: an answer may have hundreds of megabytes.
fn start_of(what: &impl Debug) -> String {
    let mut start = Start { text: String::new(), left: LETTERS_SHOWN };
    // Its only error is that there are enough of them.
    _ = write!(start, "{what:?}");
    start.text
}

struct Start {
    text: String,
    left: usize,
}

impl Write for Start {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for letter in more.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(letter);
        }
        Ok(())
    }
}

fn pair(value: Value) -> Result<(Value, Value), Value> {
    match value {
        Value::Array(two) if two.len() == 2 => {
            let mut two = two.into_iter();
            Ok((two.next().unwrap_or_default(), two.next().unwrap_or_default()))
        }
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(bytes: &[u8]) -> Value {
        redis::parse_redis_value(bytes).unwrap()
    }

    #[test]
    fn an_answer_to_xread_is_its_entries_and_poison_has_no_data() {
        let reply = b"*1\r\n*2\r\n$1\r\ns\r\n*3\r\n\
            *2\r\n$3\r\n5-1\r\n*4\r\n$2\r\nid\r\n$1\r\nx\r\n$4\r\ndata\r\n$2\r\nab\r\n\
            *2\r\n$3\r\n6-0\r\n*2\r\n$5\r\nother\r\n$1\r\nx\r\n\
            *2\r\n$3\r\n7-0\r\n*-1\r\n";
        let read = entries(parse(reply)).unwrap();
        let of = |ms, sequence, data: &[u8]| Entry { cursor: Cursor(ms, sequence), data: data.into() };
        assert_eq!(read, [("s".to_string(), vec![of(5, 1, b"ab"), of(6, 0, b""), of(7, 0, b"")])]);
        assert_eq!(entries(Value::Nil).unwrap(), []);
        let read = messages(parse(reply)).unwrap();
        let first = Message { at: Cursor(5, 1), by: Some(b"x".into()), data: Some(b"ab".into()) };
        assert_eq!((&read[0], read[1].data.as_deref(), read.len()), (&first, None, 3));
    }

    #[test]
    fn a_stream_that_is_not_there_is_none_and_other_errors_are_told() {
        assert_eq!(stream_info(parse(b"-ERR no such key\r\n")).unwrap(), None);
        let error = stream_info(parse(b"-NOPERM no permissions to run the 'xinfo' command\r\n")).unwrap_err();
        assert!(matches!(&error, LinkError::Denied(text) if text.contains("xinfo")), "{error:?}");
        let info = b"*6\r\n$6\r\nlength\r\n:2\r\n$17\r\nlast-generated-id\r\n$3\r\n7-0\r\n$13\r\nentries-added\r\n:9\r\n";
        let expected = StreamInfo { length: 2, added: 9, last: Cursor(7, 0), ..StreamInfo::default() };
        assert_eq!(stream_info(parse(info)).unwrap(), Some(expected));
    }

    #[test]
    fn an_answer_without_an_end_is_told_by_its_first_letters() {
        struct Endless;
        impl Debug for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("é1")?;
                }
            }
        }
        assert_eq!(start_of(&Endless), "é1".repeat(40));
        let error = entries(Value::BulkString(b"x".repeat(1000))).unwrap_err();
        assert_eq!(error.text(), format!("it answers XREAD with bulk-string('\"{}", "x".repeat(66)));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = redis::parse_redis_value(&bytes) {
                _ = (entries(value.clone()), messages(value.clone()), stream_info(value));
            }
        }
    }
}
