//! The file: frames one after the other, and an index at its end.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use bevy_ecs::world::World;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;
use zstd::bulk::{Compressor, Decompressor};

use super::capture::unpack;
use super::{Head, HeadOfVersion1, SnapshotError};
use crate::block::Population;
use crate::digest::SavedResources;
use crate::raw;

const MAGIC: [u8; 8] = *b"CORECSNP";
/// By version: so that a version that was damaged is not taken for another one.
const ENDS: [[u8; 8]; 3] = [*b"CORECEND", *b"CORECEN2", *b"CORECEN3"];
/// Version 1 had no run's id in its head, version 2 cursors of 64 bits in its resources. Both are read.
const VERSION: u32 = 3;
const HEADER_BYTES: u64 = 16;
/// Bytes of the index, packed and not, and the xxh3 of all three; the end.
const FOOTER_BYTES: u64 = 32;
/// Bytes of a column that go in one frame, before compression: enough for zstd, and work for every thread.
const FRAME_BYTES: usize = 1 << 20;
/// The fastest level: on noisy columns the others gain a percent or two.
const LEVEL: i32 = 1;
/// What an index may take, compressed or not: a hundred times that of ten million entities.
const INDEX_BYTES_MAX: u64 = 256 << 20;
/// What a saved resource may take.
const RESOURCE_BYTES_MAX: u64 = 1 << 30;

#[derive(Serialize, Deserialize)]
struct Index<H = Head> {
    head: H,
    frames: Vec<Frame>,
}

impl Index {
    fn parse(raw: &[u8], version: u32) -> Result<Self, postcard::Error> {
        if version > 1 {
            return postcard::from_bytes(raw);
        }
        let Index { head, frames } = postcard::from_bytes::<Index<HeadOfVersion1>>(raw)?;
        Ok(Self { head: head.into(), frames })
    }
}

/// A compressed piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// What it holds.
    pub part: Part,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its bytes in the file.
    pub bytes: u64,
    /// Its bytes when decompressed.
    pub raw_bytes: u64,
    /// xxh3 of its bytes in the file.
    pub hash: u64,
}

/// What a frame holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Part {
    /// A piece of a column: kind and column by their place in the head, and the first of its bytes.
    Column(u16, u16, u64),
    /// A saved resource.
    Resource(String),
}

/// A state about to be written: columns as packed live rows, wherever they are.
pub(super) struct State<'a> {
    pub head: &'a Head,
    pub columns: Vec<&'a [u8]>,
    pub resources: &'a [(String, Vec<u8>)],
}

/// A part on its way into a frame: its bytes, and how many make a value.
struct Raw<'a> {
    part: Part,
    bytes: &'a [u8],
    size: usize,
}

/// Writes a state, compressing on `threads` threads. The file is whole and synced when this returns its size.
pub(super) fn write(state: &State, path: &Path, threads: usize) -> io::Result<u64> {
    let head = state.head;
    let raws = raws(state);
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(&header(VERSION))?;
    let (mut frames, mut offset) = (Vec::with_capacity(raws.len()), HEADER_BYTES);
    // A few frames for every thread at a time: what waits to be written is bounded.
    for raws in raws.chunks(8 * threads) {
        for (raw, packed) in raws.iter().zip(compress(raws, threads)?) {
            file.write_all(&packed)?;
            frames.push(Frame {
                part: raw.part.clone(),
                offset,
                bytes: packed.len() as u64,
                raw_bytes: raw.bytes.len() as u64,
                hash: xxh3_64(&packed),
            });
            offset += packed.len() as u64;
        }
    }
    let index = postcard::to_allocvec(&Index { head: head.clone(), frames }).map_err(io::Error::other)?;
    let mut packed = zstd::bulk::compress(&index, LEVEL)?;
    let (bytes, raw_bytes) = (packed.len() as u64, index.len() as u64);
    for word in [bytes, raw_bytes] {
        packed.extend_from_slice(&word.to_le_bytes());
    }
    let hash = xxh3_64(&packed);
    packed.extend_from_slice(&hash.to_le_bytes());
    packed.extend_from_slice(&ENDS[VERSION as usize - 1]);
    file.write_all(&packed)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(offset + packed.len() as u64)
}

fn header(version: u32) -> [u8; HEADER_BYTES as usize] {
    let mut header = [0; HEADER_BYTES as usize];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&version.to_le_bytes());
    header
}

