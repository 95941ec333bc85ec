//! Ack: the file that tells whoever feeds a run up to which row it need not send again.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use corec_core::file;
use corec_core::lock::{Lock, LockError};
use corec_core::units::RunId;

/// Bytes that an acknowledgement may have: a number and an end of line, generously.
const BYTES_MAX: u64 = 64;

/// The sequence of the last safe row, in a file that is whole at any moment. It is this run's while this lives.
#[derive(Debug)]
pub struct Ack {
    path: PathBuf,
    temporary: PathBuf,
    sync: bool,
    _lock: Lock,
}

impl Ack {
    /// Makes ready to write `path`, which must be new or hold an acknowledgement; a link is followed. With `sync`, what is told also
    /// survives a loss of power.
    ///
    /// # Errors
    /// What is there instead, or who writes to it: a text.
    pub fn open(path: &Path, run: RunId, sync: bool) -> Result<Self, String> {
        let fail = |message: &str| format!("{}: {message}", path.display());
        let path = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_path_buf(),
            Err(error) => return Err(fail(&error.to_string())),
            // What it leads to is replaced, not the link.
            Ok(found) if found.is_symlink() => {
                fs::canonicalize(path).map_err(|e| fail(&format!("a link that leads nowhere: {e}")))?
            }
            Ok(_) => path.to_path_buf(),
        };
        if let Ok(found) = fs::metadata(&path) {
            if !found.is_file() {
                return Err(fail(
                    "found a pipe, device or folder, must be a file of its own or not there yet",
                ));
            }
            if !is_acknowledgement(&path).map_err(|e| fail(&e.to_string()))? {
                return Err(fail("found a file that is no acknowledgement, must be a file of its own"));
            }
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| fail("must name a file"))?;
        let lock = Lock::take(&folder.join(format!(".{name}.lock"))).map_err(|error| match error {
            LockError::Held(who) => fail(&format!("{who} writes to it, must be a file of its own")),
            LockError::Io(error) => fail(&error.to_string()),
        })?;
        let temporary = folder.join(format!(".{name}.{run}.tmp"));
        Ok(Self { path, temporary, sync, _lock: lock })
    }

    /// Tells of the row `sequence`.
    ///
    /// # Errors
    /// A text with the file.
    pub fn write(&self, sequence: u64) -> Result<(), String> {
        let write = || -> io::Result<()> {
            let mut file = fs::File::create(&self.temporary)?;
            file.write_all(format!("{sequence}\n").as_bytes())?;
            if self.sync {
                file.sync_all()?;
            }
            fs::rename(&self.temporary, &self.path)
        };
        write().map_err(|e| format!("--ack: {}: {e}", self.path.display()))
    }
}

/// What the file of [`Ack`] tells: the sequence of the last safe row; 0 where it tells of none yet.
///
/// # Errors
/// A file that can't be read, or is no acknowledgement: a text.
pub fn read(path: &Path) -> Result<u64, String> {
    let fail = |message: &str| Err(format!("{}: {message}", path.display()));
    let mut text = Vec::new();
    let file = match file::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        file => file,
    };
    if let Err(error) = file.and_then(|file| file.take(BYTES_MAX).read_to_end(&mut text)) {
        return fail(&error.to_string());
    }
    // A loss of power may have left zeros of it.
    text.retain(|byte| *byte != 0);
    let text = text.trim_ascii();
    match std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()) {
        _ if text.is_empty() => Ok(0),
        Some(sequence) if text.iter().all(u8::is_ascii_digit) => Ok(sequence),
        _ => fail("found no acknowledgement, must be what `corec run --ack` writes"),
    }
}

/// Whether a file is empty or holds nothing but a number. A loss of power may have left zeros of it.
fn is_acknowledgement(path: &Path) -> io::Result<bool> {
    let mut text = Vec::new();
    file::open(path)?.take(BYTES_MAX).read_to_end(&mut text)?;
    let text = text.trim_ascii();
    Ok(text.iter().all(|byte| byte.is_ascii_digit() || *byte == 0) && text.len() < BYTES_MAX as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_elses_file_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("table.csv"), "a,b\n1,2\n").unwrap();
        fs::write(at("old"), "400\n").unwrap();
        fs::write(at("notes.tmp"), "mine").unwrap();
        std::os::unix::fs::symlink(at("old"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("none"), at("loose")).unwrap();
        for (name, wanted) in
            [("table.csv", "no acknowledgement"), ("", "folder"), ("loose", "leads nowhere")]
        {
            let error = Ack::open(&at(name), RunId(1), false).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
        assert!(Ack::open(Path::new("/dev/null"), RunId(1), false).unwrap_err().contains("device"));
        let ack = Ack::open(&at("link"), RunId(1), false).unwrap();
        assert!(Ack::open(&at("old"), RunId(2), false).unwrap_err().contains("process"), "by its other name");
        ack.write(401).unwrap();
        Ack::open(&at("notes.ack"), RunId(1), false).unwrap().write(7).unwrap();
        assert_eq!(fs::read_to_string(at("old")).unwrap(), "401\n");
        assert_eq!((read(&at("link")), read(&at("none"))), (Ok(401), Ok(0)));
        assert!(read(&at("table.csv")).unwrap_err().contains("no acknowledgement"));
        assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(at("notes.tmp")).unwrap(), "mine");
    }
}
