//! The writer: cuts a state into parts, compresses them side by side, and writes them one after the other.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_64;
use zstd::bulk::Compressor;

use super::format::{ENDS, FRAME_BYTES, Frame, HEADER_BYTES, Index, Part, VERSION, header, sort_bytes};
use crate::snapshot::Head;

/// The fastest level: on noisy columns the others gain a percent or two.
const LEVEL: i32 = 1;

/// A state about to be written: columns as packed live rows, wherever they are.
pub(in crate::snapshot) struct State<'a> {
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
pub(in crate::snapshot) fn write(state: &State, path: &Path, threads: usize) -> io::Result<u64> {
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
