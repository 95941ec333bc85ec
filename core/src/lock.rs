//! Locks: a folder, or a file, belongs to one process at a time.
//!
//! A lock is the system's (`flock`), on a file beside what it guards, which stays there: the system drops it when the process
//! ends, however that happens, so that a lock never has to be removed by hand. The file says who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::file;

/// The lock's file in a folder.
pub const FILE: &str = ".lock";
/// How often, and after what pause, a lock is tried again: a reader that only looks holds it for a moment.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(10);
/// Bytes of a lock's file that are read.
const TEXT_BYTES_MAX: u64 = 100;

/// A lock that this process holds until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    /// Who had it before, in words.
    pub before: String,
}

/// Why a lock was not given.
#[derive(Debug)]
pub enum LockError {
    /// Somebody holds it: who, in words.
    Held(String),
    /// The system can't give one.
    Io(io::Error),
}

impl Lock {
    /// Takes the lock of a folder, which must be there.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn of_folder(folder: &Path) -> Result<Self, LockError> {
        Self::take(&folder.join(FILE))
    }

    /// Takes the lock whose file is `path`.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let mut tries = 0;
        loop {
            file::check(path).map_err(LockError::Io)?;
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
            let mut file = file.map_err(LockError::Io)?;
            match file.try_lock() {
                // A start that failed may have removed the folder, and this file with it, in the meantime.
                Ok(()) if !is_at(&file, path) => {}
                Ok(()) => {
                    let before = holder(&mut file);
                    let text = format!("process {}\n", std::process::id());
                    let told = file
                        .set_len(0)
                        .and_then(|()| file.rewind())
                        .and_then(|()| file.write_all(text.as_bytes()));
                    // Who holds it is a courtesy; that it is held is what counts.
                    _ = told;
                    return Ok(Self { _file: file, before });
                }
                Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
                Err(TryLockError::WouldBlock) if tries == TRIES => {
                    return Err(LockError::Held(holder(&mut file)));
                }
                Err(TryLockError::WouldBlock) => {
                    tries += 1;
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }
}

/// Whether a process holds the lock of `folder`. Changes nothing.
pub fn is_held(folder: &Path) -> bool {
    let Ok(file) = file::open(&folder.join(FILE)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Who holds a lock, as its file says.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    _ = file.rewind().and_then(|()| file.take(TEXT_BYTES_MAX).read_to_string(&mut text));
    match text.trim().strip_prefix("process ").and_then(|id| id.parse::<u32>().ok()) {
        Some(process) => format!("process {process}"),
        None => "another process".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_given_once_and_says_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_held(folder.path()));
        let lock = Lock::of_folder(folder.path()).unwrap();
        assert!(is_held(folder.path()));
        match Lock::of_folder(folder.path()) {
            Err(LockError::Held(who)) => assert_eq!(who, format!("process {}", std::process::id())),
            other => panic!("{other:?}"),
        }
        drop(lock);
        assert!(!is_held(folder.path()));
        Lock::of_folder(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Lock::of_folder(&folder.path().join("none")), Err(LockError::Io(_))));
        assert!(!is_held(&folder.path().join("none")));
    }
}
