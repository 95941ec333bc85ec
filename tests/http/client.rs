//! A client: asks over a connection of its own, and reads the answer to its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// What came.
pub struct Answer {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

pub fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Sends bytes, and reads an answer; none if the other end closes without one.
pub fn raw(address: &str, request: &[u8]) -> Option<Answer> {
    let mut stream = connect(address);
    // It may be refused before it is sent.
    _ = stream.write_all(request);
    let mut all = Vec::new();
    _ = stream.read_to_end(&mut all);
    let end = all.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&all[..end]).to_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head, body: all.split_off(end + 4) })
}

/// Asks with more lines of the head, each with its end.
pub fn ask(address: &str, method: &str, path: &str, more: &str) -> Answer {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n");
    raw(address, request.as_bytes()).unwrap_or_else(|| panic!("{method} {path}: no answer"))
}

pub fn get(address: &str, path: &str) -> Answer {
    ask(address, "GET", path, "")
}

/// An event of the stream.
#[derive(Debug, Default, Clone)]
pub struct Event {
    pub name: String,
    pub id: String,
    pub data: String,
}

/// Watches.
pub struct Viewer(BufReader<TcpStream>);

impl Viewer {
    pub fn new(address: &str, hz: &str) -> Self {
        let mut stream = connect(address);
        write!(
            stream,
            "GET /api/v1/stream?hz={hz} HTTP/1.0\r\nHost: localhost\r\nLast-Event-ID: \u{ff};-1 x\r\n\r\n"
        )
        .unwrap();
        let mut viewer = Self(BufReader::new(stream));
        let first = viewer.line().unwrap();
        assert!(first.contains("200"), "{first}");
        viewer
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.0.read_line(&mut line).ok()? > 0).then_some(line)
    }

    /// The next event; none when the stream is over.
    pub fn event(&mut self) -> Option<Event> {
        let mut event = Event::default();
        loop {
            let line = self.line()?;
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => event.name = name.into(),
                Some(("id", id)) => event.id = id.into(),
                Some(("data", data)) => event.data = data.into(),
                None if line.trim_end().is_empty() && !event.name.is_empty() => return Some(event),
                _ => {}
            }
        }
    }
}
