//! The log: numbered records in a folder of files, in frames that are whole or not there.
//!
//! ```text
//! 00000001.log: "CORECLOG" version u32, content u16, check u16, run 16 bytes | frame | frame | ...
//! frame: check u32, payload u32, unpacked u32, records u32, first sequence u64, xxh3 u64 | zstd of (length u32, bytes) each
//! ```
//! Sequences rise by one through all files, from 1. A process that is killed while it writes leaves a frame without its end:
//! a torn tail, which the next writer cuts; `check`, of the other words, tells it from a length that was damaged. Anything else that is not as it was written is damage, and named.
//! Content is what the caller calls the format of its records. Version 1 had neither that nor the run, version 2 cursors of 64 bits
//! in its records; both are read, and gone on with.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;
use zstd::bulk::{Compressor, Decompressor};

use crate::file;
use crate::units::RunId;

const MAGIC: [u8; 8] = *b"CORECLOG";
const VERSION: u32 = 3;
/// Bytes of a header up to the run's id: all of one of version 1.
const FILE_START: usize = 16;
const FILE_HEADER: usize = 32;
const FRAME_HEADER: usize = 32;
/// Bytes that a record may have.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// Bytes that a frame's records may have together, unpacked.
const FRAME_BYTES_MAX: usize = 64 << 20;
/// Bytes after which the next file is begun.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Records are mostly small and alike, and a tick waits for them: the fastest level.
const LEVEL: i32 = 1;

/// Why a log can't be read or written.
#[derive(Debug, Error)]
pub enum LogError {
    /// A file or folder can't be read or written.
    #[error("{path}: {message}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        message: String,
    },
    /// A file is not as it was written.
    #[error("{path}: byte {offset}: found {found}, must be {expected}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What was found.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A log of another run.
    #[error("{path}: found the journal of run {found}, must be empty or that of run {run}")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        run: RunId,
    },
    /// A record is larger than one may be.
    #[error("a record of {0} bytes, must be at most {RECORD_BYTES_MAX}")]
    TooLarge(usize),
}

fn io_error(path: &Path, error: &io::Error) -> LogError {
    LogError::Io { path: path.into(), message: error.to_string() }
}

fn file_header(version: u32, run: RunId, content: u16) -> [u8; FILE_HEADER] {
    let mut header = [0; FILE_HEADER];
    header[..12].copy_from_slice(&file_start(version));
    header[12..14].copy_from_slice(&content.to_le_bytes());
    header[FILE_START..].copy_from_slice(&run.0.to_le_bytes());
    let check = xxh3_64(&header) as u16;
    header[14..FILE_START].copy_from_slice(&check.to_le_bytes());
    header
}

fn file_start(version: u32) -> [u8; 12] {
    let mut start = [0; 12];
    start[..8].copy_from_slice(&MAGIC);
    start[8..].copy_from_slice(&version.to_le_bytes());
    start
}

/// The files of a log, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>, LogError> {
    let entries = fs::read_dir(folder).map_err(|e| io_error(folder, &e))?;
    let mut files: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.strip_suffix(".log")?;
            Some((number.parse().ok().filter(|_| number.len() == 8)?, path))
        })
        .collect();
    files.sort_unstable();
    for ((number, path), expected) in files.iter().zip(1..) {
        if *number != expected {
            return Err(LogError::Damaged {
                path: path.clone(),
                offset: 0,
                found: format!("no {expected:08}.log before it"),
                expected: "preceded by every file from 00000001.log on",
            });
        }
    }
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// Reads a log from its first record to its last.
pub struct LogReader {
    files: std::vec::IntoIter<PathBuf>,
    path: PathBuf,
    file: Option<BufReader<File>>,
    length: u64,
    /// Where the next frame begins.
    offset: u64,
    is_last: bool,
    /// The sequence of the next record.
    next: u64,
    records: Vec<u8>,
    at: usize,
    torn_bytes: u64,
    read_bytes: u64,
    version: u32,
    /// Of the first file; none before it has been read.
    content: Option<u16>,
    run: Option<RunId>,
    decompressor: Decompressor<'static>,
}

impl LogReader {
    /// Opens the log in `folder`.
    ///
    /// # Errors
    /// A folder that can't be read, or that lacks a file in the middle.
    pub fn open(folder: &Path) -> Result<Self, LogError> {
        let files = files(folder)?.into_iter();
        let decompressor = Decompressor::new().map_err(|e| io_error(folder, &e))?;
        Ok(Self {
            files,
            path: folder.into(),
            file: None,
            length: 0,
            offset: 0,
            is_last: true,
            next: 1,
            records: Vec::new(),
            at: 0,
            torn_bytes: 0,
            read_bytes: 0,
            version: VERSION,
            content: None,
            run: None,
            decompressor,
        })
    }

