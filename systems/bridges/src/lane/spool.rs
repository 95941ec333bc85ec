//! Spool: what waits on disk while the far side is away, in order, until the far side has it.
//!
//! ```text
//! FOLDER/000000000001/00000001.log   a segment: a log, named by the number of its first item
//! FOLDER/000000004217/00000001.log   the next one
//! ```
//! Items are added to the last segment and read from the first, which goes when all in it has been taken. A process that is killed
//! leaves its segments: the next one sends the first of them from its beginning, and items that the far side has had already change
//! nothing there. What can't be read is counted, by the number of the segment after it, and stays as `NUMBER.1.damaged` for whoever wants to look.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use corec_core::journal::{LogReader, LogWriter, RECORD_BYTES_MAX};
use corec_core::units::RunId;

use super::folder::{bytes_in, make_folder, segments_in, sync_files};
use super::options::SpoolOptions;
use super::segment::{CONTENT, Segment, Unread, append, growth_max, next_item};
use super::sink::Spooled;

/// Bytes after which the next segment is begun: what is sent twice after a kill, and lost by a damaged byte, at most.
const SEGMENT_BYTES_MAX: u64 = 8 << 20;
/// Bytes of items that are written at once. They are gathered while the tick may not put more in.
const WRITE_BYTES_MAX: usize = 1 << 20;

/// What a spool holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub items: u64,
    pub bytes: u64,
    /// Items that could not be read again.
    pub lost: u64,
}

/// Items on disk.
pub(super) struct Spool<T> {
    folder: PathBuf,
    bytes_max: u64,
    segment_bytes_max: u64,
    run: RunId,
    /// The oldest is first.
    segments: VecDeque<Segment>,
    /// The number of the next item.
    next: u64,
    lost: u64,
    /// To the last segment.
    writer: Option<LogWriter>,
    /// Of the first.
    reader: Option<LogReader>,
    /// What was read and has not been taken.
    batch: Vec<T>,
    /// What is to be written, and where each item ends in it.
    gathered: Vec<u8>,
    ends: Vec<usize>,
    record: Vec<u8>,
}

impl<T: Spooled> Spool<T> {
    /// What another process may have left; makes nothing.
    ///
    /// # Errors
    /// A folder that can't be read, or is another run's. A text that names it.
    pub fn open(options: &SpoolOptions) -> Result<Self, String> {
        let SpoolOptions { folder, bytes_max, run } = options;
        let mut spool = Self {
            folder: folder.clone(),
            bytes_max: *bytes_max,
            // Room comes back by segments.
            segment_bytes_max: (bytes_max / 8).min(SEGMENT_BYTES_MAX),
            run: *run,
            segments: VecDeque::new(),
            next: 1,
            lost: 0,
            writer: None,
            reader: None,
            batch: Vec::new(),
            gathered: Vec::new(),
            ends: Vec::new(),
            record: Vec::new(),
        };
        for (first, path) in segments_in(folder)? {
            let segment = Segment::find(&path, first, *run)?;
            let at = |e: std::io::Error| format!("{}: {e}", path.display());
            sync_files(&path).map_err(at)?;
            if segment.left == 0 && segment.damage.is_none() {
                fs::remove_dir_all(&path).map_err(at)?;
                continue;
            }
            spool.add(segment);
        }
        if let Some(last) = spool.segments.back().filter(|last| last.damage.is_some()) {
            // Nothing tells how many there were.
            (spool.lost, spool.next) = (spool.lost + 1, spool.next + 1);
            tracing::warn!("spool {}: at least one item is lost", last.path.display());
        }
        if let Some(last) = spool.segments.back_mut().filter(|last| last.is_torn && last.damage.is_none()) {
            // A writer cuts what was being written when the process was killed, and says so.
            LogWriter::open(&last.path, *run, CONTENT, false).map_err(|e| e.to_string())?;
            last.bytes = bytes_in(&last.path);
        }
        spool.remove_empty();
        Ok(spool)
    }

    /// Adds what was found. The numbers tell what is missing before it.
    fn add(&mut self, segment: Segment) {
        let missing = segment.first.saturating_sub(self.next);
        if let Some(before) = self.segments.back_mut().filter(|_| missing > 0) {
            before.damage.get_or_insert("its end is missing".into());
            self.lost += missing;
            tracing::warn!("spool {}: {missing} items before it are lost", segment.path.display());
        }
        if let Some(why) = &segment.damage {
            tracing::warn!("spool {}: can't be read to its end: {why}", segment.path.display());
        }
        self.next = segment.first + segment.left;
        self.segments.push_back(segment);
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn held(&self) -> Held {
        let sum = |of: fn(&Segment) -> u64| self.segments.iter().map(of).sum();
        Held { items: sum(|segment| segment.left), bytes: sum(|segment| segment.bytes), lost: self.lost }
    }

    /// Makes the first of `items` ready to be written, as many as are written at once and have room; says how many.
    pub fn gather<'i>(&mut self, items: impl IntoIterator<Item = &'i T>) -> usize
    where
        T: 'i,
    {
        let room = self.bytes_max.saturating_sub(self.held().bytes);
        self.gathered.clear();
        self.ends.clear();
        for item in items {
            item.encode(&mut self.gathered);
            // One that does not fit in a record may be written in part only, and is so alone.
            let is_large = self.gathered.len() > RECORD_BYTES_MAX && !self.ends.is_empty();
            if is_large || growth_max(self.gathered.len(), self.ends.len() + 1) > room {
                break;
            }
            self.ends.push(self.gathered.len());
            if self.gathered.len() >= WRITE_BYTES_MAX {
                break;
            }
        }
        self.ends.len()
    }