fn raws<'a>(state: &State<'a>) -> Vec<Raw<'a>> {
    let mut raws = Vec::new();
    let columns = state.head.kinds.iter().enumerate().flat_map(|(kind, saved)| {
        saved.columns.iter().enumerate().map(move |(column, (_, size))| (kind, column, *size as usize))
    });
    for ((kind, column, size), packed) in columns.zip(&state.columns) {
        let piece = (FRAME_BYTES / size.max(1)).max(1) * size.max(1);
        for (at, bytes) in packed.chunks(piece).enumerate() {
            raws.push(Raw {
                part: Part::Column(kind as u16, column as u16, (at * piece) as u64),
                bytes,
                size,
            });
        }
    }
    let resources = state.resources.iter();
    raws.extend(resources.map(|(name, bytes)| Raw { part: Part::Resource(name.clone()), bytes, size: 1 }));
    raws
}

/// Compresses parts side by side, on threads of their own: the pool belongs to the tick.
fn compress(raws: &[Raw], threads: usize) -> io::Result<Vec<Vec<u8>>> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(vec![Vec::new(); raws.len()]));
    let work = || -> io::Result<()> {
        let (mut sorted, mut compressor) = (Vec::new(), Compressor::new(LEVEL)?);
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(raw) = raws.get(at) else { return Ok(()) };
            sort_bytes(raw.bytes, raw.size, &mut sorted);
            let packed = compressor.compress(&sorted)?;
            done.lock().unwrap_or_else(PoisonError::into_inner)[at] = packed;
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(raws.len())).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(io::Error::other("a panic"))))
    })?;
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// All first bytes of the values, then all second bytes, and so on: what is alike comes together, and zstd finds it.
fn sort_bytes(raw: &[u8], size: usize, sorted: &mut Vec<u8>) {
    sorted.clear();
    if size <= 1 || raw.is_empty() {
        return sorted.extend_from_slice(raw);
    }
    for byte in 0..size {
        sorted.extend(raw[byte..].iter().step_by(size));
    }
}

/// The other way round.
fn unsort_bytes(sorted: &[u8], size: usize, raw: &mut [u8]) {
    if size <= 1 || raw.is_empty() {
        return raw.copy_from_slice(sorted);
    }
    for (byte, plane) in sorted.chunks(sorted.len() / size).enumerate() {
        raw[byte..].iter_mut().step_by(size).zip(plane).for_each(|(to, from)| *to = *from);
    }
}

/// A snapshot's file, its index read and checked.
pub struct Snapshot {
    path: PathBuf,
    file: File,
    index: Index,
}

