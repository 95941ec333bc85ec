//! Damaged files: refused with the place, or read as far as they are whole; never a panic, never something else than was written.
//! `COREC_DAMAGE=10000 cargo test --release --test damage` for more of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use corec::prelude::{Draws, rng};
use corec_core::journal::{LogError, LogReader};
use corec_core::snapshot::{Snapshot, SnapshotError};
use support::json;

fn times() -> u64 {
    std::env::var("COREC_DAMAGE").ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}

/// The `n`-th way to damage a file: bits, bytes, a page of zeros, an end cut off, one moved, more at the end.
fn damage(whole: &[u8], n: u64) -> Vec<u8> {
    let words = Draws::new(7, "damage").words(n, 0, 0);
    let (at, length) = (rng::below(words[1], whole.len() as u32) as usize, whole.len());
    let mut bytes = whole.to_vec();
    match words[0] % 6 {
        0 => bytes[at] ^= 1 << (words[2] % 8),
        1 => bytes[at] = bytes[at].wrapping_add(1 + (words[2] % 255) as u8),
        2 => bytes[at..length.min(at + 4096)].fill(0),
        3 => bytes.truncate(at),
        4 => bytes.rotate_left(1 + at % 64),
        _ => bytes.extend_from_slice(&whole[..at.min(100) + 1]),
    }
    bytes
}

#[test]
fn a_damaged_snapshot_is_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["run", "--entities", "3k", "--ticks", "10", "--snapshot-interval", "10", "--out", "run"];
    json(folder.path(), &arguments, 0);
    let file = folder.path().join("run/snapshots/tick-000000000010.corec");
    let whole = fs::read(&file).unwrap();
    for n in 0..times() {
        let damaged = damage(&whole, n);
        if damaged == whole {
            continue;
        }
        fs::write(&file, &damaged).unwrap();
        match Snapshot::open(&file).and_then(|snapshot| snapshot.verify()) {
            Err(SnapshotError::Damaged { offset, .. }) => {
                assert!(offset <= damaged.len() as u64, "damage {n}")
            }
            Err(error) => panic!("damage {n}: {error}"),
            Ok(()) => panic!("damage {n} went unnoticed"),
        }
    }
}

fn records(folder: &Path) -> Result<Vec<Vec<u8>>, LogError> {
    let (mut log, mut records) = (LogReader::open(folder)?, Vec::new());
    while let Some((_, record)) = log.next_record()? {
        records.push(record.to_vec());
    }
    Ok(records)
}

#[test]
fn a_damaged_journal_has_its_records_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["run", "--entities", "1k", "--ticks", "400", "--out", "run"];
    json(folder.path(), &arguments, 0);
    let (journal, file) = (folder.path().join("run/journal"), folder.path().join("run/journal/00000001.log"));
    let (whole, all) = (fs::read(&file).unwrap(), records(&journal).unwrap());
    assert_eq!(all.len(), 40, "a digest every ten ticks");
    for n in 0..times() {
        fs::write(&file, damage(&whole, n)).unwrap();
        match records(&journal) {
            Ok(kept) => assert!(all.starts_with(&kept), "damage {n}"),
            Err(LogError::Damaged { .. }) => {}
            Err(error) => panic!("damage {n}: {error}"),
        }
    }
}