    /// Writes what was gathered: it survives the process from here on.
    ///
    /// # Errors
    /// What the system says; none of it is in the spool then. A text.
    pub fn write(&mut self) -> Result<(), String> {
        if self.segments.back().is_some_and(|last| last.bytes >= self.segment_bytes_max) {
            self.end_segment()?;
        }
        if self.writer.is_none() {
            self.begin_segment()?;
        }
        let (Some(log), Some(last)) = (&mut self.writer, self.segments.back_mut()) else { return Ok(()) };
        let mut start = 0;
        let mut written = Ok(());
        for end in &self.ends {
            written = written.and_then(|()| append(log, &mut self.record, &self.gathered[start..*end]));
            start = *end;
        }
        let written = written.and_then(|()| log.commit());
        if written.is_err() {
            log.discard();
        } else {
            last.left += self.ends.len() as u64;
            self.next += self.ends.len() as u64;
        }
        last.bytes = bytes_in(&last.path);
        written.map_err(|e| e.to_string())
    }

    /// Waits for the disk to have all that was written.
    ///
    /// # Errors
    /// What the system says: a text.
    pub fn sync(&mut self) -> Result<(), String> {
        let Some(log) = &self.writer else { return Ok(()) };
        log.syncer().and_then(|syncer| syncer.sync()).map_err(|e| e.to_string())
    }

    /// Begins a segment after the last.
    fn begin_segment(&mut self) -> Result<(), String> {
        let path = self.folder.join(format!("{:012}", self.next));
        make_folder(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        self.writer = Some(LogWriter::open(&path, self.run, CONTENT, false).map_err(|e| e.to_string())?);
        let bytes = bytes_in(&path);
        self.segments.push_back(Segment {
            path,
            first: self.next,
            left: 0,
            read: 0,
            bytes,
            is_torn: false,
            damage: None,
        });
        Ok(())
    }

    /// Nothing more is written to the last segment.
    fn end_segment(&mut self) -> Result<(), String> {
        self.sync()?;
        self.writer = None;
        Ok(())
    }

    /// What is first, at most `max` items; none if all that was left could not be read. The same again until it has been taken.
    ///
    /// # Errors
    /// What the disk says: a text.
    pub fn read(&mut self, max: usize) -> Result<&[T], String> {
        while self.batch.is_empty() && !self.segments.is_empty() {
            if self.segments.len() == 1 {
                self.end_segment()?;
            }
            self.read_first(max.max(1))?;
            if self.batch.is_empty() {
                self.remove_empty();
            }
        }
        Ok(&self.batch)
    }

    fn read_first(&mut self, max: usize) -> Result<(), String> {
        let Some(first) = self.segments.front_mut() else { return Ok(()) };
        let mut lose = |segment: &mut Segment, count: u64, why: String| {
            (segment.left, self.lost) = (segment.left - count, self.lost + count);
            tracing::warn!("spool {}: {count} items are lost: {why}", segment.path.display());
            segment.damage = Some(why);
        };
        while self.batch.len() < max && (self.batch.len() as u64) < first.left {
            let read = match &mut self.reader {
                Some(log) => next_item(log, &mut self.record),
                None => first.open().and_then(|log| next_item(self.reader.insert(log), &mut self.record)),
            };
            let rest = first.left - self.batch.len() as u64;
            match read {
                Ok(true) => {
                    first.read += 1;
                    match T::decode(&self.record) {
                        Ok(item) => self.batch.push(item),
                        Err(why) => lose(first, 1, why),
                    }
                }
                Ok(false) => lose(first, rest, "it ends too soon".into()),
                Err(Unread::Damaged(why)) => lose(first, rest, why),
                Err(Unread::Io(why)) => {
                    self.reader = None;
                    return Err(why);
                }
            }
        }
        Ok(())
    }

    /// Whether what was read is the last of its segment.
    pub fn is_end_of_segment(&self) -> bool {
        self.segments.front().is_some_and(|first| first.left == self.batch.len() as u64)
    }

    /// The far side has what was read; says how many items.
    pub fn taken(&mut self) -> usize {
        let count = self.batch.len();
        self.batch.clear();
        if let Some(first) = self.segments.front_mut() {
            first.left -= count as u64;
        }
        self.remove_empty();
        count
    }

    /// Segments go that are first and that nothing is left of.
    fn remove_empty(&mut self) {
        while self.segments.front().is_some_and(|first| first.left == 0) {
            self.remove_first();
        }
    }

    /// The first segment goes, or is put aside if not all of it could be read; with the last one, the folder.
    fn remove_first(&mut self) {
        self.reader = None;
        let Some(Segment { path, damage, .. }) = self.segments.pop_front() else { return };
        if self.segments.is_empty() {
            self.writer = None;
        }
        // A name of its own first: half of a segment would be taken for a damaged one.
        let removed = if damage.is_none() {
            let aside = path.with_extension("taken");
            fs::rename(&path, &aside).and_then(|()| fs::remove_dir_all(&aside))
        } else {
            let names = (1..).map(|n: u32| path.with_extension(format!("{n}.damaged")));
            names.into_iter().find(|aside| !aside.exists()).map_or(Ok(()), |aside| fs::rename(&path, aside))
        };
        if let Err(error) = removed {
            tracing::warn!("spool {}: can't be removed, and is sent again: {error}", path.display());
        }
        if self.segments.is_empty() {
            // It stays where there is something that was put aside.
            _ = fs::remove_dir(&self.folder);
        }
    }
}