    /// The next record and its sequence; none at the end.
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn next_record(&mut self) -> Result<Option<(u64, &[u8])>, LogError> {
        while self.at == self.records.len() {
            if !self.next_frame()? {
                return Ok(None);
            }
        }
        let (length, rest) =
            self.records[self.at..].split_first_chunk().expect("the frame's records were counted");
        let (start, length) = (self.records.len() - rest.len(), u32::from_le_bytes(*length) as usize);
        self.at = start + length;
        let sequence = self.next;
        self.next += 1;
        Ok(Some((sequence, &self.records[start..start + length])))
    }

    /// Whose log it is, as far as it has been read; none for one of version 1.
    pub fn run(&self) -> Option<RunId> {
        self.run
    }

    /// The format of its records, as whoever began the log called it: 0 in one of version 1, none before a record has been read.
    pub fn content(&self) -> Option<u16> {
        self.content
    }

    /// Bytes of the files that have been begun.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Bytes after the last whole frame: what a process was writing when it was killed.
    pub fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// Reads the next frame into `records`; says whether there was one.
    fn next_frame(&mut self) -> Result<bool, LogError> {
        loop {
            if self.file.is_none() && !self.next_file()? {
                return Ok(false);
            }
            if self.torn_bytes > 0 {
                return Ok(false);
            }
            if self.offset < self.length {
                return self.read_frame();
            }
            self.file = None;
        }
    }

    fn next_file(&mut self) -> Result<bool, LogError> {
        let Some(path) = self.files.next() else { return Ok(false) };
        (self.path, self.is_last) = (path, self.files.len() == 0);
        let file = file::open(&self.path).map_err(|e| io_error(&self.path, &e))?;
        self.length = file.metadata().map_err(|e| io_error(&self.path, &e))?.len();
        (self.file, self.offset) = (Some(BufReader::new(file)), 0);
        self.read_bytes += self.length;
        let mut start = [0; FILE_START];
        if self.length < FILE_START as u64 {
            return self.torn(self.length, "the end of the file").map(|()| true);
        }
        self.read(&mut start)?;
        // A system that lost power may have kept the file's length and none of its bytes.
        if start == [0; FILE_START] && self.is_zero_to_the_end()? {
            return self.torn(self.length, "zeros").map(|()| true);
        }
        let Some(version) = (1..=VERSION).find(|version| start.starts_with(&file_start(*version))) else {
            return Err(self.damaged("another header", "that of a log of format 1, 2 or 3"));
        };
        self.version = version;
        if version == 1 {
            if !start.ends_with(&[0; 4]) {
                return Err(self.damaged("another header", "that of a log of format 1"));
            }
            self.content.get_or_insert(0);
            self.offset = FILE_START as u64;
            return Ok(true);
        }
        if self.length < FILE_HEADER as u64 {
            return self.torn(self.length, "the end of the file").map(|()| true);
        }
        let mut run = [0; FILE_HEADER - FILE_START];
        self.read(&mut run)?;
        let (content, run) = (u16::from_le_bytes([start[12], start[13]]), RunId(u128::from_le_bytes(run)));
        if start[..] != file_header(version, run, content)[..FILE_START] {
            return Err(self.damaged("a header with another checksum", "as it was written"));
        }
        self.content.get_or_insert(content);
        if self.run.is_some_and(|known| known != run) {
            return Err(self.damaged("a file of another run", "of the run of the file before it"));
        }
        self.run = Some(run);
        self.offset = FILE_HEADER as u64;
        Ok(true)
    }

    fn read_frame(&mut self) -> Result<bool, LogError> {
        let left = self.length - self.offset;
        if left < FRAME_HEADER as u64 {
            return self.torn(left, "the end of the file").map(|()| false);
        }
        let mut header = [0; FRAME_HEADER];
        self.read(&mut header)?;
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
        let long = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
        let (bytes, raw_bytes, count, first, hash) =
            (word(4) as usize, word(8) as usize, word(12), long(16), long(24));
        if header == [0; FRAME_HEADER] {
            // A system that lost power may have kept the file's length and none of its bytes; what follows then is zeros as well.
            return match self.is_zero_to_the_end()? {
                true => self.torn(left, "zeros").map(|()| false),
                false => Err(self.damaged("zeros, and more after them", "a frame")),
            };
        }
        if word(0) != check_of(&header)
            || bytes > FRAME_BYTES_MAX
            || raw_bytes > FRAME_BYTES_MAX
            || count == 0
        {
            return Err(self.damaged("no frame", "a frame"));
        }
        if (FRAME_HEADER + bytes) as u64 > left {
            return self.torn(left, "the end of the file").map(|()| false);
        }
        let mut payload = vec![0; bytes];
        self.read(&mut payload)?;
        if xxh3_64(&payload) != hash {
            // A frame that the system lost power over may have its length and not its bytes.
            return match (FRAME_HEADER + bytes) as u64 == left {
                true => self.torn(left, "a frame with another checksum").map(|()| false),
                false => Err(self.damaged("a frame with another checksum", "as it was written")),
            };
        }
        if self.next != first {
            return Err(self.damaged("a frame out of sequence", "the one that follows the last"));
        }
        let records = self.decompressor.decompress(&payload, raw_bytes);
        self.records = match records {
            Ok(records) if records.len() == raw_bytes => records,
            _ => return Err(self.damaged("no zstd frame of the length it says", "one")),
        };
        if record_count(&self.records) != Some(count) {
            return Err(self.damaged("records that are not as many as it says", "the frame's own"));
        }
        self.at = 0;
        self.offset += (FRAME_HEADER + bytes) as u64;
        Ok(true)
    }

