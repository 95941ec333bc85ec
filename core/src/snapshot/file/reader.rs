//! The reader: checks the index of a file when it opens it, and each frame when it reads it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bevy_ecs::world::World;
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;
use zstd::bulk::Decompressor;

use super::format::{
    ENDS, FOOTER_BYTES, FRAME_BYTES, Frame, HEADER_BYTES, Index, Part, VERSION, header, unsort_bytes,
};
use crate::block::Population;
use crate::digest::SavedResources;
use crate::raw;
use crate::snapshot::capture::unpack;
use crate::snapshot::{Head, SnapshotError};

/// What an index may take, compressed or not: a hundred times that of ten million entities.
const INDEX_BYTES_MAX: u64 = 256 << 20;
/// What a saved resource may take.
const RESOURCE_BYTES_MAX: u64 = 1 << 30;

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
    pub(in crate::snapshot) fn resource(&self, frame: &Frame) -> Result<Vec<u8>, SnapshotError> {
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
