//! A stream, followed by people: its entries as they come, decoded, and what becomes of the server.

mod decoded;

use std::ops::ControlFlow;
use std::time::Duration;

use corec_bridges::bus::redis::{LinkError, RedisUrl, Tail};
use corec_bridges::wait::Backoff;
use corec_core::stop::Stop;
use serde_json::{Value, json};

use crate::error::RunError;
use crate::feed::{is_stopped, pause};

pub use corec_bridges::bus::redis::TailFrom;
pub use decoded::Decoded;

/// The first pause before a server is tried again, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// What is followed.
#[derive(Clone, Debug)]
pub struct Following {
    /// The server's URL.
    pub bus: String,
    /// The stream.
    pub stream: String,
    /// Where it begins.
    pub from: TailFrom,
    /// Entries after which it ends.
    pub count: Option<u64>,
}

/// An entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Its id on the server.
    pub at: String,
    /// The field `id`: who wrote it, and as what.
    pub by: Option<String>,
    /// What it holds.
    pub data: Decoded,
}

impl Told {
    /// On one line.
    pub fn line(&self) -> String {
        let by = self.by.as_deref().unwrap_or("-");
        // An end of line within would make two of it.
        let line = format!("{}  {by}  {}", self.at, self.data);
        line.replace('\n', "\\n").replace('\t', "\\t")
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let mut told = json!({ "at": self.at, "by": self.by });
        if let (Value::Object(told), Value::Object(data)) = (&mut told, self.data.to_json()) {
            told.insert("data".into(), data.into());
        }
        told
    }
}

/// Follows a stream until `stop` is set, `count` entries were shown, or `show` has had enough. `warn` hears what becomes of the stream
/// and the server.
///
/// # Errors
/// A URL that can't be read, or a server that does not let us before it ever did.
pub fn follow(
    what: &Following,
    stop: &Stop,
    show: &mut dyn FnMut(Told) -> ControlFlow<()>,
    warn: &mut dyn FnMut(String),
) -> Result<(), RunError> {
    let wrong = |text: String| RunError::Usage(format!("--bus: {text}"));
    let url = RedisUrl::parse(&what.bus).map_err(wrong)?;
    let mut tail = Tail::new(&url, &what.stream, what.from).map_err(wrong)?;
    stop.heed();
    let (mut left, mut backoff) = (what.count.unwrap_or(u64::MAX), Backoff::new(PAUSES[0], PAUSES[1]));
    let (mut was_there, mut is_away) = (false, false);
    while left > 0 && !stop.is_set() {
        let error = match tail.next(left, warn) {
            Ok(read) => {
                if is_away {
                    warn(format!("{}: is back", tail.shown()));
                }
                (was_there, is_away) = (true, false);
                backoff.reset();
                for message in read {
                    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                    let data = Decoded::of(message.data.as_deref());
                    let told = Told { at: message.at.to_string(), by: message.by.map(text), data };
                    if show(told).is_break() {
                        return Ok(());
                    }
                    left -= 1;
                }
                continue;
            }
            Err(_) if is_stopped(stop) => return Ok(()),
            Err(error) => error,
        };
        let text = format!("{}: {}", tail.shown(), error.text());
        match error {
            LinkError::Wrong(_) => return Err(RunError::Usage(text)),
            // Somebody has to change something; later it may be changed back.
            LinkError::Denied(_) if !was_there => return Err(RunError::Usage(text)),
            _ if !is_away => warn(format!("{text}; tried again until it answers")),
            _ => {}
        }
        is_away = true;
        pause(backoff.pause(), stop);
    }
    Ok(())
}