    fn is_zero_to_the_end(&mut self) -> Result<bool, LogError> {
        let file = self.file.as_mut().expect("a file is open while it is read");
        loop {
            let bytes = file.fill_buf().map_err(|e| io_error(&self.path, &e))?;
            if bytes.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            match bytes.len() {
                0 => return Ok(true),
                count => file.consume(count),
            }
        }
    }

    fn read(&mut self, into: &mut [u8]) -> Result<(), LogError> {
        let file = self.file.as_mut().expect("a file is open while it is read");
        file.read_exact(into).map_err(|e| io_error(&self.path, &e))
    }

    /// The rest of the last file is torn; that of any other is damage.
    fn torn(&mut self, bytes: u64, found: &str) -> Result<(), LogError> {
        if !self.is_last {
            return Err(self.damaged(found, "a whole frame"));
        }
        self.torn_bytes = bytes.max(1);
        Ok(())
    }

    pub(super) fn damaged(&self, found: &str, expected: &'static str) -> LogError {
        LogError::Damaged { path: self.path.clone(), offset: self.offset, found: found.into(), expected }
    }
}

/// How many records fill `records`; none if the last one does not end with them.
fn record_count(mut records: &[u8]) -> Option<u32> {
    let mut count = 0;
    while !records.is_empty() {
        let (length, rest) = records.split_first_chunk()?;
        records = rest.get(u32::from_le_bytes(*length) as usize..)?;
        count += 1;
    }
    Some(count)
}

/// The check of a frame's header: of all its words but itself.
fn check_of(header: &[u8; FRAME_HEADER]) -> u32 {
    xxh3_64(&header[4..]) as u32
}

/// Appends records to a log.
pub struct LogWriter {
    folder: PathBuf,
    path: PathBuf,
    file: File,
    number: u32,
    length: u64,
    file_bytes_max: u64,
    run: RunId,
    content: u16,
    /// Whether the last file is of an older version: what is written now goes into the next one.
    is_old: bool,
    sync: bool,
    /// Whether a failed write may have left bytes beyond `length`.
    is_torn: bool,
    /// The sequence of the next record, and of the first that waits.
    next: u64,
    first: u64,
    records: Vec<u8>,
    frame: Vec<u8>,
    compressor: Compressor<'static>,
}

impl LogWriter {
    /// Makes the log of `run` in `folder`, with records of the format `content`; or goes on with its own that is there, whose
    /// torn tail is cut and whose records stay of the format they are. With `sync`, what is committed also survives a loss of power.
    ///
    /// # Errors
    /// See [`LogError`]; nothing is changed then.
    pub fn open(folder: &Path, run: RunId, content: u16, sync: bool) -> Result<Self, LogError> {
        fs::create_dir_all(folder).map_err(|e| io_error(folder, &e))?;
        let mut reader = LogReader::open(folder)?;
        let mut next = 1;
        while let Some((sequence, _)) = reader.next_record()? {
            next = sequence + 1;
        }
        if let Some(found) = reader.run().filter(|found| *found != run) {
            return Err(LogError::Foreign { path: folder.into(), found: found.to_string(), run });
        }
        let content = reader.content().unwrap_or(content);
        let files = files(folder)?;
        let number = files.len().max(1) as u32;
        let path = folder.join(format!("{number:08}.log"));
        // A torn header leaves no whole byte in the last file: it is begun anew.
        let length = if files.is_empty() { 0 } else { reader.offset };
        let file = if length == 0 {
            begin_file(&path, run, content)?
        } else {
            let open = || {
                let file = OpenOptions::new().append(true).open(&path)?;
                file.set_len(length).map(|()| file)
            };
            open().map_err(|e| io_error(&path, &e))?
        };
        if reader.torn_bytes > 0 {
            tracing::warn!("{}: a torn tail of {} bytes was cut", path.display(), reader.torn_bytes);
        }
        Ok(Self {
            folder: folder.into(),
            path,
            file,
            number,
            length: if length == 0 { FILE_HEADER as u64 } else { length },
            file_bytes_max: FILE_BYTES_MAX,
            run,
            content,
            is_old: length > 0 && reader.version < VERSION,
            sync,
            is_torn: false,
            next,
            first: next,
            records: Vec::new(),
            frame: Vec::new(),
            compressor: Compressor::new(LEVEL).map_err(|e| io_error(folder, &e))?,
        })
    }