impl Snapshot {
    /// Opens a file and checks its header and index; the frames are checked by [`Snapshot::verify`], or when they are read.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub fn open(path: &Path) -> Result<Self, SnapshotError> {
        let fail = |e: io::Error| SnapshotError::io(path, &e);
        let file = crate::file::open(path).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        let damaged = |offset: u64, found: String, expected: &str| SnapshotError::Damaged {
            path: path.into(),
            offset,
            found,
            expected: expected.into(),
        };
        if length < HEADER_BYTES + FOOTER_BYTES {
            return Err(damaged(length, "the end of the file".into(), "a whole snapshot"));
        }
        let mut start = [0; HEADER_BYTES as usize];
        file.read_exact_at(&mut start, 0).map_err(fail)?;
        let version = (1..VERSION).find(|version| start == header(*version)).unwrap_or(VERSION);
        let is_other = |(found, expected): (&u8, u8)| *found != expected;
        if let Some(at) = start.iter().zip(header(version)).position(is_other) {
            let expected = format!("a snapshot of a format up to {VERSION}");
            return Err(damaged(at as u64, format!("{:#04x}", start[at]), &expected));
        }
        let mut footer = [0; FOOTER_BYTES as usize];
        let footer_at = length - FOOTER_BYTES;
        file.read_exact_at(&mut footer, footer_at).map_err(fail)?;
        if footer[24..] != ENDS[version as usize - 1] {
            return Err(damaged(footer_at + 24, "another end".into(), "the end of a snapshot"));
        }
        let word = |at: usize| u64::from_le_bytes(footer[at..at + 8].try_into().expect("eight bytes"));
        let (bytes, raw_bytes, hash) = (word(0), word(8), word(16));
        if bytes > INDEX_BYTES_MAX.min(footer_at - HEADER_BYTES) || raw_bytes > INDEX_BYTES_MAX {
            return Err(damaged(footer_at, format!("an index of {bytes} bytes"), "one that fits the file"));
        }
        let index_at = footer_at - bytes;
        let mut packed = vec![0; bytes as usize + 16];
        file.read_exact_at(&mut packed, index_at).map_err(fail)?;
        if xxh3_64(&packed) != hash {
            return Err(damaged(index_at, "an index with another checksum".into(), "as it was written"));
        }
        packed.truncate(bytes as usize);
        let index = zstd::bulk::decompress(&packed, raw_bytes as usize).map_err(|e| e.to_string());
        let index = index.and_then(|raw| Index::parse(&raw, version).map_err(|e| e.to_string()));
        let index = index.map_err(|e| damaged(index_at, e, "the index of a snapshot"))?;
        let snapshot = Self { path: path.into(), file, index };
        snapshot.check_frames(index_at)?;
        Ok(snapshot)
    }

    /// Frames follow each other from the header to the index, and make up every column in order.
    fn check_frames(&self, index_at: u64) -> Result<(), SnapshotError> {
        let mut offset = HEADER_BYTES;
        let mut wanted = self.columns().map(|(kind, column, bytes)| (kind, column, 0, bytes)).peekable();
        let mut current = None;
        for frame in &self.index.frames {
            let (raw_max, fits) = match &frame.part {
                Part::Resource(_) => (RESOURCE_BYTES_MAX, true),
                Part::Column(kind, column, first) => {
                    while current.is_none_or(|(_, _, done, bytes)| done == bytes)
                        && let Some(next) = wanted.next()
                    {
                        current = Some(next);
                    }
                    let fits = current.is_some_and(|(k, c, done, bytes): (u16, u16, u64, u64)| {
                        (k, c, done) == (*kind, *column, *first) && frame.raw_bytes <= bytes - done
                    });
                    if let Some((_, _, done, _)) = &mut current {
                        *done = done.saturating_add(frame.raw_bytes);
                    }
                    (2 * FRAME_BYTES as u64, fits)
                }
            };
            let is_sound = fits
                && frame.offset == offset
                && frame.raw_bytes <= raw_max
                && frame.bytes <= index_at - offset;
            if !is_sound {
                return Err(self.damaged(offset, "a frame out of its place", "the next piece of the state"));
            }
            offset += frame.bytes;
        }
        let is_complete =
            current.is_none_or(|(_, _, done, bytes)| done == bytes) && wanted.all(|(.., bytes)| bytes == 0);
        if offset != index_at || !is_complete {
            return Err(self.damaged(offset, "no more frames", "the rest of the state"));
        }
        Ok(())
    }

    /// (kind, column, bytes of its live rows) of every column.
    fn columns(&self) -> impl Iterator<Item = (u16, u16, u64)> {
        self.head().kinds.iter().enumerate().flat_map(|(k, kind)| {
            let live = kind.live();
            let column =
                move |(c, (_, size)): (usize, &(String, u32))| (k as u16, c as u16, live * u64::from(*size));
            kind.columns.iter().enumerate().map(column)
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of its run.
    pub fn head(&self) -> &Head {
        &self.index.head
    }

    /// Whether it has the resource `name`.
    pub(crate) fn has_resource(&self, name: &str) -> bool {
        self.index.frames.iter().any(|frame| matches!(&frame.part, Part::Resource(own) if own == name))
    }

    /// Its frames.
    pub fn frames(&self) -> &[Frame] {
        &self.index.frames
    }

    /// Reads every frame and checks it against the index.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] with the first that is not as it was written.
    pub fn verify(&self) -> Result<(), SnapshotError> {
        self.index.frames.par_iter().try_for_each(|frame| self.packed(frame).map(drop))
    }

    fn packed(&self, frame: &Frame) -> Result<Vec<u8>, SnapshotError> {
        let mut packed = vec![0; frame.bytes as usize];
        self.file.read_exact_at(&mut packed, frame.offset).map_err(|e| SnapshotError::io(&self.path, &e))?;
        if xxh3_64(&packed) != frame.hash {
            return Err(self.damaged(frame.offset, "a frame with another checksum", "as it was written"));
        }
        Ok(packed)
    }

    /// Reads a frame into `raw`, of its size, whose values have `size` bytes.
    fn read(&self, frame: &Frame, size: usize, raw: &mut [u8]) -> Result<(), SnapshotError> {
        let packed = self.packed(frame)?;
        let sorted = Decompressor::new().and_then(|mut d| d.decompress(&packed, raw.len()));
        match sorted {
            Ok(sorted) if sorted.len() == raw.len() => unsort_bytes(&sorted, size, raw),
            Ok(sorted) => {
                let found = format!("{} bytes", sorted.len());
                return Err(self.damaged(frame.offset, &found, &format!("{}", raw.len())));
            }
            Err(error) => return Err(self.damaged(frame.offset, &error.to_string(), "a zstd frame")),
        }
        Ok(())
    }

    /// The live rows of a column, packed in row order; frames are read in parallel on the current rayon pool.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    ///
    /// # Panics
    /// If the head has no such column.
    pub fn column(&self, kind: usize, column: usize) -> Result<Vec<u8>, SnapshotError> {
        let saved = &self.head().kinds[kind];
        let mut packed = vec![0; (saved.live() * u64::from(saved.columns[column].1)) as usize];
        self.column_into(kind, column, &mut packed)?;
        Ok(packed)
    }

    fn column_into(&self, kind: usize, column: usize, mut rest: &mut [u8]) -> Result<(), SnapshotError> {
        let size = self.head().kinds[kind].columns[column].1 as usize;
        let is_of = |f: &&Frame| matches!(f.part, Part::Column(k, c, _) if (k as usize, c as usize) == (kind, column));
        let mut pieces = Vec::new();
        for frame in self.index.frames.iter().filter(is_of) {
            let (piece, more) = rest.split_at_mut(frame.raw_bytes as usize);
            pieces.push((frame, piece));
            rest = more;
        }
        pieces.into_par_iter().try_for_each(|(frame, piece)| self.read(frame, size, piece))
    }

    /// A saved resource's bytes, by frame.
    pub(super) fn resource(&self, frame: &Frame) -> Result<Vec<u8>, SnapshotError> {
        let mut raw = vec![0; frame.raw_bytes as usize];
        self.read(frame, 1, &mut raw)?;
        Ok(raw)
    }

    /// Fills the columns and resources of a world whose population has been laid out as the head says.
    ///
    /// # Errors
    /// See [`SnapshotError`]; the world is of no use then.
    pub(crate) fn fill(&self, world: &mut World) -> Result<(), SnapshotError> {
        let population = std::mem::take(&mut *world.resource_mut::<Population>());
        let filled = population.kinds().iter().try_for_each(|kind| {
            let saved = self.head().kinds.iter().position(|saved| saved.name == kind.name());
            let k = saved.expect("the population was laid out as the head says");
            kind.columns().iter().enumerate().filter(|(_, column)| column.size() > 0).try_for_each(
                |(c, column)| {
                    let is_full = kind.live() == u64::from(kind.rows);
                    if is_full {
                        return self.column_into(k, c, raw::column_bytes_mut(world, kind.table, column));
                    }
                    let packed = self.column(k, c)?;
                    unpack(kind, &packed, column.size(), raw::column_bytes_mut(world, kind.table, column));
                    Ok(())
                },
            )
        });
        *world.resource_mut::<Population>() = population;
        filled?;
        let saved: Vec<_> =
            world.get_resource::<SavedResources>().into_iter().flat_map(SavedResources::iter).collect();
        for frame in &self.index.frames {
            let Part::Resource(name) = &frame.part else { continue };
            let Some(resource) = saved.iter().find(|saved| saved.name == name) else {
                return Err(self.foreign(format!("found the resource '{name}', which no plugin here saves")));
            };
            (resource.restore)(world, &self.resource(frame)?)
                .map_err(|e| self.foreign(format!("resource '{name}': {e}")))?;
        }
        Ok(())
    }

    fn damaged(&self, offset: u64, found: &str, expected: &str) -> SnapshotError {
        SnapshotError::Damaged {
            path: self.path.clone(),
            offset,
            found: found.into(),
            expected: expected.into(),
        }
    }

    pub(crate) fn foreign(&self, message: String) -> SnapshotError {
        SnapshotError::Foreign { path: self.path.clone(), message }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_sorted_and_unsorted_are_as_they_were(values in prop::collection::vec(any::<u8>(), 0..50), size in 1usize..20) {
            let raw: Vec<u8> = values.iter().flat_map(|v| (0..size).map(|k| v.wrapping_add(k as u8))).collect();
            let (mut sorted, mut back) = (Vec::new(), vec![0; raw.len()]);
            sort_bytes(&raw, size, &mut sorted);
            unsort_bytes(&sorted, size, &mut back);
            prop_assert_eq!(back, raw);
        }
    }
}
