//! Ledger: reads and writes streams of a Redis server without CoreC, to know what there should be.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ::redis::{Client, Connection, FromRedisValue, Pipeline, TlsCertificates, cmd};

/// Entries that are asked for at a time.
const PAGE: usize = 10_000;

type Fields = Vec<(String, Vec<u8>)>;

/// A connection of the tests' own.
pub struct Ledger(Connection);

/// An entry, as the server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The server's own number: `MILLISECONDS-SEQUENCE`.
    pub at: String,
    /// The field `data`; empty without one.
    pub data: Vec<u8>,
    /// The field `id`: what CoreC knows the entry by.
    pub id: Option<String>,
}

impl Ledger {
    pub(super) fn open(port: u16, password: Option<&str>, ca: Option<&Path>) -> Self {
        let login = password.map(|password| format!(":{password}@")).unwrap_or_default();
        let client = match ca {
            Some(ca) => {
                let root_cert = Some(fs::read(ca).unwrap_or_else(|e| panic!("{}: {e}", ca.display())));
                let certificates = TlsCertificates { client_tls: None, root_cert };
                Client::build_with_tls(format!("rediss://{login}localhost:{port}"), certificates)
            }
            None => Client::open(format!("redis://{login}127.0.0.1:{port}")),
        };
        let connection =
            client.and_then(|client| client.get_connection_with_timeout(Duration::from_secs(30)));
        Self(connection.unwrap_or_else(|e| panic!("port {port}: {e}")))
    }

    /// Adds an entry with the field `data`; gives its number.
    pub fn add(&mut self, stream: &str, data: &[u8]) -> String {
        self.add_all(stream, [data]).remove(0)
    }

    /// Adds entries, many at a time; gives their numbers, in order.
    pub fn add_all<D: AsRef<[u8]>>(
        &mut self,
        stream: &str,
        data: impl IntoIterator<Item = D>,
    ) -> Vec<String> {
        let data: Vec<D> = data.into_iter().collect();
        let mut added = Vec::with_capacity(data.len());
        for page in data.chunks(PAGE) {
            let mut pipe = Pipeline::new();
            for data in page {
                pipe.cmd("XADD").arg(stream).arg("*").arg("data").arg(data.as_ref());
            }
            let page: Vec<String> = pipe.query(&mut self.0).unwrap_or_else(|e| panic!("XADD {stream}: {e}"));
            added.extend(page);
        }
        added
    }

    /// All entries of a stream, oldest first.
    pub fn entries(&mut self, stream: &str) -> Vec<Written> {
        let mut entries: Vec<Written> = Vec::new();
        loop {
            let from = entries.last().map_or("-".into(), |entry| format!("({}", entry.at));
            let page: Vec<(String, Fields)> =
                self.ask(&["XRANGE", stream, &from, "+", "COUNT", &PAGE.to_string()]);
            let count = page.len();
            entries.extend(page.into_iter().map(|(at, fields)| written(at, fields)));
            if count < PAGE {
                return entries;
            }
        }
    }

    /// What the server says to a command, which must succeed.
    pub fn ask<T: FromRedisValue>(&mut self, command: &[&str]) -> T {
        cmd(command[0]).arg(&command[1..]).query(&mut self.0).unwrap_or_else(|e| panic!("{command:?}: {e}"))
    }
}

fn written(at: String, fields: Fields) -> Written {
    let mut entry = Written { at, data: Vec::new(), id: None };
    for (name, value) in fields {
        match name.as_str() {
            "data" => entry.data = value,
            "id" => entry.id = Some(String::from_utf8_lossy(&value).into_owned()),
            _ => {}
        }
    }
    entry
}