    /// Adds a record to what waits to be committed; gives its sequence.
    ///
    /// # Errors
    /// [`LogError::TooLarge`]; what a full batch's commit says.
    pub fn append(&mut self, record: &[u8]) -> Result<u64, LogError> {
        if record.len() > RECORD_BYTES_MAX {
            return Err(LogError::TooLarge(record.len()));
        }
        if self.records.len() + 4 + record.len() > FRAME_BYTES_MAX {
            self.commit()?;
        }
        self.records.extend_from_slice(&(record.len() as u32).to_le_bytes());
        self.records.extend_from_slice(record);
        self.next += 1;
        Ok(self.next - 1)
    }

    /// What makes all that has been committed survive a loss of power; may be used on another thread.
    ///
    /// # Errors
    /// What the system says.
    pub fn syncer(&self) -> Result<Syncer, LogError> {
        let file = self.file.try_clone().map_err(|e| io_error(&self.path, &e))?;
        Ok(Syncer { file, path: self.path.clone() })
    }

    /// Bytes that wait to be committed.
    pub fn waiting_bytes(&self) -> usize {
        self.records.len()
    }

    /// Writes what waits, as one frame: it survives the process from here on.
    ///
    /// # Errors
    /// What the system says; what waited still waits.
    pub fn commit(&mut self) -> Result<(), LogError> {
        if self.records.is_empty() {
            return Ok(());
        }
        if self.is_torn {
            // A frame after half a one would be damage.
            self.file.set_len(self.length).map_err(|e| io_error(&self.path, &e))?;
            self.is_torn = false;
        }
        if self.is_old || self.length >= self.file_bytes_max {
            self.rotate()?;
        }
        let fail = |e: io::Error| io_error(&self.path, &e);
        self.frame.clear();
        self.frame.resize(FRAME_HEADER + zstd::zstd_safe::compress_bound(self.records.len()), 0);
        let bytes = self
            .compressor
            .compress_to_buffer(&self.records, &mut self.frame[FRAME_HEADER..])
            .map_err(fail)?;
        self.frame.truncate(FRAME_HEADER + bytes);
        let (header, payload) = self.frame.split_first_chunk_mut::<FRAME_HEADER>().expect("it is that long");
        let count = (self.next - self.first) as u32;
        for (at, word) in [(4, bytes as u32), (8, self.records.len() as u32), (12, count)] {
            header[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        header[16..24].copy_from_slice(&self.first.to_le_bytes());
        header[24..].copy_from_slice(&xxh3_64(payload).to_le_bytes());
        let check = check_of(header);
        header[..4].copy_from_slice(&check.to_le_bytes());
        let written = self
            .file
            .write_all(&self.frame)
            .and_then(|()| if self.sync { self.file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            self.is_torn = true;
            return Err(fail(error));
        }
        self.length += self.frame.len() as u64;
        self.first = self.next;
        self.records.clear();
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), LogError> {
        self.file.sync_all().map_err(|e| io_error(&self.path, &e))?;
        let path = self.folder.join(format!("{:08}.log", self.number + 1));
        let file = begin_file(&path, self.run, self.content)?;
        (self.file, self.path, self.length) = (file, path, FILE_HEADER as u64);
        (self.number, self.is_old) = (self.number + 1, false);
        Ok(())
    }
}

/// Waits for the disk to have what a log has committed. Files before the last are there already.
pub struct Syncer {
    file: File,
    path: PathBuf,
}

impl Syncer {
    /// Waits.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&self) -> Result<(), LogError> {
        self.file.sync_data().map_err(|e| io_error(&self.path, &e))
    }
}

/// Makes a file with nothing but its header, whatever a failed attempt left of it. Both survive a loss of power: a log whose
/// middle is missing would be damage.
fn begin_file(path: &Path, run: RunId, content: u16) -> Result<File, LogError> {
    let begin = || {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.set_len(0)?;
        file.write_all(&file_header(VERSION, run, content))?;
        file.sync_all()?;
        File::open(path.parent().unwrap_or(path))?.sync_all()?;
        Ok(file)
    };
    begin().map_err(|e| io_error(path, &e))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
}
