//! The reader: gives the records from the first to the last, checked by frame, up to a torn tail.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;
use zstd::bulk::Decompressor;

use super::error::{LogError, io_error};
use super::format::{
    FILE_HEADER, FILE_START, FRAME_BYTES_MAX, FRAME_HEADER, VERSION, check_of, file_header, file_start,
    record_count,
};
use crate::file;
use crate::units::RunId;

/// The files of a log, in order.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, LogError> {
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
    pub(super) offset: u64,
    is_last: bool,
    /// The sequence of the next record.
    next: u64,
    records: Vec<u8>,
    at: usize,
    pub(super) torn_bytes: u64,
    read_bytes: u64,
    pub(super) version: u32,
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

    pub(in crate::journal) fn damaged(&self, found: &str, expected: &'static str) -> LogError {
        LogError::Damaged { path: self.path.clone(), offset: self.offset, found: found.into(), expected }
    }
}
