//! Source: the bytes of a table, from a file, packed or not, or from a pipe.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::live::ROW_BYTES_MAX;

/// Whether a path is a named pipe.
pub fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// The text of a file, unpacked if it is gzipped.
pub(crate) fn open_file(path: &Path) -> io::Result<Box<dyn BufRead + Send + Sync>> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    let is_gzip = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(match is_gzip {
        true => Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file))),
        false => Box::new(file),
    })
}

/// Passes bytes on, and stops at a row that is too long to be one: what was read since the last one, quoted line ends
/// and all, would otherwise be kept in memory.
pub(crate) struct RowLimit<R> {
    inner: R,
    since_row: usize,
}

impl<R> RowLimit<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, since_row: 0 }
    }

    /// A row is whole.
    pub fn begin_row(&mut self) {
        self.since_row = 0;
    }
}

impl<R: Read> Read for RowLimit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.since_row += n;
        if self.since_row > ROW_BYTES_MAX {
            return Err(io::Error::other(format!(
                "found a row of over {ROW_BYTES_MAX} bytes, must be shorter"
            )));
        }
        Ok(n)
    }
}
