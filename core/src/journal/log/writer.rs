//! The writer: gathers records into frames, writes a frame at once, and begins a file when the last is full.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;
use zstd::bulk::Compressor;

use super::error::{LogError, io_error};
use super::format::{
    FILE_HEADER, FRAME_BYTES_MAX, FRAME_HEADER, RECORD_BYTES_MAX, VERSION, check_of, file_header,
};
use super::reader::{LogReader, files};
use crate::units::RunId;

/// Bytes after which the next file is begun.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Records are mostly small and alike, and a tick waits for them: the fastest level.
const LEVEL: i32 = 1;

/// Appends records to a log.
pub struct LogWriter {
    folder: PathBuf,
    path: PathBuf,
    file: File,
    pub(super) number: u32,
    length: u64,
    pub(super) file_bytes_max: u64,
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

    /// Lets go of what waits to be committed, after a commit that failed: whoever has it still may append it again.
    pub fn discard(&mut self) {
        self.records.clear();
        self.next = self.first;
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
