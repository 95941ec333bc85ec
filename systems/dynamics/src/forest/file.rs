//! File: a forest on disk, compact, to the bit.
//!
//! ```text
//! "CORECFOR" version u32, columns u32, rows for each tree u32, trees u32, offset f64
//! for each column, if they have names: bytes u16, its name     (first: whether they have, u8)
//! for each tree: nodes u32, then each in preorder: a split as column + 1 and its threshold f32, a leaf as 0 and its rows
//! xxh3 u64 of all that
//! ```
//! Numbers are little endian; a node's column and rows are LEB128.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::error::ForestError;
use super::rows::COLUMNS_MAX;
use super::settings::TREES_MAX;
use super::tree::Node;

const MAGIC: &[u8; 8] = b"CORECFOR";
const VERSION: u32 = 1;
/// Bytes of a file: more than the largest forest has.
const BYTES_MAX: u64 = 1 << 28;
/// Letters of a column's name, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 1000;

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parts {
    pub columns: u32,
    pub samples: u32,
    pub offset: f64,
    pub names: Vec<String>,
    pub trees: Vec<Vec<Node>>,
}

/// A forest as bytes.
pub(super) fn encode(
    columns: u32,
    samples: u32,
    offset: f64,
    names: &[String],
    trees: &[Vec<Node>],
) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for number in [VERSION, columns, samples, trees.len() as u32] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(offset.to_le_bytes());
    bytes.push(u8::from(!names.is_empty()));
    for name in names {
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend(name.as_bytes());
    }
    for nodes in trees {
        bytes.extend((nodes.len() as u32).to_le_bytes());
        for node in nodes {
            match *node {
                Node::Split { feature, threshold } => {
                    push_number(&mut bytes, feature + 1);
                    bytes.extend(threshold.to_le_bytes());
                }
                Node::Leaf { rows } => {
                    bytes.push(0);
                    push_number(&mut bytes, rows);
                }
            }
        }
    }
    bytes.extend(xxh3_64(&bytes).to_le_bytes());
    bytes
}

fn push_number(bytes: &mut Vec<u8>, mut number: u32) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Where in the bytes, what was found, what is allowed.
pub(super) type Fault = (usize, String, String);

fn fault<T>(at: usize, found: impl Into<String>, allowed: impl Into<String>) -> Result<T, Fault> {
    Err((at, found.into(), allowed.into()))
}

/// Reads bytes; that the trees are trees is left to be checked.
pub(super) fn decode(bytes: &[u8]) -> Result<Parts, Fault> {
    let mut from = Reader { bytes, at: 0 };
    if from.take::<8>()? != *MAGIC {
        return fault(0, "no forest", "a file of `corec forest fit`, which begins with CORECFOR");
    }
    let version = from.word()?;
    if version != VERSION {
        return fault(
            8,
            format!("format {version}"),
            format!("{VERSION}: it is of another version of the program"),
        );
    }
    let Some((body, hash)) = bytes.split_last_chunk().filter(|(body, _)| body.len() >= from.at) else {
        return fault(bytes.len(), "the end", "a checksum");
    };
    if xxh3_64(body) != u64::from_le_bytes(*hash) {
        return fault(body.len(), "a checksum of other bytes", "that of the file: it is damaged or cut off");
    }
    from.bytes = body;
    let columns = from.number("columns", COLUMNS_MAX as u32)?;
    let samples = from.number("rows for each tree", u32::MAX)?;
    let trees = from.number("trees", TREES_MAX)?;
    let at = from.at;
    let offset = f64::from_le_bytes(from.take()?);
    if !(-1.0..=0.0).contains(&offset) {
        return fault(at, format!("the offset {offset}"), "within -1..=0");
    }
    let names = from.names(columns)?;
    let trees = (0..trees).map(|_| from.tree()).collect::<Result<_, _>>()?;
    if from.at != body.len() {
        return fault(from.at, format!("{} bytes after the last tree", body.len() - from.at), "none");
    }
    Ok(Parts { columns, samples, offset, names, trees })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn slice(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let Some(slice) = self.bytes[self.at..].get(..length) else {
            return fault(
                self.at,
                format!("the end {} bytes on", self.bytes.len() - self.at),
                format!("{length} bytes more"),
            );
        };
        self.at += length;
        Ok(slice)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        Ok(self.slice(N)?.try_into().expect("as many as were taken"))
    }

    fn word(&mut self) -> Result<u32, Fault> {
        self.take().map(u32::from_le_bytes)
    }

    /// A word within `1..=most`.
    fn number(&mut self, what: &str, most: u32) -> Result<u32, Fault> {
        let (at, number) = (self.at, self.word()?);
        if !(1..=most).contains(&number) {
            return fault(at, format!("{number} {what}"), format!("within 1..={most}"));
        }
        Ok(number)
    }

    /// A LEB128 number.
    fn short(&mut self) -> Result<u32, Fault> {
        let (start, mut number) = (self.at, 0u64);
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        u32::try_from(number).or_else(|_| fault(start, number.to_string(), "below 2^32"))
    }

    fn names(&mut self, columns: u32) -> Result<Vec<String>, Fault> {
        let [has_names] = self.take()?;
        (0..if has_names == 0 { 0 } else { columns })
            .map(|_| {
                let at = self.at;
                let length = usize::from(u16::from_le_bytes(self.take()?));
                let name =
                    std::str::from_utf8(self.slice(length)?).ok().filter(|name| name.len() <= NAME_BYTES_MAX);
                name.map(String::from)
                    .ok_or_else(|| (at, "no name".into(), "UTF-8 of at most 1000 bytes".into()))
            })
            .collect()
    }

    fn tree(&mut self) -> Result<Vec<Node>, Fault> {
        let at = self.at;
        let count = self.word()? as usize;
        // A node has two bytes at least.
        if count > (self.bytes.len() - self.at) / 2 {
            return fault(at, format!("{count} nodes"), "at most as many as the file has bytes for");
        }
        (0..count)
            .map(|_| {
                Ok(match self.short()?.checked_sub(1) {
                    Some(feature) => Node::Split { feature, threshold: f32::from_le_bytes(self.take()?) },
                    None => Node::Leaf { rows: self.short()? },
                })
            })
            .collect()
    }
}

fn io_error(path: &Path, error: &std::io::Error) -> ForestError {
    ForestError::Io { path: path.into(), message: error.to_string() }
}

/// Writes a file beside its place, and puts it there when it is whole.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), ForestError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(|error| {
        // A half-written file would keep a full disk full.
        _ = fs::remove_file(&temporary);
        io_error(path, &error)
    })
}

/// A file's bytes.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, ForestError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| io_error(path, &error))?;
    if bytes.len() as u64 > BYTES_MAX {
        let (path, found) = (path.into(), "more bytes".into());
        return Err(ForestError::File {
            path,
            at: bytes.len() - 1,
            found,
            allowed: format!("at most {BYTES_MAX}"),
        });
    }
    Ok(bytes)
}
