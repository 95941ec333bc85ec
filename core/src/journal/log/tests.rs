//! Logs written, torn, damaged and gone on with.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::format::{FILE_HEADER, FRAME_HEADER, VERSION, file_header};
use super::reader::files;
use super::*;
use crate::units::RunId;

const RUN: RunId = RunId(7);

fn write(folder: &Path, batches: &[Vec<Vec<u8>>], file_bytes_max: u64) {
    let mut log = LogWriter::open(folder, RUN, 7, false).unwrap();
    log.file_bytes_max = file_bytes_max;
    for batch in batches {
        batch.iter().for_each(|record| _ = log.append(record).unwrap());
        log.commit().unwrap();
    }
}

fn read(folder: &Path) -> Result<Vec<Vec<u8>>, LogError> {
    let mut log = LogReader::open(folder)?;
    let mut records = Vec::new();
    while let Some((sequence, bytes)) = log.next_record()? {
        records.push(bytes.to_vec());
        assert_eq!(sequence, records.len() as u64);
    }
    Ok(records)
}

fn batches() -> Vec<Vec<Vec<u8>>> {
    (0..6u8).map(|b| (0..4u8).map(|r| vec![b * 7 + r; usize::from(b * 5 + r)]).collect()).collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        batches in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..5), 0..8),
        more in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..5), 0..4),
        file_bytes_max in 16u64..200,
    ) {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &batches, file_bytes_max);
        write(folder.path(), &more, file_bytes_max);
        let all: Vec<Vec<u8>> = batches.into_iter().chain(more).flatten().collect();
        prop_assert_eq!(read(folder.path()).unwrap(), all);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), has_header: bool) {
        let folder = tempfile::tempdir().unwrap();
        let header = if has_header { file_header(VERSION, RUN, 7).to_vec() } else { Vec::new() };
        fs::write(folder.path().join("00000001.log"), [header, bytes].concat()).unwrap();
        _ = read(folder.path());
    }
}

#[test]
fn a_torn_tail_is_cut_and_the_log_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &batches(), u64::MAX);
    let file = folder.path().join("00000001.log");
    let (whole, all) = (fs::read(&file).unwrap(), read(folder.path()).unwrap());
    for length in 0..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        let kept = read(folder.path()).unwrap();
        assert!(
            all.starts_with(&kept) && kept.len().is_multiple_of(4),
            "{length} bytes: {} records",
            kept.len()
        );
        write(folder.path(), &[vec![vec![9]]], u64::MAX);
        let after = read(folder.path()).unwrap();
        assert_eq!(after, [&kept[..], &[vec![9]]].concat(), "{length} bytes");
    }
}

#[test]
fn no_flipped_bit_is_read_as_another_record() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &batches(), 150);
    let names = files(folder.path()).unwrap();
    assert!(names.len() > 2, "{names:?}");
    let all = read(folder.path()).unwrap();
    for (n, name) in names.iter().enumerate() {
        let whole = fs::read(name).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            fs::write(name, &damaged).unwrap();
            match read(folder.path()) {
                Err(LogError::Damaged { path, .. }) => {
                    assert!(path == *name || names.get(n + 1) == Some(&path))
                }
                Err(error) => panic!("byte {at} of {name:?}: {error}"),
                // Only the very last frame may be taken for one that was never finished.
                Ok(kept) => assert!(n == names.len() - 1 && kept == all[..all.len() - 4], "byte {at}"),
            }
        }
        fs::write(name, &whole).unwrap();
    }
    for missing in &names[..names.len() - 1] {
        let whole = fs::read(missing).unwrap();
        fs::remove_file(missing).unwrap();
        let before: Vec<Vec<u8>> = names.iter().filter_map(|name| fs::read(name).ok()).collect();
        let said = read(folder.path()).unwrap_err().to_string();
        assert!(said.contains(missing.file_name().unwrap().to_str().unwrap()), "{said}");
        assert!(LogWriter::open(folder.path(), RUN, 7, false).is_err());
        let after: Vec<Vec<u8>> = names.iter().filter_map(|name| fs::read(name).ok()).collect();
        assert_eq!(before, after, "a log that is refused is left as it is");
        fs::write(missing, whole).unwrap();
    }
    assert_eq!(read(folder.path()).unwrap(), all);
}

#[test]
fn zeros_before_a_whole_frame_are_damage_and_nothing_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &batches(), u64::MAX);
    let file = folder.path().join("00000001.log");
    let (whole, all) = (fs::read(&file).unwrap(), read(folder.path()).unwrap());
    let mut zeroed = whole.clone();
    zeroed[FILE_HEADER..FILE_HEADER + FRAME_HEADER].fill(0);
    fs::write(&file, &zeroed).unwrap();
    let error = read(folder.path()).unwrap_err();
    assert!(matches!(error, LogError::Damaged { offset: 32, .. }), "{error}");
    assert!(LogWriter::open(folder.path(), RUN, 7, false).is_err());
    assert_eq!(fs::read(&file).unwrap(), zeroed);
    // Zeros to the end are what a loss of power leaves: the records before them are whole.
    let mut read_in_part = 0;
    for at in FILE_HEADER..whole.len() {
        let mut zeroed = whole.clone();
        zeroed[at..].fill(0);
        fs::write(&file, &zeroed).unwrap();
        match read(folder.path()) {
            Ok(kept) => {
                assert!(all.starts_with(&kept), "zeros from byte {at}");
                read_in_part += usize::from(!kept.is_empty());
            }
            Err(error) => assert!(matches!(error, LogError::Damaged { .. }), "{error}"),
        }
    }
    assert!(read_in_part > 0, "nothing was read");
}

#[test]
fn what_is_discarded_is_not_written_and_leaves_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = LogWriter::open(folder.path(), RUN, 7, false).unwrap();
    for record in [b"one", b"two"] {
        log.append(b"given up").unwrap();
        log.discard();
        log.append(record).unwrap();
        log.commit().unwrap();
    }
    assert_eq!(read(folder.path()).unwrap(), [b"one", b"two"]);
}

#[test]
fn what_a_failed_rotation_left_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = LogWriter::open(folder.path(), RUN, 7, true).unwrap();
    log.file_bytes_max = 16;
    log.append(b"first").unwrap();
    log.commit().unwrap();
    for left in [&b""[..], b"COREC"] {
        fs::write(folder.path().join(format!("{:08}.log", log.number + 1)), left).unwrap();
        log.append(b"more").unwrap();
        log.commit().unwrap();
    }
    assert_eq!(read(folder.path()).unwrap(), [&b"first"[..], b"more", b"more"]);
}
